import assert from "node:assert/strict";
import { test } from "node:test";
import { Metrics } from "../../../shared/io/metrics-registry.js";

const OPEN = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5";

const linesOf = (text: string, name: string): string[] =>
  text.split("\n").filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));

test("text is what a scraper gets that does not ask for OpenMetrics, whoever asked before", async () => {
  const metrics = new Metrics("coordinator", "1");
  metrics.add("leases", 2, { outcome: "done" });
  const open = await metrics.exposition(OPEN);
  assert.match(open.type, /^application\/openmetrics-text; version=1\.0\.0/);
  assert.match(open.text, /^# TYPE saf_leases counter$/m);
  assert.match(open.text, /^saf_leases_total\{outcome="done"\} 2$/m);
  assert.match(open.text, /\n# EOF\n$/);
  const text = await metrics.exposition("*/*");
  assert.match(text.type, /^text\/plain; version=0\.0\.4/);
  assert.match(text.text, /^# TYPE saf_leases_total counter$/m);
  assert.match(text.text, /^saf_leases_total\{outcome="done"\} 2$/m);
  assert.doesNotMatch(text.text, /# EOF/);
});

test("a duration's trace is in OpenMetrics only, and only where there is one", async () => {
  const metrics = new Metrics("coordinator", "1");
  metrics.observe("stepSeconds", 0.03, { run: "a" }, { trace_id: "abc" });
  metrics.observe("stepSeconds", 3, { run: "b" });
  const { text: open } = await metrics.exposition(OPEN);
  assert.match(
    open,
    /^saf_step_duration_seconds_bucket\{le="0\.05",run="a"\} 1 # \{trace_id="abc"\} 0\.03 [\d.]+$/m,
  );
  assert.doesNotMatch(open, /run="b".* # /);
  assert.doesNotMatch((await metrics.exposition()).text, /trace_id/);
});

test("a tally is counted when somebody looks, and costs an addition before", async () => {
  const metrics = new Metrics("coordinator", "1");
  const add = metrics.tally("gradients", { outcome: "accepted" });
  for (let i = 0; i < 1000; i++) add();
  add(24);
  for (const text of [(await metrics.exposition()).text, (await metrics.exposition()).text])
    assert.deepEqual(
      linesOf(text, "saf_gradients_received_total")[0],
      'saf_gradients_received_total{outcome="accepted"} 1024',
    );
});

test("a value that is no number breaks no scrape", async () => {
  const metrics = new Metrics("coordinator", "1");
  metrics.observe("stepSeconds", NaN, { run: "a" });
  assert.doesNotMatch((await metrics.exposition()).text, /run="a"/);
});

test("everything of one run can be forgotten: gauges, counters, histograms and what was not yet counted", async () => {
  const metrics = new Metrics("coordinator", "1");
  for (const run of ["a", "b"]) {
    metrics.set("loss", 1, { run });
    metrics.add("nonfinite", 1, { run, where: "gradient" });
    metrics.observe("stepSeconds", 1, { run });
    metrics.tally("steps", { run })(3);
  }
  await metrics.removeAll("run", new Set(["a"]));
  const { text } = await metrics.exposition();
  assert.doesNotMatch(text, /run="a"/);
  assert.equal(text.match(/run="b"/g)?.length, 1 + 1 + 17 + 1);
});
