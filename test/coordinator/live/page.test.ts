import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { test } from "node:test";
import type { CurvePoint } from "../../../shared/results.js";
import { Browser, type Page, findChromium } from "../../support/browser.js";
import { type Live, eventually, opened, startLive, trained } from "./live-support.js";
import type { LiveEvent } from "../../../shared/events.js";
import type { PoolView } from "../../../shared/pool-view.js";
import { sweepMessage } from "../../../shared/sweep-progress.js";
import { sweepAfter } from "../../support/sweep-progress.js";

const chromium = await findChromium();
const skip = "missing" in chromium ? chromium.missing : false;
const LIMIT = { timeout: 300_000, skip };

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

function point(kind: CurvePoint["kind"], strength: number, error: number): CurvePoint {
  const label = { protocol: "paper", attack: `paper-${kind}`, norm: "linf" } as const;
  const n = 500;
  return {
    kind,
    ...label,
    strength,
    n,
    error,
    ci_low: error * 0.9,
    ci_high: error * 0.9 + 0.1,
    mean_confidence: 0.8,
  };
}

const HELD = { runId: "run-plain", attempt: 1, deadline_seconds: 1.1, held_seconds: 4.2 };
const POOL: PoolView = {
  workers: [
    { id: "worker-1", holds: { ...HELD, unit: "step 300, slots 2–3" }, rests_seconds: 0 },
    { id: "worker-2", holds: { ...HELD, runId: "run-mrelu-r-m", unit: "steps 300–331" }, rests_seconds: 0 },
    { id: "worker-3", holds: null, rests_seconds: 42 },
  ],
  waits: [
    {
      runId: "run-plain",
      text: "step 300 waits for slots 2–3 of worker-1: held for 4.2 s, deadline in 1.1 s",
      is_late: true,
    },
    {
      runId: "run-mrelu-r-m",
      text: "steps 300–331 wait for worker-2: held for 320 ms, deadline in 12.0 s",
      is_late: false,
    },
  ],
  taken: [
    {
      runId: "run-plain",
      worker: "worker-3",
      unit: "step 290, slots 0–1",
      reason: "lease 7 is overdue after 2100 ms",
      ago_seconds: 12,
    },
    {
      runId: "run-plain",
      worker: "worker-2",
      unit: "step 288, slots 0–1",
      reason: "its heartbeat says that it is idle 4210 ms after lease 5 was given",
      ago_seconds: 31,
    },
  ],
};

/** Two runs in the middle of their work, and one that failed. */
function tellMuch(live: Live, pool = POOL): void {
  const now = Date.now();
  const tell = (event: LiveEvent): void => live.tell({ timeMs: now, ...event });
  const rows = [40, 90, 95].map((samplesPerSecond, i) => ({
    workerId: `worker-${i + 1}`,
    state: "busy",
    engine: "wasm",
    leaseMs: 12_000 / samplesPerSecond,
    samplesPerSecond,
    samples: 4000 * i,
    rssBytes: 3e8,
    retries: i,
    note: i === 0 ? "" : `lease ${i} is overdue after 2100 ms`,
    silentSeconds: 0.2,
  }));
  for (const name of ["plain", "mrelu-r-m"]) tell(opened(`run-${name}`, name));
  tell({ workers: { workers: rows }, pool });
  for (const [i, name] of ["plain", "mrelu-r-m"].entries()) {
    tell(opened(`run-${name}`, name));
    tell({
      phase: { runId: `run-${name}`, model: name, name: "training", detail: "1000 steps of 32 images" },
    });
    for (let step = 1; step <= 300; step++) {
      live.tell({ ...trained(step, (2.3 + i) / (1 + step / 40), `run-${name}`, name), timeMs: now });
    }
    tell({ testAccuracy: { runId: `run-${name}`, step: 250, accuracy: 0.9 - i / 10 } });
    tell({ learningRate: { runId: `run-${name}`, rate: 0.01 } });
    for (const kind of ["clean", "adversarial", "nonsense", "noisy"] as const) {
      const strengths = kind === "clean" ? [0] : [0, 0.1, 0.2, 0.3, 0.5];
      const points = strengths.map((strength) =>
        point(kind, strength, Math.min(1, 0.05 + strength * (2 - i))),
      );
      tell({ measured: { runId: `run-${name}`, checkpoint: "c", points } });
    }
  }
  tell(opened("run-rbf", "rbf"));
  tell({
    finished: {
      runId: "run-rbf",
      ok: false,
      message: "The loss is not finite any more",
      code: "diverged",
      exitCode: 4,
    },
  });
  tell({ note: { level: "warning", message: "worker-3 failed three leases in a row" } });
}

