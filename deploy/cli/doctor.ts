/** What `saf doctor` does. */
import { access, constants, statfs } from "node:fs/promises";
import { arch, availableParallelism, platform, release, totalmem } from "node:os";
import { mnistDirectory, verifyMnist } from "../../coordinator/io/datasets/mnist.js";
import { ClusterError } from "../../shared/errors.js";
import { VERSION } from "../../shared/version.js";
import { resolveNatsServer } from "../local/nats/resolve.js";
import { defaultCacheDir, provisionEngine } from "../setup/engine.js";
import { printResult, reportError } from "./output.js";
import { makeFolder } from "../../shared/io/folders.js";

interface Finding {
  what: string;
  ok: boolean;
  detail: string;
}

/** Free space below which a run may not fit, in bytes. */
const WANTED_DISK_BYTES = 2 * 2 ** 30;

export async function doctor({ json }: { json?: true }): Promise<void> {
  const findings = await examine();
  const healthy = findings.every(({ ok }) => ok);
  if (json) printResult({ healthy, findings });
  else {
    const width = Math.max(...findings.map(({ what }) => what.length));
    printResult(
      findings
        .map(({ what, ok, detail }) => `${ok ? "ok  " : "BAD "} ${what.padEnd(width)}  ${detail}`)
        .join("\n"),
    );
  }
  if (healthy) return;
  // Not thrown: stdout has its one document already.
  reportError(
    new ClusterError("dependency", "Something that a run needs is missing", {
      hint: "run `npx saf setup`",
    }),
  );
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
  return [
    { what: "saf", ok: true, detail: VERSION },
    { what: "node", ok: true, detail: `${process.version}, ${platform()} ${arch()} ${release()}` },
    {
      what: "machine",
      ok: true,
      detail: `${availableParallelism()} core(s), ${Math.round(totalmem() / 2 ** 30)} GiB memory`,
    },
    await check("engine", async () => {
      const choice = await provisionEngine({ cacheDir, progress: () => undefined });
      return `${choice.engine}: ${choice.version} on ${choice.device}`;
    }),
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
