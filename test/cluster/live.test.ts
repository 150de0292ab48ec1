import assert from "node:assert/strict";
import { Agent, get as httpGet } from "node:http";
import { connect } from "node:net";
import { type TestContext, test } from "node:test";
import { WebSocket } from "ws";
import type { StatusView } from "../../coordinator/live/core/api.js";
import type {
  CurveView,
  EventView,
  RunView,
  SeriesView,
  WorkerView,
} from "../../coordinator/live/core/views.js";
import { eventually } from "../coordinator/live/live-support.js";
import { Browser, findChromium } from "../support/browser.js";
import { MADE_UP, type TestCluster, startCluster, testConfig } from "../support/cluster.js";
import { saf } from "../support/saf.js";
import { localWeightsSha256 } from "../support/reference-weights.js";

const LIMIT = { timeout: 300_000 };

/** Where the live page is, without a slash at the end. */
async function pageOf(cluster: TestCluster): Promise<string> {
  await cluster.until("the live page", () => cluster.local.page !== undefined);
  return (cluster.local.page as string).replace(/\/$/, "");
}

async function api<Answer>(url: string, path: string): Promise<Answer> {
  const response = await fetch(`${url}/api/v1${path}`);
  assert.equal(response.status, 200, path);
  return (await response.json()) as Answer;
}

/** What hostile clients do, until the test is over. Bounded: each thing so many times. */
function attack(t: TestContext, url: string): { answered: () => number } {
  const port = Number(new URL(url).port);
  const sockets = new Set<{ destroy(): void }>();
  const agent = new Agent({ keepAlive: true, maxSockets: 32 });
  let isOver = false;
  let answered = 0;
  let idle = 0;
  const hold = (first: string, drip: string): void => {
    if (isOver || idle++ > 5000) return;
    const socket = connect(port, "127.0.0.1", () => socket.write(first));
    sockets.add(socket);
    const timer = setInterval(() => socket.writable && socket.write(drip), 400);
    socket
      .on("error", () => undefined)
      .on("close", () => {
        clearInterval(timer);
        sockets.delete(socket);
        setTimeout(() => hold(first, drip), 50);
      });
  };
  const scrape = (left: number): void => {
    if (isOver || left === 0) return;
    httpGet(`${url}/metrics`, { agent }, (response) => {
      response.resume().on("end", () => {
        answered++;
        scrape(left - 1);
      });
    }).on("error", () => scrape(left - 1));
  };
  const shout = (left: number): void => {
    if (isOver || left === 0) return;
    const socket = new WebSocket(`${url.replace("http", "ws")}/ws`);
    sockets.add({ destroy: () => socket.terminate() });
    socket.on("error", () => undefined).on("open", () => socket.send("x".repeat(10_000)));
    socket.on("close", () => shout(left - 1));
  };
  for (let i = 0; i < 300; i++) hold("", "");
  for (let i = 0; i < 30; i++) hold("GET / HTTP/1.1\r\n", "X-a: b\r\n");
  for (let i = 0; i < 30; i++) hold(`GET /${"a".repeat(30_000)}`, "");
  for (let i = 0; i < 30; i++)
    hold("POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900000000\r\n\r\n", "x");
  for (let i = 0; i < 16; i++) scrape(1000);
  for (let i = 0; i < 4; i++) shout(200);
  t.after(() => {
    isOver = true;
    agent.destroy();
    for (const socket of sockets) socket.destroy();
  });
  return { answered: () => answered };
}

test(
  "hostile clients do not stop a training, nor change its weights, nor keep its viewers out",
  LIMIT,
  async (t) => {
    const config = { ...MADE_UP, train: { max_steps: 40 } };
    const pool = { compute_ms: 50 };
    const cluster = await startCluster(t, { workers: 2, config, pool, isEmulated: true });
    const url = await pageOf(cluster);
    await cluster.untilStep(3);
    const { answered } = attack(t, url);
    await cluster.untilStep(15);
    const { runs } = await api<{ runs: RunView[] }>(url, "/runs");
    assert.equal(runs[0]?.training.total, 40);
    assert.equal((await fetch(`${url}/healthz`)).status, 200);
    assert.equal((await fetch(`${url}/readyz`)).status, 200);
    const { workers } = await api<{ workers: WorkerView[] }>(url, "/workers");
    assert.deepEqual(
      workers.map(({ id }) => id),
      ["worker-1", "worker-2"],
    );
    await cluster.trained();
    assert.ok(answered() > 100, `${answered()} scrapes were answered`);
    assert.equal(await cluster.finished(), 0);
    assert.equal(cluster.checkpoint().sha256, await localWeightsSha256(testConfig(config)));
  },
);