async function openPage(t: Parameters<typeof Browser.start>[0], url: string): Promise<Page> {
  const browser = await Browser.start(t, (chromium as { program: string }).program);
  const page = await browser.page();
  await page.size(1280, 900);
  await page.open(url);
  return page;
}

const cardCount = (count: number): string => `document.querySelectorAll(".card").length === ${count}`;

test("the page shows numbers that change, without a complaint of the browser", LIMIT, async (t) => {
  const live = await startLive(t);
  tellMuch(live);
  const page = await openPage(t, `${live.url}/`);
  await page.until(cardCount(3));
  await page.until(`document.getElementById("connection").dataset.state === "live"`);
  const text = await page.text();
  for (const words of [
    "plain",
    "mrelu-r-m",
    "300 / 1,000",
    "95.00 %",
    "slowest",
    "lease 2 is overdue after 2100 ms",
    "2.3x slower",
    "step 300, slots 2–3 · 4.2 s",
    "step 300 waits for slots 2–3 of worker-1: held for 4.2 s, deadline in 1.1 s",
    "step 290, slots 0–1: lease 7 is overdue after 2100 ms",
    "The loss is not finite any more",
  ])
    assert.ok(text.includes(words), `${words} in ${text}`);
  const pathOf = `document.querySelector("#training-charts .line").getAttribute("d")`;
  const before = await page.evaluate<string>(pathOf);
  assert.ok(before.length > 300);
  live.tell({ ...trained(400, 0.111, "run-plain"), timeMs: Date.now() });
  await page.until(`document.body.innerText.includes("400 / 1,000")`);
  await page.until(`document.body.innerText.includes("0.111")`);
  await page.until(`${pathOf} !== ${JSON.stringify(before)}`);
  const charts = await page.evaluate<string[]>(
    `[...document.querySelectorAll(".chart-title")].map((node) => node.textContent)`,
  );
  assert.deepEqual(charts, [
    "Loss",
    "Accuracy",
    "adversarial · paper-adversarial · L∞",
    "nonsense · paper-nonsense · L∞",
    "noise · paper-noisy · L∞",
  ]);
  // A screen reader hears of the warning, not of the numbers.
  await page.until(`document.getElementById("announcer").textContent === ""`);
  live.tell({ timeMs: Date.now(), note: { level: "warning", message: "mind the gap" } });
  await page.until(`document.getElementById("announcer").textContent.includes("mind the gap")`);
  // Words from elsewhere are words, whatever they look like.
  live.tell({
    timeMs: Date.now(),
    note: { level: "error", message: "<img src=x onerror=alert(1)><b>bold</b>" },
  });
  await page.until(`document.body.innerText.includes("<img src=x onerror=alert(1)><b>bold</b>")`);
  assert.equal(await page.evaluate("document.querySelectorAll('img, b').length"), 0);
  // The table of a chart holds what the chart shows.
  const rows = await page.evaluate<string[][]>(`(() => {
    const chart = [...document.querySelectorAll(".chart")].find((node) => node.textContent.includes("noise"));
    chart.querySelector("details").open = true;
    return new Promise((resolve) => setTimeout(() => resolve([...chart.querySelectorAll("tbody tr")].map((row) => [...row.children].map((cell) => cell.textContent))), 300));
  })()`);
  assert.deepEqual(rows[1], ["0.1", "75 %", "85 %"]);
  assert.deepEqual(page.complaints, []);
});

