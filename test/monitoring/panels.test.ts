import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync, readdirSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { ROOT } from "../docs/tables.js";
import { missingTools } from "../support/apt-tools.js";
import { type TestCluster, startCluster } from "../support/cluster.js";
import { panelQueries, substituted } from "../support/grafana-dashboards.js";
import { type Answer, type Prometheus, type Target, startPrometheus } from "../support/prometheus.js";
import { type ScrapeOf, historyOf } from "../support/scrape-history.js";
import { startSweepExporter } from "../support/sweep-exporter.js";

const missing = await missingTools(["promtool", "prometheus"], "prometheus");
const options = { timeout: 400_000, ...(missing === undefined ? {} : { skip: missing }) };

const RULES = join(ROOT, "deploy/monitoring/rules");
const rules = readdirSync(RULES)
  .filter((file) => file.endsWith(".yaml"))
  .map((file) => join(RULES, file));

const WORKERS = ["worker-1", "worker-2"];
/** Longest wait for the last panel to show something; a machine may be busy with other tests. */
const PATIENCE_MS = 180_000;
const LOOK_EVERY_MS = 1000;
const HISTORY_HOURS = 2;

/** A value that Grafana could draw: an answer of NaN only is a division of nothing by nothing. */
function hasData(answer: Answer): boolean {
  return answer.ok && answer.series.some(({ values }) => values.some((value) => Number.isFinite(value)));
}

