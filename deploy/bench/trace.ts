/** `saf bench --trace`: a short training of which every part is written down, as a file and as a table. */
import { mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { markdownTable } from "../../coordinator/results/report/markdown.js";
import { ClusterError, wordsOf } from "../../shared/errors.js";
import { temporaryFolder } from "../local/places.js";
import type { Snapshot } from "./cluster-figures.js";
import { type ClusterRun, WARM_UP_STEPS, clusterRun } from "./cluster-run.js";
import type { Cluster } from "./core/contenders.js";
import { type TraceSummary, documentOf, summaryOf } from "./core/trace-summary.js";
import type { Ground } from "./ground.js";
import type { ThreadUsage } from "./process-usage.js";

/** Shares of the traced time. */
export interface ThreadShare {
  process: string;
  thread: string;
  running: number;
  /** It could have run, and no core was free. */
  waiting_for_a_core: number;
  idle: number;
}

export interface TraceResult {
  file: string;
  images_per_second: number;
  summary: TraceSummary;
  threads: ThreadShare[];
}

/** Throws ClusterError("storage") when the file cannot be written: known before anything is traced. */
export async function traceCluster(
  ground: Ground,
  cluster: Cluster,
  file: string,
): Promise<{ summary: TraceResult; words: string }> {
  await writeFile(file, "").catch((cause: unknown) => {
    throw new ClusterError("storage", `Cannot write the trace ${file}: ${wordsOf(cause)}`, { cause });
  });
  const folder = await temporaryFolder("saf-trace-");
  try {
    const traces = join(folder, "traces");
    await mkdir(traces);
    const run = await clusterRun(ground, cluster, { traces });
    const texts = await Promise.all(
      (await readdir(traces)).sort().map((name) => readFile(join(traces, name), "utf8")),
    );
    const document = documentOf(texts.flatMap((text) => text.split("\n")));
    await writeFile(file, JSON.stringify(document));
    const summary: TraceResult = {
      file,
      images_per_second: run.measured.figures.samples_per_second ?? NaN,
      summary: summaryOf(document, WARM_UP_STEPS),
      threads: threadShares(run),
    };
    return { summary, words: wordsOfTrace(summary) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const THREADS = ["main", "busiest other", "the rest"] as const;

/** The main thread, the busiest of the others (a worker's engine, a coordinator's HTTP), and all that are left. */
function threadShares({ first, last }: Pick<ClusterRun, "first" | "last">): ThreadShare[] {
  const seconds = (last.atMs - first.atMs) / 1000;
  return [...last.threads.keys()].flatMap((process) => {
    const used = usedBetween(first, last, process);
    const others = used.filter(({ isMain }) => !isMain).sort((a, b) => b.runSeconds - a.runSeconds);
    const groups = [used.filter(({ isMain }) => isMain), others.slice(0, 1), others.slice(1)];
    return groups.flatMap((threads, i): ThreadShare[] => {
      if (threads.length === 0) return [];
      const share = (of: (thread: ThreadUsage) => number): number =>
        threads.reduce((sum, thread) => sum + of(thread), 0) / seconds;
      const running = share(({ runSeconds }) => runSeconds);
      const waiting = share(({ waitSeconds }) => waitSeconds);
      return [
        {
          ...{ process, thread: THREADS[i] ?? "", running, waiting_for_a_core: waiting },
          idle: Math.max(0, 1 - running - waiting),
        },
      ];
    });
  });
}

function usedBetween(first: Snapshot, last: Snapshot, process: string): ThreadUsage[] {
  const before = new Map(first.threads.get(process)?.map((thread) => [thread.tid, thread]));
  return (last.threads.get(process) ?? []).map((thread) => ({
    ...thread,
    runSeconds: thread.runSeconds - (before.get(thread.tid)?.runSeconds ?? 0),
    waitSeconds: thread.waitSeconds - (before.get(thread.tid)?.waitSeconds ?? 0),
  }));
}

function wordsOfTrace({ file, images_per_second, summary, threads }: TraceResult): string {
  const { steps, step_us, chain, phases } = summary;
  const us = (value: number): string => value.toFixed(0);
  const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
  const whole = chain.reduce((sum, link) => sum + link.us, 0);
  return [
    `${steps} steps, a median step ${us(step_us)} µs, ${us(images_per_second)} images/s; ${file} opens in ui.perfetto.dev`,
    markdownTable(
      ["who waits for whom, on the worker that is last", "µs", "share"],
      chain.map(({ link, us: time }) => [link, us(time), percent(time / whole)]),
    ),
    markdownTable(
      ["process", "lane", "part", "times", "µs a step"],
      phases.map(({ process, lane, part, times, us: time }) => [
        ...[process, lane, part, us(times), us(time)],
      ]),
    ),
    markdownTable(
      ["process", "thread", "runs", "waits for a core", "idle"],
      threads.map(({ process, thread, running, waiting_for_a_core, idle }) => [
        ...[process, thread, percent(running), percent(waiting_for_a_core), percent(idle)],
      ]),
    ),
  ].join("\n\n");
}