/** Words of the cells of one column, and how a screen reader hears that it is sorted. */
const columnOf = (label: string): string => `(() => {
  const heads = [...document.querySelectorAll(".trials thead th")];
  const at = heads.findIndex((head) => head.textContent === ${JSON.stringify(label)});
  return {
    sorted: heads[at].getAttribute("aria-sort"),
    cells: [...document.querySelectorAll(".trials tbody tr")].map((row) => row.children[at].innerText.split("\\n")[0]),
  };
})()`;

test(
  "a sweep of ten thousand trials: counts, rungs, decisions, and a table sorted by any column",
  LIMIT,
  async (t) => {
    const live = await startLive(t);
    const tell = (results: number): void =>
      live.tell({ timeMs: Date.now(), sweep: sweepMessage(sweepAfter(results)) });
    tell(300);
    const page = await openPage(t, `${live.url}/`);
    await page.until(`document.querySelectorAll(".trials tbody tr").length === 100`);
    const text = await page.text();
    for (const words of [
      ...[
        "The most robust MNIST net",
        "running",
        "maximize area(adversarial)",
        "2 running",
        "4,321 images/s",
      ],
      ...["Rungs", "90,000", "Newest decisions", "is among the best 4 of 12", "100 of 202"],
    ])
      assert.ok(text.includes(words), `${words} in ${text.slice(0, 3000)}`);
    assert.ok(!text.includes("No run has begun yet"), "trials are no runs");
    assert.equal(await page.evaluate("document.title"), "2 % sweep · robust-mnist · saf");

    interface Column {
      sorted: string | null;
      cells: string[];
    }
    const sortBy = (label: string): Promise<Column> =>
      page.evaluate<Column>(
        `([...document.querySelectorAll(".sort")].find((button) => button.textContent === ${JSON.stringify(label)}).click(), ${columnOf(label)})`,
      );
    // Of many metrics those that are wanted are shown, and the others when asked for.
    const shownColumns = `[...document.querySelectorAll(".trials thead th")].filter((head) => head.offsetWidth > 0).length`;
    assert.equal(await page.evaluate(shownColumns), 13);
    await page.evaluate(`document.querySelector(".more-columns").click()`);
    assert.equal(await page.evaluate(shownColumns), 17);
    const loss = await sortBy("loss");
    assert.equal(loss.sorted, "descending");
    assert.deepEqual(
      loss.cells,
      loss.cells.toSorted((a, b) => Number(b) - Number(a)),
    );
    const rates = await sortBy("train.learning_rate");
    const again = await sortBy("train.learning_rate");
    assert.deepEqual([again.sorted, again.cells], ["ascending", rates.cells.toReversed()]);
    // It stays sorted while trials come and go, and grows no further.
    for (let results = 400; results <= 15_000; results += 400) tell(results);
    tell(15_000);
    await page.until(`document.querySelector(".sweep > header .chip").textContent === "done"`);
    const later = await page.evaluate<Column>(columnOf("train.learning_rate"));
    assert.equal(later.cells.length, 100);
    assert.deepEqual(
      later.cells,
      later.cells.toSorted((a, b) => Number(a) - Number(b)),
    );
    assert.equal(await page.evaluate("document.title"), "done · robust-mnist · saf");
    const nodes = await page.evaluate<number>(`document.querySelectorAll("#sweeps *").length`);
    assert.ok(nodes < 3000, `${nodes} nodes`);
    assert.deepEqual(page.complaints, []);
  },
);

test("the first paint comes within a second", LIMIT, async (t) => {
  const live = await startLive(t);
  tellMuch(live);
  const page = await openPage(t, "about:blank");
  const times: number[] = [];
  for (let i = 0; i < 3; i++) {
    await page.open(`${live.url}/?${i}`);
    await page.until("performance.getEntriesByName('first-contentful-paint').length > 0");
    times.push(
      await page.evaluate<number>("performance.getEntriesByName('first-contentful-paint')[0].startTime"),
    );
  }
  t.diagnostic(`first paint after ${times.map((ms) => ms.toFixed(0)).join(", ")} ms`);
  // The best of three: what a machine does besides is not the page's.
  assert.ok(Math.min(...times) < 1000);
});

