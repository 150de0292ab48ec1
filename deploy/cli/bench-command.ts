/** `saf bench`: what the cluster costs, as ratios measured side by side in interleaved rounds. */
import { availableParallelism, loadavg } from "node:os";
import { Command, Option } from "commander";
import { ENGINE_NAMES, type EngineName } from "../../shared/engine.js";
import { ClusterError } from "../../shared/errors.js";
import {
  type BareResult,
  type BenchSetting,
  type ClusterResult,
  type PeerResult,
  bareLoops,
  clusterRun,
  peerRun,
} from "../bench/contenders.js";
import { type Summary, ratios, summarise } from "../bench/statistics.js";
import { resolveNatsServer } from "../local/nats/resolve.js";
import { defaultCacheDir, provisionEngine } from "../setup/engine.js";
import { printResult } from "./output.js";

interface BenchOptions {
  json?: true;
  engine?: EngineName;
  natsServer?: string;
  python: string;
  model: string;
  batch: number;
  slots: number;
  steps: number;
  rounds: number;
  workers: number;
  bulk: "shared-memory" | "nats";
}

const count = (text: string): number => {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1)
    throw new ClusterError("usage", `"${text}" is not a whole number above zero`);
  return value;
};

export function benchCommand(): Command {
  return new Command("bench")
    .description("measure the cluster against the bare engine loop and PyTorch DDP, side by side")
    .option("--json", "print every round as one JSON document")
    .addOption(new Option("--engine <name>", "this engine or an error").choices([...ENGINE_NAMES]))
    .option("--nats-server <path>", "this nats-server program")
    .addOption(
      new Option("--python <path>", "python with torch, for the peer").env("SAF_PYTHON").default("python3"),
    )
    .option("--model <name>", "network to train", "mrelu-r-m")
    .option("--batch <images>", "images in a step", count, 128)
    .option("--slots <count>", "slots of a step", count, 2)
    .option("--steps <count>", "steps a round", count, 150)
    .option("--rounds <count>", "interleaved rounds", count, 5)
    .addOption(
      new Option("--bulk <way>", "how bulk bytes travel")
        .choices(["shared-memory", "nats"])
        .default("shared-memory"),
    )
    .option("-w, --workers <count>", "workers of the cluster, processes of the peer", count, 2)
    .action(async (options: BenchOptions) => {
      const cacheDir = defaultCacheDir(process.env);
      const progress = (line: string): void => void process.stderr.write(`bench: ${line}\n`);
      const choice = await provisionEngine({
        cacheDir,
        progress,
        ...(options.engine ? { force: options.engine } : {}),
      });
      const nats = await resolveNatsServer({
        env: process.env,
        cacheDir,
        install: true,
        progress,
        ...(options.natsServer === undefined ? {} : { explicit: options.natsServer }),
      });
      const report = await measure(
        { ...options, choice, nats, cacheDir, sharedMemory: options.bulk === "shared-memory" },
        options,
        progress,
      );
      printResult(options.json ? report : summaryLines(report));
    });
}

interface BenchReport {
  setting: Record<string, string | number>;
  /** The figure to watch: cluster ÷ (workers × one bare loop alone on the machine). */
  cluster_over_bare: Summary;
  /** Cluster ÷ the sum of as many bare loops running at once: what is left when the cores themselves share caches. */
  cluster_over_bare_together: Summary;
  /** Cluster ÷ PyTorch DDP, or why there is none. */
  cluster_over_ddp: Summary | { skipped: string };
  cluster_samples_per_second: Summary;
  bare_samples_per_second: Summary;
  cluster_samples_per_cpu_second: Summary;
  bare_samples_per_cpu_second: Summary;
  coordinator_and_nats_cpu_share: Summary;
  coordinator_cpu_share: Summary;
  nats_cpu_share: Summary;
  worker_rss_bytes: Summary;
  coordinator_rss_bytes: Summary;
  nats_rss_bytes: Summary;
  bare_rss_bytes: Summary;
}

