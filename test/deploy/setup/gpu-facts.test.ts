import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { type TestContext, test } from "node:test";
import { inspectGpu, missingCuda } from "../../../deploy/setup/gpu-facts.js";
import { saf } from "../../support/saf.js";

const LIMIT = { timeout: 120_000 };

/** A folder with an nvidia-smi that does this; in front of the usual PATH. */
function pathWith(t: TestContext, body: string): { folder: string; PATH: string } {
  const folder = mkdtempSync(join(tmpdir(), "saf-smi-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, "nvidia-smi");
  writeFileSync(file, `#!/bin/sh\n${body}\n`);
  chmodSync(file, 0o755);
  return { folder, PATH: `${folder}${delimiter}${process.env["PATH"] ?? ""}` };
}

test("nvidia-smi is asked for name, driver and compute capability", LIMIT, async (t) => {
  const { PATH } = pathWith(
    t,
    `[ "$1" = --query-gpu=name,driver_version,compute_cap ] && [ "$2" = --format=csv,noheader ] || exit 2
echo 'NVIDIA L4, 550.54.15, 8.9'`,
  );
  const verdict = await inspectGpu({ PATH });
  assert.equal(verdict.severity, "usable");
  assert.equal(verdict.card?.name, "NVIDIA L4");
});

test("an nvidia-smi that hangs is given up", LIMIT, async (t) => {
  const { PATH } = pathWith(t, "exec sleep 60");
  const verdict = await inspectGpu({ PATH }, 300);
  assert.equal(verdict.severity, "broken");
  assert.match(verdict.message, /does not answer/);
});

test("CUDA libraries are looked for where the loader does", LIMIT, async (t) => {
  const { folder } = pathWith(t, "exit 9");
  for (const name of ["libcudart.so.12", "libcudnn.so.9"]) writeFileSync(join(folder, name), "");
  const missing = await missingCuda("wheel", { PATH: "/nowhere", LD_LIBRARY_PATH: folder });
  assert.ok(missing !== undefined && !/libcudart|libcudnn/.test(missing), missing);
});

test(
  "`doctor` warns of a driver that does not answer right, and is healthy all the same",
  LIMIT,
  async (t) => {
    const words = "Failed to initialize NVML: Driver/library version mismatch";
    const { PATH } = pathWith(t, `echo '${words}'; exit 18`);
    const run = await saf(["doctor", "--json"], { env: { PATH, CUDA_VISIBLE_DEVICES: undefined } });
    assert.equal(run.code, 0, run.stderr);
    const { healthy, findings } = JSON.parse(run.stdout) as {
      healthy: boolean;
      findings: { what: string; ok: boolean; warning?: boolean; detail: string }[];
    };
    assert.equal(healthy, true);
    const gpu = findings.find(({ what }) => what === "gpu");
    assert.equal(gpu?.warning, true);
    assert.match(gpu.detail, /different versions \(nvidia-smi: .* mismatch\) \(restart the machine/);
  },
);