test("it says when the coordinator is gone, and goes on when it is back", LIMIT, async (t) => {
  const live = await startLive(t);
  tellMuch(live);
  const page = await openPage(t, `${live.url}/`);
  await page.until(cardCount(3));
  await live.close();
  await page.until(`document.getElementById("connection").dataset.state === "lost"`);
  assert.match(await page.text(), /no connection; what you see is from \d\d:\d\d:\d\d; trying again/);
  assert.ok((await page.text()).includes("300 / 1,000"), "what was known stays");
  const again = await startLive(t, { port: Number(new URL(live.url).port) }, { started: Date.now() });
  again.tell({ ...trained(777, 0.5, "run-plain"), timeMs: Date.now() });
  await page.until(`document.getElementById("connection").dataset.state === "live"`);
  await page.until(`document.body.innerText.includes("777 / 1,000")`);
  await page.until(cardCount(1));
  // Connections that fail while nobody is there are the only complaints.
  assert.deepEqual(
    page.complaints.filter(
      (words) => !/ERR_CONNECTION_REFUSED|WebSocket connection to .* failed/.test(words),
    ),
    [],
  );
});

test("it says when the coordinator hangs, though its server still answers", LIMIT, async (t) => {
  const live = await startLive(t, {}, { started: Date.now() - 60_000 });
  live.tell({ ...trained(1, 1), timeMs: Date.now() - 30_000 });
  const page = await openPage(t, `${live.url}/`);
  await page.until(
    `document.getElementById("connection-words").textContent.startsWith("the coordinator has been silent for 3")`,
  );
  live.tell({ ...trained(2, 1), timeMs: Date.now() });
  await page.until(`document.getElementById("connection").dataset.state === "live"`);
});

test("light and dark, wide and narrow, it can be read by everybody", LIMIT, async (t) => {
  const live = await startLive(t);
  // What a trial is measured for has a long name.
  const unit = "trial 12 (3fa91c02): paper-fgs at 4 strengths, images 100–199";
  const workers = POOL.workers.map((worker) => ({ ...worker, holds: { ...HELD, unit } }));
  tellMuch(live, { ...POOL, workers });
  const page = await openPage(t, `${live.url}/`);
  await page.until(cardCount(3));
  // As a coordinator does: a page that hears nothing for ten seconds fades.
  live.tell({ timeMs: Date.now(), sweep: sweepMessage(sweepAfter(12, 100)) });
  await page.until(`document.querySelectorAll(".trials tbody tr").length === 12`);
  await page.until(`document.getElementById("workers").innerText.includes("paper-fgs at 4 strengths")`);
  const speaking = setInterval(() => live.tell({ timeMs: Date.now() }), 1000);
  t.after(() => clearInterval(speaking));
  await page.evaluate(AXE);
  const papers = new Set<string>();
  for (const scheme of ["light", "dark"]) {
    for (const width of [1280, 390]) {
      await page.media({ "prefers-color-scheme": scheme, "prefers-reduced-motion": "reduce" });
      await page.size(width, 900);
      await page.until(`document.documentElement.clientWidth === ${width}`);
      const violations = await page.evaluate<unknown[]>(
        `axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) =>
          violations.map(({ id, nodes }) => [id, nodes.map(({ html, failureSummary }) => [html.slice(0, 120), failureSummary])]))`,
      );
      assert.deepEqual(violations, [], `${scheme}, ${width} px`);
      const overflow = await page.evaluate<number>("document.documentElement.scrollWidth - innerWidth");
      assert.ok(overflow <= 0, `${overflow} px too wide at ${width} px`);
      const cut = await page.evaluate<number[]>(
        `["#workers", ".trials table"].map((table) => document.querySelector(table).parentNode)
          .map(({ scrollWidth, clientWidth }) => scrollWidth - clientWidth)`,
      );
      if (width === 1280) assert.deepEqual(cut, [0, 0], "a table lacks so many px");
      papers.add(await page.evaluate<string>("getComputedStyle(document.body).backgroundColor"));
    }
  }
  assert.equal(papers.size, 2, "dark is another paper than light");
  assert.equal(await page.evaluate("getComputedStyle(document.querySelector('.dot')).animationName"), "none");
  assert.deepEqual(page.complaints, []);
});