async function measure(
  setting: BenchSetting,
  { rounds, python }: BenchOptions,
  progress: (line: string) => void,
): Promise<BenchReport> {
  const bare: BareResult[] = [];
  const together: number[] = [];
  const cluster: ClusterResult[] = [];
  const peer: PeerResult[] = [];
  const loadBefore = loadavg()[0] ?? 0;
  for (let round = 1; round <= rounds; round++) {
    bare.push(...(await bareLoops(setting, 1)));
    cluster.push(await clusterRun(setting));
    const pair = await bareLoops(setting, setting.workers);
    together.push(pair.reduce((sum, { samples_per_second }) => sum + samples_per_second, 0));
    const last = peer.at(-1);
    peer.push(last !== undefined && "skipped" in last ? last : await peerRun(setting, python));
    progress(`round ${round} of ${rounds}: ${roundLine(bare, together, cluster, peer)}`);
  }
  const speed = cluster.map(({ samples_per_second }) => samples_per_second);
  const one = bare.map(({ samples_per_second }) => samples_per_second * setting.workers);
  const of = (pick: (result: ClusterResult) => number): Summary => summarise(cluster.map(pick));
  return {
    setting: {
      model: setting.model,
      batch: setting.batch,
      slots: setting.slots,
      steps: setting.steps,
      workers: setting.workers,
      bulk: setting.sharedMemory ? "shared-memory" : "nats",
      rounds,
      engine: setting.choice.version,
      nats_server: setting.nats.version,
      cores: availableParallelism(),
      load_before: loadBefore,
    },
    cluster_over_bare: ratios(speed, one),
    cluster_over_bare_together: ratios(speed, together),
    cluster_over_ddp: peerRatios(speed, peer),
    cluster_samples_per_second: summarise(speed),
    bare_samples_per_second: summarise(bare.map(({ samples_per_second }) => samples_per_second)),
    cluster_samples_per_cpu_second: of((result) => result.samples_per_cpu_second),
    bare_samples_per_cpu_second: summarise(bare.map(({ samples_per_cpu_second }) => samples_per_cpu_second)),
    coordinator_and_nats_cpu_share: of((result) => result.overhead_cpu_share),
    coordinator_cpu_share: of((result) => result.coordinator_cpu_share),
    nats_cpu_share: of((result) => result.nats_cpu_share),
    worker_rss_bytes: of((result) => result.worker_rss_bytes),
    coordinator_rss_bytes: of((result) => result.coordinator_rss_bytes),
    nats_rss_bytes: of((result) => result.nats_rss_bytes),
    bare_rss_bytes: summarise(bare.map(({ rss_bytes }) => rss_bytes)),
  };
}

function peerRatios(speed: readonly number[], peer: readonly PeerResult[]): Summary | { skipped: string } {
  const skipped = peer.find((result): result is { skipped: string } => "skipped" in result);
  if (skipped !== undefined) return skipped;
  return ratios(
    speed,
    peer.map((result) => ("samples_per_second" in result ? result.samples_per_second : NaN)),
  );
}

function roundLine(
  bare: BareResult[],
  together: number[],
  cluster: ClusterResult[],
  peer: PeerResult[],
): string {
  const last = peer.at(-1);
  const ddp =
    last !== undefined && "samples_per_second" in last ? `, DDP ${last.samples_per_second.toFixed(0)}` : "";
  return `samples/s: bare ${bare.at(-1)?.samples_per_second.toFixed(0)}, bare together ${together.at(-1)?.toFixed(0)}, cluster ${cluster.at(-1)?.samples_per_second.toFixed(0)}${ddp}`;
}

function summaryLines(report: BenchReport): string {
  const share = ({ median, min, max }: Summary): string =>
    `${median.toFixed(3)} (${min.toFixed(3)} to ${max.toFixed(3)})`;
  const whole = ({ median, min, max }: Summary): string =>
    `${median.toFixed(0)} (${min.toFixed(0)} to ${max.toFixed(0)})`;
  const mebibytes = ({ median }: Summary): string => `${(median / 2 ** 20).toFixed(0)} MiB`;
  const ddp = report.cluster_over_ddp;
  return [
    Object.entries(report.setting)
      .map(([key, value]) => `${key} ${typeof value === "number" ? Number(value.toFixed(2)) : value}`)
      .join(", "),
    `cluster / (workers x bare loop)   ${share(report.cluster_over_bare)}`,
    `cluster / bare loops at once      ${share(report.cluster_over_bare_together)}`,
    `cluster / PyTorch DDP             ${"skipped" in ddp ? `skipped: ${ddp.skipped}` : share(ddp)}`,
    `cluster samples/s                 ${whole(report.cluster_samples_per_second)}`,
    `bare loop samples/s               ${whole(report.bare_samples_per_second)}`,
    `samples per CPU second            cluster ${whole(report.cluster_samples_per_cpu_second)}, bare ${whole(report.bare_samples_per_cpu_second)}`,
    `CPU share coordinator + nats      ${share(report.coordinator_and_nats_cpu_share)} (coordinator ${report.coordinator_cpu_share.median.toFixed(3)}, nats ${report.nats_cpu_share.median.toFixed(3)})`,
    `memory                            worker ${mebibytes(report.worker_rss_bytes)}, coordinator ${mebibytes(report.coordinator_rss_bytes)}, nats-server ${mebibytes(report.nats_rss_bytes)}, bare loop ${mebibytes(report.bare_rss_bytes)}`,
  ].join("\n");
}
