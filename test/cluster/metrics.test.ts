import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { METRICS, type MetricDefinition, type ProcessRole } from "../../shared/metrics.js";
import { startCluster } from "../support/cluster.js";

interface Family {
  help: string;
  type: string;
  series: { name: string; labels: Record<string, string>; value: number }[];
}

/** The text format of Prometheus, line by line; what does not fit is an error. */
function parse(text: string): Map<string, Family> {
  const families = new Map<string, Family>();
  let current: { name: string; family: Family } | undefined;
  for (const line of text.split("\n").filter((each) => each !== "")) {
    const help = /^# HELP (\S+) (.*)$/.exec(line);
    if (help !== null) {
      const [, name = "", words = ""] = help;
      assert.equal(families.has(name), false, `${name} comes twice`);
      current = { name, family: { help: words, type: "", series: [] } };
      families.set(name, current.family);
      continue;
    }
    const type = /^# TYPE (\S+) (counter|gauge|histogram|summary)$/.exec(line);
    if (type !== null) {
      assert.equal(type[1], current?.name);
      if (current !== undefined) current.family.type = type[2] as string;
      continue;
    }
    const sample = /^([a-z_0-9]+)(?:\{(.*)\})? (\S+)$/.exec(line);
    assert.ok(sample !== null && current !== undefined, line);
    const [, name = "", labels = "", value = ""] = sample;
    assert.ok(name.startsWith(current.name), line);
    current.family.series.push({
      name,
      labels: Object.fromEntries(
        [...labels.matchAll(/(\w+)="([^"]*)"/g)].map(([, key = "", worth = ""]): [string, string] => [
          key,
          worth,
        ]),
      ),
      value: value === "+Inf" ? Infinity : Number(value),
    });
  }
  return families;
}

/** Exactly the metrics of shared/metrics.ts that this role exports, as they are defined there, with real numbers. */
function checkFamilies(text: string, role: ProcessRole): Map<string, Family> {
  const families = parse(text);
  const own = Object.values<MetricDefinition>(METRICS).filter(({ roles }) => roles.includes(role));
  assert.deepEqual(
    [...families.keys()].filter((name) => name.startsWith("saf_")).sort(),
    own.map(({ name }) => name).sort(),
  );
  for (const { name, type, help, labels } of own) {
    const family = families.get(name) as Family;
    assert.deepEqual([family.type, family.help], [type, help], name);
    for (const sample of family.series) {
      const keys = Object.keys(sample.labels).filter((key) => key !== "le");
      assert.deepEqual(keys.sort(), [...labels].sort(), name);
      assert.ok(!Number.isNaN(sample.value), `${name} is NaN`);
    }
  }
  return families;
}

const valueOf = (
  families: Map<string, Family>,
  name: string,
  labels: Record<string, string> = {},
): number | undefined =>
  families
    .get(name)
    ?.series.find((each) => Object.entries(labels).every(([key, value]) => each.labels[key] === value))
    ?.value;

test(
  "every process of a run serves its metrics, its health and its readiness",
  { timeout: 180_000 },
  async (t) => {
    // Long enough to be looked at; the test ends it.
    const cluster = await startCluster(t, {
      workers: 2,
      config: { train: { max_steps: 2000, checkpoint_every_steps: 5 } },
    });
    // Parts of a version are there before its step is committed.
    await cluster.untilStep(13);

    const get = async (url: string): Promise<{ status: number; type: string; text: string }> => {
      const response = await fetch(url);
      return {
        status: response.status,
        type: response.headers.get("content-type") ?? "",
        text: await response.text(),
      };
    };
    const urls = {
      coordinator: cluster.metricsUrl(),
      "worker-1": cluster.metricsUrl("worker-1"),
      "worker-2": cluster.metricsUrl("worker-2"),
    };
    const texts: Record<string, string> = {};
    for (const [name, url] of Object.entries(urls)) {
      assert.match(url, /^http:\/\/127\.0\.0\.1:\d+\/metrics$/);
      const metrics = await get(url);
      assert.equal(metrics.status, 200, name);
      assert.match(metrics.type, /^text\/plain; version=0\.0\.4/);
      texts[name] = metrics.text;
      for (const path of ["/healthz", "/readyz"]) {
        const { status, text } = await get(url.replace("/metrics", path));
        assert.deepEqual([status, text], [200, "ok\n"], `${name} ${path}`);
      }
      assert.equal((await get(url.replace("/metrics", "/secret"))).status, 404);
      assert.equal((await fetch(url, { method: "POST" })).status, 405);
    }

    const coordinator = checkFamilies(texts["coordinator"] as string, "coordinator");
    const run = { run: "mrelu-r-m" };
    const steps = valueOf(coordinator, "saf_optimizer_steps_total", run) ?? 0;
    assert.ok(steps >= 12);
    assert.equal(valueOf(coordinator, "saf_samples_processed_total", run), 32 * steps);
    assert.equal(valueOf(coordinator, "saf_parameter_version", run), steps);
    assert.equal(valueOf(coordinator, "saf_run_progress_ratio", run), steps / 2000);
    assert.ok(
      (valueOf(coordinator, "saf_gradients_received_total", { outcome: "accepted" }) ?? 0) >= 7 * steps,
    );
    assert.equal(valueOf(coordinator, "saf_gradients_received_total", { outcome: "checksum" }), 0);
    assert.ok((valueOf(coordinator, "saf_checkpoints_total", { outcome: "written" }) ?? 0) >= 2);
    assert.equal(valueOf(coordinator, "saf_checkpoints_total", { outcome: "failed" }), 0);
    for (const worker of ["worker-1", "worker-2"]) {
      assert.ok((valueOf(coordinator, "saf_worker_samples_total", { worker }) ?? 0) > 0, worker);
      const families = checkFamilies(texts[worker] as string, "worker");
      assert.ok((valueOf(families, "saf_worker_tensors") ?? 0) > 0);
      assert.ok(
        (valueOf(families, "saf_wire_bytes_total", { direction: "out", kind: "gradient" }) ?? 0) > 1e6,
      );
    }

    await t.test("promtool finds nothing to say about them", (inner) => {
      if (spawnSync("promtool", ["--version"]).status !== 0) return inner.skip("promtool is not on PATH");
      for (const [name, text] of Object.entries(texts)) {
        const { status, stdout, stderr } = spawnSync("promtool", ["check", "metrics"], {
          input: text,
          encoding: "utf8",
        });
        assert.equal(status, 0, `${name}: ${stdout}${stderr}`);
      }
    });
  },
);
