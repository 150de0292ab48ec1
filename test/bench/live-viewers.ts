/**
 * What the live page costs: `node deploy/bootstrap.mjs exec dist/test/bench/live-viewers.js`. A few minutes; not part of
 * the tests, for its figures are the machine's. Linux only: it reads /proc.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync, readdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import { type TestContext, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { WebSocket } from "ws";
import { summarise } from "../../deploy/bench/core/statistics.js";
import { type Live, eventually, opened, startLive, trained } from "../coordinator/live/live-support.js";
import { Browser, findChromium } from "../support/browser.js";
import { type TestCluster, startCluster } from "../support/cluster.js";
import { MOST_SAMPLES } from "../../shared/events.js";

const VIEWERS = 50;
const PAIRS = Number(process.env["SAF_BENCH_PAIRS"] ?? 6);
const SEGMENT_MS = Number(process.env["SAF_BENCH_SEGMENT_MS"] ?? 12_000);

/** CPU time in ms: of the thread that trains, and of the whole process. Sleep is not in it, so a busy machine is no matter. */
function cpuOf(pid: number): { main: number; all: number } {
  const threads = readdirSync(`/proc/${pid}/task`).map((tid) => {
    const [ns] = readFileSync(`/proc/${pid}/task/${tid}/schedstat`, "utf8").split(" ");
    return { tid: Number(tid), ms: Number(ns) / 1e6 };
  });
  const sum = (of: typeof threads): number => of.reduce((total, { ms }) => total + ms, 0);
  return { main: sum(threads.filter(({ tid }) => tid === pid)), all: sum(threads) };
}

interface Segment {
  steps: number;
  seconds: number;
  main: number;
  all: number;
}

async function measure(cluster: TestCluster): Promise<Segment> {
  const pid = cluster.local.coordinatorPid as number;
  const before = { step: cluster.step, at: performance.now(), ...cpuOf(pid) };
  await delay(SEGMENT_MS);
  const after = cpuOf(pid);
  return {
    steps: cluster.step - before.step,
    seconds: (performance.now() - before.at) / 1000,
    main: after.main - before.main,
    all: after.all - before.all,
  };
}

async function look(
  t: TestContext,
  url: string,
  count: number,
): Promise<{ heard: () => number; end: () => void }> {
  let heard = 0;
  const sockets = Array.from({ length: count }, () => new WebSocket(`${url.replace("http", "ws")}ws`));
  const end = (): void => sockets.forEach((socket) => socket.terminate());
  t.after(end);
  await Promise.all(sockets.map((socket) => once(socket, "open")));
  for (const socket of sockets) socket.on("message", () => heard++);
  return { heard: () => heard, end };
}

test(`what ${VIEWERS} viewers cost the training`, { timeout: 1_200_000 }, async (t) => {
  const cluster = await startCluster(t, {
    workers: 2,
    config: {
      model: "plain",
      train: { max_steps: 1_000_000, epochs: 9000, checkpoint_every_steps: 1_000_000 },
    },
  });
  await cluster.untilStep(20);
  const url = await eventually(() => {
    assert.ok(cluster.local.page !== undefined);
    return cluster.local.page;
  });
  const alone: Segment[] = [];
  const watched: Segment[] = [];
  let heard = 0;
  for (let pair = 0; pair < PAIRS; pair++) {
    // The order turns, so that a machine that grows slower or faster does not count.
    for (const isWatched of pair % 2 === 0 ? [false, true] : [true, false]) {
      const viewers = isWatched ? await look(t, url, VIEWERS) : undefined;
      (isWatched ? watched : alone).push(await measure(cluster));
      heard += viewers?.heard() ?? 0;
      viewers?.end();
    }
  }
  const say = (words: string): void => t.diagnostic(words);
  const seconds = (all: Segment[]): number => all.reduce((sum, segment) => sum + segment.seconds, 0);
  const perStep = (all: Segment[], pick: (segment: Segment) => number): number =>
    summarise(all.map((segment) => pick(segment) / segment.steps)).median;
  const perSecond = (all: Segment[], pick: (segment: Segment) => number): number =>
    summarise(all.map((segment) => pick(segment) / segment.seconds)).median;
  const others = ({ main, all }: Segment): number => all - main;
  say(
    `${PAIRS} pairs of ${SEGMENT_MS / 1000} s; ${(heard / VIEWERS / seconds(watched)).toFixed(1)} messages/s to each viewer`,
  );
  for (const [name, all] of [
    ["no viewer", alone],
    [`${VIEWERS} viewers`, watched],
  ] as const) {
    say(
      `${name}: ${perSecond(all, ({ steps }) => steps).toFixed(2)} steps/s; training thread ${perStep(all, ({ main }) => main).toFixed(2)} ms/step; other threads ${perSecond(all, others).toFixed(1)} ms/s`,
    );
  }
  const cost = perSecond(watched, others) - perSecond(alone, others);
  const share = (100 * cost) / (1000 * availableParallelism());
  say(`the viewers cost ${cost.toFixed(1)} ms of CPU a second: ${share.toFixed(2)} % of this machine`);
  assert.ok(share < 1, `${share} % of the machine`);
});

