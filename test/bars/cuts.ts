/** Links that fail without a word: how soon a step is committed again, once they are mended or over a second NATS node. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { COORDINATOR } from "../../deploy/chaos/core/schedule.js";
import { Links } from "../../deploy/chaos/link-proxy.js";
import { POOL } from "../../deploy/local/cluster.js";
import { type TestCluster, programs } from "../support/cluster.js";
import { natsNodes } from "../support/nats-nodes.js";
import { type Bar, endedLedgerFault, passed, recordedSteps, withPool } from "./pools.js";

const WORKERS = Array.from({ length: 4 }, (_, i) => `worker-${i + 1}`);
const WHOSE: Record<string, string[]> = {
  workers: WORKERS,
  coordinator: [COORDINATOR],
  both: [COORDINATOR, ...WORKERS],
};
/** Seconds. */
const LENGTHS = [5, 60];
const CALM_STEPS = 20;
const MOST = { afterMendingMs: 5000, overSecondNodeMs: 10_000 };
/** No mapped memory: all bytes go over the links. */
const SETTING = {
  workers: WORKERS.length,
  slots: WORKERS.length,
  pool: { compute_ms: 50, shared_memory: false },
};

const committed = (cluster: TestCluster): number => Math.max(cluster.step, recordedSteps(cluster.out));

/** From now to the commit of a step that is not committed yet. */
async function nextCommitMs(cluster: TestCluster): Promise<number> {
  const fromMs = performance.now();
  await cluster.untilStep(committed(cluster) + 1);
  return Math.round(performance.now() - fromMs);
}

/** All are back. A table that says so may be late by now, unless steps have passed since the last fault. */
async function calm(cluster: TestCluster): Promise<void> {
  await cluster.untilStep(committed(cluster) + CALM_STEPS);
  await cluster.until("all workers", () => cluster.table.length === WORKERS.length);
}

interface Cut {
  whose: string;
  seconds: number;
  /** Steps from the cut to its mending. */
  steps: number;
  /** From the mending to the next commit. */
  ms: number;
}

async function cutLinks(cluster: TestCluster, links: Links, whose: string, seconds: number): Promise<Cut> {
  await calm(cluster);
  const cut = (WHOSE[whose] ?? []).map((name) => links.of(name));
  const before = committed(cluster);
  for (const link of cut) link.cut();
  await passed(1000 * seconds);
  const steps = committed(cluster) - before;
  for (const link of cut) link.mend();
  const one = { whose, seconds, steps, ms: await nextCommitMs(cluster) };
  process.stderr.write(`${JSON.stringify(one)}\n`);
  return one;
}

async function allCuts(rounds: number, lengths: readonly number[]): Promise<{ cuts: Cut[]; fault?: string }> {
  let links: Links | undefined;
  const route = async (url: string): Promise<Links> =>
    (links = await Links.to(url, [COORDINATOR, ...WORKERS]));
  return withPool({ ...SETTING, route }, async (cluster) => {
    const cuts: Cut[] = [];
    for (let round = 0; round < rounds; round++) {
      for (const seconds of lengths) {
        for (const whose of Object.keys(WHOSE))
          cuts.push(await cutLinks(cluster, links as Links, whose, seconds));
      }
    }
    const fault = await endedLedgerFault(cluster, SETTING.slots);
    return { cuts, ...(fault === undefined ? {} : { fault }) };
  });
}

interface Loss {
  /** Connections of the node before it fell silent, and of the other one after the next commit. */
  before: number;
  after: number;
  ms: number;
}

/** The node that all use falls silent; when it speaks again, the other one does. */
async function nodeLosses(rounds: number): Promise<{ losses: Loss[]; fault?: string }> {
  const home = await mkdtemp(join(tmpdir(), "saf-bars-"));
  const { nats } = await programs();
  const nodes = await natsNodes(join(home, "nats"), nats, { pool: POOL, workers: WORKERS });
  try {
    let [used, spare] = [nodes.first, nodes.second];
    // Nobody is there but the first: it is the one that all use.
    await used.start();
    return await withPool({ ...SETTING, open: nodes }, async (cluster) => {
      await spare.start();
      const losses: Loss[] = [];
      for (let round = 0; round < rounds; round++) {
        await used.linked();
        await calm(cluster);
        const before = await used.clients();
        used.silence();
        const ms = await nextCommitMs(cluster);
        losses.push({ before, after: await spare.clients(), ms });
        process.stderr.write(`${JSON.stringify(losses.at(-1))}\n`);
        used.wake();
        [used, spare] = [spare, used];
      }
      const fault = await endedLedgerFault(cluster, SETTING.slots);
      return { losses, ...(fault === undefined ? {} : { fault }) };
    });
  } finally {
    await nodes.stop();
    await rm(home, { recursive: true, force: true });
  }
}

export const cuts: Bar = async ({ rounds = 1, seconds, losses = 4 }) => {
  const cut = await allCuts(rounds, seconds === undefined ? LENGTHS : [seconds]);
  const lost = await nodeLosses(losses);
  const faults = [cut.fault, lost.fault].filter((fault) => fault !== undefined);
  const isMet =
    faults.length === 0 &&
    cut.cuts.every(({ ms }) => ms <= MOST.afterMendingMs) &&
    lost.losses.every(({ ms }) => ms <= MOST.overSecondNodeMs);
  return {
    cuts: cut.cuts,
    losses: lost.losses,
    faults,
    bar: "next commit <= 5 s after mending, <= 10 s over a second node; every image once",
    isMet,
  };
};
