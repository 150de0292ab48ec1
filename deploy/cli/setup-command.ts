/** `saf setup` and `saf doctor`: get what a run needs; say what is there. */
import { access, constants, mkdir, statfs } from "node:fs/promises";
import { arch, availableParallelism, platform, release, totalmem } from "node:os";
import { Command, Option } from "commander";
import { mnistDirectory, verifyMnist } from "../../coordinator/io/datasets/mnist.js";
import { ENGINE_NAMES, type EngineName } from "../../shared/engine.js";
import { ClusterError } from "../../shared/errors.js";
import { VERSION } from "../../shared/version.js";
import { resolveNatsServer } from "../local/nats/resolve.js";
import { defaultCacheDir, provisionEngine } from "../setup/engine.js";
import { printResult, reportError } from "./output.js";

interface SetupOptions {
  json?: true;
  engine?: EngineName;
  natsServer?: string;
  refresh?: true;
  engineOnly?: true;
}

const engineOption = (): Option =>
  new Option("--engine <name>", "this engine or an error (also SAF_ENGINE)").choices([...ENGINE_NAMES]);

export function setupCommand(): Command {
  return new Command("setup")
    .description("get an engine and a nats-server, once; says what it chose and why")
    .option("--json", "print the choice as one JSON document")
    .addOption(engineOption())
    .option("--nats-server <path>", "this nats-server program")
    .option("--refresh", "choose the engine anew")
    .option("--engine-only", "leave nats-server alone: for the image of a worker")
    .action(async (options: SetupOptions) => {
      const env = process.env;
      const cacheDir = defaultCacheDir(env);
      const progress = (line: string): void => void process.stderr.write(`setup: ${line}\n`);
      const choice = await provisionEngine({
        cacheDir,
        progress,
        ...(options.engine === undefined ? {} : { force: options.engine }),
        refresh: options.refresh === true,
      });
      const nats =
        options.engineOnly === true
          ? undefined
          : await resolveNatsServer({
              env,
              cacheDir,
              install: true,
              progress,
              ...(options.natsServer === undefined ? {} : { explicit: options.natsServer }),
            });
      if (options.json) {
        printResult({
          engine: choice,
          nats_server:
            nats === undefined ? null : { path: nats.path, version: nats.version, from: nats.from },
          cache: cacheDir,
        });
        return;
      }
      const speed =
        choice.samplesPerSecond === undefined
          ? ""
          : `, ${Math.round(choice.samplesPerSecond)} LeNet images/s a core`;
      progress(`engine ${choice.engine}: ${choice.version} on ${choice.device}${speed}`);
      for (const line of choice.why) progress(`  ${line}`);
      if (nats !== undefined) progress(`nats-server ${nats.version} (${nats.from}): ${nats.path}`);
    });
}

interface Finding {
  what: string;
  ok: boolean;
  detail: string;
}

/** Free space below which a run may not fit, in bytes. */
const WANTED_DISK_BYTES = 2 * 2 ** 30;

export function doctorCommand(): Command {
  return new Command("doctor")
    .description("look at everything a run needs, change nothing")
    .option("--json", "print the findings as one JSON document")
    .action(async ({ json }: { json?: true }) => {
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
    });
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
      await mkdir(cacheDir, { recursive: true });
      await access(cacheDir, constants.W_OK);
      const { bavail, bsize } = await statfs(process.cwd());
      if (bavail * bsize < WANTED_DISK_BYTES)
        throw new Error(`only ${Math.round((bavail * bsize) / 2 ** 20)} MiB free here`);
      return `${Math.round((bavail * bsize) / 2 ** 30)} GiB free here; cache ${cacheDir}`;
    }),
  ];
}