/** Every bounded thing is at its bound: from here on nothing may grow. */
function fill(live: Live): void {
  for (const name of ["plain", "mrelu-r-m"]) {
    live.tell(opened(`run-${name}`, name));
    for (let step = 1; step < 2 * MOST_SAMPLES; step++)
      live.tell(trained(step, 1 + 1 / step, `run-${name}`, name));
  }
  for (let i = 0; i < 300; i++) live.tell({ note: { level: "info", message: `note ${i}` } });
}

test("1,000 updates a minute do not make page or server grow", { timeout: 1_200_000 }, async (t) => {
  const chromium = await findChromium();
  if ("missing" in chromium) return t.skip(chromium.missing);
  const minutes = Number(process.env["SAF_BENCH_MINUTES"] ?? 4);
  const live = await startLive(t);
  fill(live);
  const browser = await Browser.start(t, chromium.program);
  const page = await browser.page();
  await page.size(1280, 900);
  await page.open(`${live.url}/`);
  await page.until(`document.querySelectorAll(".card").length === 2`);
  const sizes: { heap: number; nodes: number; rss: number }[] = [];
  const weigh = async (): Promise<void> => {
    await page.call("HeapProfiler.collectGarbage");
    const { usedSize } = (await page.call("Runtime.getHeapUsage")) as { usedSize: number };
    const { nodes } = (await page.call("Memory.getDOMCounters")) as { nodes: number };
    sizes.push({ heap: usedSize / 2 ** 20, nodes, rss: process.memoryUsage.rss() / 2 ** 20 });
  };
  let step = 2 * MOST_SAMPLES;
  let told = 0;
  const timer = setInterval(() => {
    const name = told++ % 2 === 0 ? "plain" : "mrelu-r-m";
    if (name === "plain") step++;
    live.tell({ ...trained(step, 1 + 1 / step, `run-${name}`, name), timeMs: Date.now() });
    if (told % 20 === 0) live.tell({ timeMs: Date.now(), note: { level: "info", message: `note ${told}` } });
  }, 60);
  t.after(() => clearInterval(timer));
  for (let minute = 0; minute <= minutes; minute++) {
    await delay(minute === 0 ? 20_000 : 60_000);
    await weigh();
    const { heap, nodes, rss } = sizes.at(-1) as (typeof sizes)[0];
    t.diagnostic(
      `after ${told} updates: page ${heap.toFixed(2)} MiB heap, ${nodes} nodes; server's process ${rss.toFixed(0)} MiB`,
    );
  }
  const [first, last] = [sizes[0], sizes.at(-1)] as [(typeof sizes)[0], (typeof sizes)[0]];
  assert.ok(last.heap < first.heap + 1, "the page's heap grew");
  assert.ok(last.nodes < first.nodes * 1.1 + 50, "the page's nodes grew");
});
