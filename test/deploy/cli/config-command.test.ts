import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { parse } from "yaml";
import { saf } from "../../support/saf.js";

const modules = new URL("../../../deploy/cli/", import.meta.url).href;
const script = `
import { configCommand } from "${modules}config-command.js";
import { reportError } from "${modules}output.js";
await configCommand().parseAsync(process.argv.slice(1), { from: "user" }).catch((error) => reportError(error));`;

function config(cwd: string, ...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, ["--input-type=module", "-e", script, "--", ...args], {
    cwd,
    encoding: "utf8",
    timeout: 30_000,
  });
}

test("config show, schema and validate say on stdout what they found", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "saf-config-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  await writeFile(join(folder, "run.yaml"), "name: ok\ntrain: { epochs: 2 }\n");
  await writeFile(join(folder, "bad.yaml"), "nmae: ok\n");

  const shown = config(folder, "show", "-c", "run.yaml", "--set", "seed=7");
  assert.equal(shown.status, 0, shown.stderr);
  assert.match(shown.stdout, /^name: ok +# run\.yaml:1:7$/m);
  assert.match(shown.stdout, /^seed: 7 +# --set$/m);
  assert.match(shown.stdout, /^ {2}epochs: 2 +# run\.yaml:2:18$/m);
  assert.match(shown.stdout, /^ {2}batch_size: \d+ +# the paper's$/m);
  assert.match(shown.stdout, /^ {2}slots: 4 +# default$/m);
  assert.equal((parse(shown.stdout) as { seed: number }).seed, 7);

  const json = JSON.parse(config(folder, "show", "--json").stdout) as {
    config: { seed: number };
    sources: Record<string, string>;
  };
  assert.equal(json.config.seed, 0);
  assert.equal(json.sources["train.epochs"], "the paper's");

  const schema = JSON.parse(config(folder, "schema").stdout) as {
    additionalProperties: boolean;
    properties: object;
  };
  assert.equal(schema.additionalProperties, false);
  assert.ok("train" in schema.properties);

  const valid = config(folder, "validate", "run.yaml");
  assert.deepEqual([valid.status, valid.stdout, valid.stderr], [0, "", "run.yaml: valid\n"]);

  const invalid = config(folder, "validate", "bad.yaml");
  assert.equal(invalid.status, 2);
  assert.match(invalid.stderr, /^saf: bad\.yaml:1:1: unknown key "nmae" — did you mean "name"\?\n/);

  const report = config(folder, "validate", "bad.yaml", "--json");
  assert.equal(report.status, 2);
  assert.deepEqual(JSON.parse(report.stdout), {
    valid: false,
    problems: ['bad.yaml:1:1: unknown key "nmae" — did you mean "name"?'],
  });
});

test("what is said of the pool is checked though the run is shown, and a variable that nobody reads is named", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "saf-config-"));
  t.after(() => rm(folder, { recursive: true, force: true }));

  const wrong = config(folder, "show", "--set", "pool.nope=1");
  assert.equal(wrong.status, 2);
  assert.match(wrong.stderr, /--set pool\.nope: unknown key "nope"/);

  const named = await saf(["config", "show"], { env: { SAF_POOL_WORKRES: "3" } });
  assert.equal(named.code, 0);
  assert.equal(
    named.stderr,
    "saf: SAF_POOL_WORKRES is no setting and does nothing; did you mean SAF_POOL_WORKERS?\n",
  );
});