test("everything can be reached with the keyboard, and one sees where one is", LIMIT, async (t) => {
  const live = await startLive(t);
  tellMuch(live);
  const page = await openPage(t, `${live.url}/`);
  await page.until(cardCount(3));
  const press = async (key: string): Promise<void> => {
    for (const type of ["keyDown", "keyUp"])
      await page.call("Input.dispatchKeyEvent", {
        type,
        key,
        code: key,
        windowsVirtualKeyCode: key === "Tab" ? 9 : 13,
        ...(key === "Enter" && type === "keyDown" ? { text: "\r" } : {}),
      });
  };
  const focused = `(document.activeElement.id || document.activeElement.textContent.slice(0, 30))`;
  await press("Tab");
  assert.equal(await page.evaluate(focused), "Skip to the runs");
  await press("Enter");
  assert.equal(await page.evaluate(focused), "content");
  await press("Tab");
  assert.equal(await page.evaluate(focused), "as a table: Loss");
  assert.notEqual(await page.evaluate("getComputedStyle(document.activeElement).outlineStyle"), "none");
  await press("Enter");
  await page.until(`document.querySelector("#training-charts tbody tr") !== null`);
  const reached: string[] = [];
  for (let i = 0; i < 20; i++) {
    await press("Tab");
    reached.push(await page.evaluate(focused));
  }
  for (const wanted of ["as a table: Accuracy", "API", "OpenAPI", "metrics"])
    assert.ok(reached.includes(wanted), `${wanted} in ${reached.join(", ")}`);
  // A sweep comes first: its decisions and its table can be scrolled, and sorted by each column.
  live.tell({ timeMs: Date.now(), sweep: sweepMessage(sweepAfter(12, 100)) });
  await page.until(`document.querySelectorAll(".trials tbody tr").length === 12`);
  await page.evaluate(`document.getElementById("content").focus()`);
  const labels: string[] = [];
  for (let i = 0; i < 5; i++) {
    await press("Tab");
    labels.push(
      await page.evaluate(`document.activeElement.ariaLabel ?? document.activeElement.textContent`),
    );
  }
  assert.deepEqual(labels, [
    ...["Newest decisions of robust-mnist", "4 more columns", "Best trials of robust-mnist"],
    ...["rank", "trial"],
  ]);
  await press("Enter");
  await page.until(`document.activeElement.parentNode.ariaSort === "ascending"`);
});

test("with a token the page asks for it once", LIMIT, async (t) => {
  const { writeFile } = await import("node:fs/promises");
  const { join } = await import("node:path");
  const { temporaryDirectory } = await import("../../support/cluster.js");
  const tokenFile = join(await temporaryDirectory(t), "token");
  await writeFile(tokenFile, "a-token-of-good-length");
  const live = await startLive(t, { tokenFile });
  tellMuch(live);
  const page = await openPage(t, `${live.url}/`);
  const send = async (token: string): Promise<void> => {
    await page.until(`document.querySelector("#token") !== null`);
    await page.evaluate(
      `document.querySelector("#token").value = ${JSON.stringify(token)}; document.querySelector("form").submit()`,
    );
  };
  await send("not-the-token-at-all");
  await page.until(`document.body.innerText.includes("That is not the token")`);
  await page.evaluate(AXE);
  assert.deepEqual(
    await page.evaluate(`axe.run().then(({ violations }) => violations.map(({ id }) => id))`),
    [],
  );
  await send("a-token-of-good-length");
  await page.until(cardCount(3));
  assert.equal(await page.evaluate("location.href"), `${live.url}/`);
  assert.equal(await page.evaluate("document.cookie"), "", "scripts do not see the cookie");
  // The token is replaced: the page finds out and asks again.
  await writeFile(tokenFile, "another-token-of-good-length");
  await eventually(async () => {
    const { status } = await fetch(`${live.url}/api/v1/runs`, {
      headers: { authorization: "Bearer a-token-of-good-length" },
    });
    assert.equal(status, 401);
  });
  await page.open(`${live.url}/`);
  await page.until(`document.querySelector("#token") !== null`);
});