test(
  "a coordinator that is killed comes back on its port, and its page with the curves from before",
  LIMIT,
  async (t) => {
    const cluster = await startCluster(t, {
      workers: 2,
      restartCoordinator: true,
      isEmulated: true,
      pool: { compute_ms: 50 },
      config: { train: { max_steps: 2000, checkpoint_every_steps: 5 } },
    });
    const url = await pageOf(cluster);
    const chromium = await findChromium();
    const page = "missing" in chromium ? undefined : await (await Browser.start(t, chromium.program)).page();
    await page?.open(`${url}/`);
    await cluster.untilStep(12);
    await page?.until(`document.querySelectorAll("#training-charts .line").length > 0`);
    const { stdout } = await saf(["status", cluster.out]);
    assert.match(stdout, /^mrelu-r-m +training +step \d+\/2000/m);
    assert.match(stdout, /^worker-2 +(busy|idle) /m);
    cluster.signalCoordinator("SIGKILL");
    await page?.until(`document.getElementById("connection").dataset.state === "lost"`);
    await eventually(async () => {
      const { step } = await api<CurveView>(url, "/runs/mrelu-r-m/curve");
      assert.ok((step[0] ?? Infinity) < 10 && step.length >= 5, `steps ${step.join()}`);
    });
    await page?.until(`document.getElementById("connection").dataset.state === "live"`);
    const doneOf = `Number(document.querySelector(".card dd").textContent.split(" / ")[0])`;
    // The page is connected before the first picture of the runs has come.
    await page?.until(`${doneOf} >= 0`);
    const before = (await page?.evaluate<number>(doneOf)) ?? 0;
    await page?.until(`${doneOf} > ${before}`);
    await cluster.untilStep(14);
  },
);

test(
  "with --stay results can be looked at until a signal comes, and then the exit code is 0",
  LIMIT,
  async (t) => {
    const cluster = await startCluster(t, {
      workers: 1,
      config: {
        train: { max_steps: 6 },
        evaluate: { kinds: ["clean", "noisy"], images: 20, strengths: [0, 0.25] },
      },
      coordinatorArguments: ["--stay"],
    });
    const url = await pageOf(cluster);
    const run = await eventually(async () => {
      const [found] = (await api<{ runs: RunView[] }>(url, "/runs")).runs;
      assert.equal(found?.phase, "done");
      return found;
    }, 200_000);
    assert.deepEqual([run.training.done, run.training.total], [6, 6]);
    const { final, series, checks } = await api<{ final: boolean; series: SeriesView[]; checks: unknown[] }>(
      url,
      "/runs/mrelu-r-m/evaluation",
    );
    assert.equal(final, true);
    assert.equal(checks.length, 10);
    await eventually(() => cluster.json("results.json"));
    // What the page shows is what the results say.
    const [model] = cluster.json<{
      models: {
        clean_accuracy: number;
        curves: { kind: string; strength: number; n: number; error: number }[];
      }[];
    }>("results.json").models;
    assert.equal(run.clean_accuracy, model?.clean_accuracy);
    assert.deepEqual(
      series.flatMap(({ kind, points }) =>
        points.map(({ strength, n, accuracy }) => [kind, strength, n, accuracy]),
      ),
      model?.curves.map(({ kind, strength, n, error }) => [kind, strength, n, 1 - error]),
    );
    const { events } = await api<{ events: EventView[] }>(url, "/events");
    assert.ok(events.some(({ run: name, message }) => name === "mrelu-r-m" && message === "done"));
    const one = await saf(["status", cluster.out, "--json"]);
    const { coordinators } = JSON.parse(one.stdout) as { coordinators: { status: StatusView }[] };
    assert.equal(coordinators[0]?.status.runs[0]?.phase, "done");
    const watching = saf(["status", "--url", url, "--watch"], {
      onStdout: (text) => {
        if (text.includes("mrelu-r-m  done")) cluster.signalCoordinator("SIGTERM");
      },
    });
    assert.equal(await cluster.finished(), 0);
    const watched = await watching;
    assert.deepEqual([watched.code, watched.stderr], [0, `${url} has ended\n`]);
    const after = await saf(["status", cluster.out]);
    assert.equal(after.code, 5, after.stdout);
    assert.match(after.stderr, /does not run: done, step 6 of 6/);
  },
);
