/** What `saf doctor` does. */
import { access, constants, statfs } from "node:fs/promises";
import { arch, availableParallelism, platform, release, totalmem } from "node:os";
import { mnistDirectory, verifyMnist } from "../../coordinator/io/datasets/mnist.js";
import { ClusterError } from "../../shared/errors.js";
import { VERSION } from "../../shared/version.js";
import { resolveNatsServer } from "../local/nats/resolve.js";
import { gpuFinding } from "../setup/core/gpu-verdict.js";
import { type EngineChoice, defaultCacheDir, provisionEngine } from "../setup/engine.js";
import { inspectGpu } from "../setup/gpu-facts.js";
import { hanging, plainWords, terminalOf } from "./terminal.js";
import { printResult, reportError } from "./output.js";
import { makeFolder } from "../../shared/io/folders.js";

interface Finding {
  what: string;
  ok: boolean;
  detail: string;
  /** Something that a run can do without is not as it should be. */
  warning?: true;
}

/** Free space below which a run may not fit, in bytes. */
const WANTED_DISK_BYTES = 2 * 2 ** 30;

export async function doctor({ json }: { json?: true }): Promise<void> {
  const findings = await examine();
  const healthy = findings.every(({ ok }) => ok);
  if (json) printResult({ healthy, findings });
  else printResult(findingLines(findings, process.stdout));
  if (healthy) return;
  // Not thrown: stdout has its one document already.
  reportError(
    new ClusterError("dependency", "Something that a run needs is missing", {
      hint: "run `npx saf setup`",
    }),
  );
}

/** Wrapped on a terminal; elsewhere a line each. */
function findingLines(findings: readonly Finding[], stream: typeof process.stdout): string {
  const start = 6 + Math.max(...findings.map(({ what }) => what.length)) + 1;
  const { width } = terminalOf(stream);
  const lines = findings.flatMap(({ what, ok, warning, detail }) => {
    const mark = warning === true ? "warn" : ok ? "ok  " : "BAD ";
    const head = `${mark} ${what}`.padEnd(start);
    if (!stream.isTTY) return [`${head}${detail}`];
    const { first, more } = hanging(start, plainWords(detail), width);
    return [`${head}${first}`, ...more];
  });
  return lines.join("\n");
}

async function examine(): Promise<Finding[]> {
  const env = process.env;
  const cacheDir = defaultCacheDir(env);
  const check = async (what: string, look: () => Promise<string>): Promise<Finding> => {
    try {
      return { what, ok: true, detail: await look() };
    } catch (error) {
      const hint =
        error instanceof ClusterError && error.hint !== undefined ? ` (${error.hint.split("\n")[0]})` : "";
      return { what, ok: false, detail: `${error instanceof Error ? error.message : String(error)}${hint}` };
    }
  };
  let choice: EngineChoice | undefined;
  return [
    { what: "saf", ok: true, detail: VERSION },
    { what: "node", ok: true, detail: `${process.version}, ${platform()} ${arch()} ${release()}` },
    {
      what: "machine",
      ok: true,
      detail: `${availableParallelism()} core(s), ${Math.round(totalmem() / 2 ** 30)} GiB memory`,
    },
    await check("engine", async () => {
      choice = await provisionEngine({ cacheDir, progress: () => undefined });
      return `${choice.engine}: ${choice.version} on ${choice.device}`;
    }),
    findingOf(gpuFinding(await inspectGpu(env), choice)),
    await check("nats-server", async () => {
      const nats = await resolveNatsServer({ env, cacheDir, install: false, progress: () => undefined });
      return `${nats.version} (${nats.from})`;
    }),
    await check("mnist", async () => {
      const { directory, from } = mnistDirectory(undefined, env);
      const reports = await verifyMnist(directory);
      const wrong = reports.find(({ ok }) => !ok);
      if (wrong !== undefined)
        throw new ClusterError(
          "data",
          `${wrong.file}: expected SHA-256 ${wrong.expected}, found ${wrong.sha256}`,
        );
      return `${reports.length} files, checksums right (${from})`;
    }),
    await check("disk", async () => {
      await makeFolder(cacheDir);
      await access(cacheDir, constants.W_OK);
      const { bavail, bsize } = await statfs(process.cwd());
      if (bavail * bsize < WANTED_DISK_BYTES)
        throw new Error(`only ${Math.round((bavail * bsize) / 2 ** 20)} MiB free here`);
      return `${Math.round((bavail * bsize) / 2 ** 30)} GiB free here; cache ${cacheDir}`;
    }),
  ];
}

/** A run does without a GPU. */
function findingOf({ warning, detail }: { warning: boolean; detail: string }): Finding {
  return { what: "gpu", ok: true, detail, ...(warning ? { warning } : {}) };
}