/** What the DCGM exporter says of two GPUs. Ours is a recording: this machine need not have any. */
async function staticExporter(t: TestContext): Promise<string> {
  const text = readFileSync(join(ROOT, "test/fixtures/dcgm/metrics.txt"));
  const server = createServer((_request, response) => {
    response.writeHead(200, { "content-type": "text/plain; version=0.0.4" });
    response.end(text);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const podOf = (name: string | undefined): string =>
  name === undefined ? "saf-coordinator-0" : `saf-worker-${WORKERS.indexOf(name)}`;

function targetsOf(cluster: TestCluster, gpus: string, sweep: string): Target[] {
  const process = (name?: string): Target => ({
    job: name === undefined ? "saf-coordinator" : "saf-worker",
    address: new URL(cluster.metricsUrl(name)).host,
    labels: { namespace: "saf", pod: podOf(name) },
  });
  return [
    process(),
    ...WORKERS.map(process),
    { job: "saf-coordinator", address: sweep, labels: { namespace: "saf", pod: "sweep-coordinator-x" } },
    // As in Kubernetes without honorLabels: the exporter's pod becomes exported_pod.
    { job: "dcgm", address: gpus, labels: { namespace: "gpu-operator", pod: "dcgm-exporter-x" } },
  ];
}

/** Asks until every query has had an answer with data once. Returns those that never had, and why. */
async function unanswered(t: TestContext, prometheus: Prometheus): Promise<string[]> {
  let open = panelQueries();
  const began = performance.now();
  for (;;) {
    const answers = await Promise.all(
      open.map(({ expr }) => prometheus.query(substituted(expr, "15s", "1m"))),
    );
    const wrong = answers.flatMap((answer, i) =>
      answer.ok ? [] : [`${open[i]?.panel}: ${answer.error}: ${open[i]?.expr}`],
    );
    if (wrong.length > 0) return wrong;
    const left = open.filter((_, i) => !hasData(answers[i] as Answer));
    if (left.length === 0) {
      const seconds = Math.round((performance.now() - began) / 1000);
      t.diagnostic(`the last panel showed data after ${seconds} s: ${open.at(-1)?.panel}`);
      return [];
    }
    open = left;
    if (performance.now() - began > PATIENCE_MS)
      return open.map(({ panel, expr }) => `${panel}: no data: ${expr}`);
    await delay(LOOK_EVERY_MS);
  }
}

test("every panel of every dashboard shows data of real processes, and of their past", options, async (t) => {
  // One run trains all the time; the other one is evaluated meanwhile, for longer than the panels are asked.
  const step = { lease: "step", checkpoint_every_steps: 10 } as const;
  const cluster = await startCluster(t, {
    workers: WORKERS.length,
    runs: [
      { name: "trains", train: { ...step, max_steps: 100_000, epochs: 1000 } },
      {
        name: "measured",
        train: { ...step, max_steps: 4 },
        evaluate: { kinds: ["clean", "adversarial", "noisy"], strengths: [0, 0.1, 0.3], images: 10_000 },
      },
    ],
  });
  await cluster.untilStep(2);
  const [gpus, sweep] = [await staticExporter(t), await startSweepExporter(t)];
  const targets = targetsOf(cluster, gpus, sweep);
  const prometheus = await startPrometheus(t, { targets, rules, scrapeSeconds: 1 });
  await t.test("now", async (inner) => assert.deepEqual(await unanswered(inner, prometheus), []));
  await t.test("clean accuracy among it, though the evaluation goes on", async () => {
    const answer = await prometheus.query('sum(saf_evaluation_tasks{run="measured",state!="done"}) > 0');
    assert.ok(hasData(answer), JSON.stringify(answer));
  });

  // A worker that was started again meanwhile listens elsewhere: asked where it is now.
  const now = targetsOf(cluster, gpus, sweep);
  const scrapes = await Promise.all(
    now.map(async ({ job, address, labels }): Promise<ScrapeOf> => {
      const path = job === "dcgm" ? "/" : "/metrics";
      const text = await (await fetch(`http://${address}${path}`)).text();
      return job === "dcgm"
        ? { text: exported(text), labels: { job, instance: address, ...labels } }
        : { text, labels: { job, instance: address, ...labels } };
    }),
  );
  await t.test("promtool finds nothing to say about a live scrape", () => {
    for (const { text, labels } of scrapes.filter(({ labels: { job } }) => job !== "dcgm")) {
      const checked = spawnSync("promtool", ["check", "metrics"], { input: text, encoding: "utf8" });
      assert.equal(checked.status, 0, `${labels["pod"]}: ${checked.stdout}${checked.stderr}`);
    }
  });

  const recorded = await recordedSeries(prometheus);
  await cluster.stop();
  await t.test("over two hours that went before", async (inner) => {
    const to = Math.floor(Date.now() / 1000) - 600;
    const from = to - HISTORY_HOURS * 3600;
    const history = historyOf([...scrapes, { text: recorded, labels: {} }], { from, to, stepSeconds: 15 });
    const past = await startPrometheus(inner, { targets: [], rules: [], history, scrapeSeconds: 15 });
    const empty: string[] = [];
    for (const { panel, expr } of panelQueries()) {
      const answer = await past.range(substituted(expr, "1m", "1h"), from + 600, to, 60);
      if (!answer.ok) empty.push(`${panel}: ${answer.error}: ${expr}`);
      else if (!hasData(answer)) empty.push(`${panel}: no data: ${expr}`);
    }
    assert.deepEqual(empty, []);
  });
});

/** The exporter's own labels as Prometheus stores them beside those of the target. */
function exported(text: string): string {
  return text.replaceAll(/\b(namespace|pod)=/g, "exported_$1=");
}

/** What the recording rules came to, as text: the past has no rules. */
async function recordedSeries(prometheus: Prometheus): Promise<string> {
  // A scrape that a busy machine missed leaves a rule without a value for a moment.
  const answer = await prometheus.query('last_over_time({__name__=~".+:saf_.+"}[5m])');
  assert.ok(answer.ok);
  const byName = new Map<string, typeof answer.series>();
  for (const series of answer.series) {
    const name = series.metric["__name__"] ?? "";
    byName.set(name, [...(byName.get(name) ?? []), series]);
  }
  return [...byName]
    .flatMap(([name, series]) => [
      `# TYPE ${name} gauge`,
      ...series.map(({ metric, values }) => {
        const labels = Object.entries(metric).filter(([key]) => key !== "__name__");
        return `${name}{${labels.map(([key, value]) => `${key}="${value}"`).join(",")}} ${values.at(-1)}`;
      }),
    ])
    .join("\n");
}
