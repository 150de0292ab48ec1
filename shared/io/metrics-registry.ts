/** Makes the metrics of shared/metrics.ts real: one registry a process, made by `main.ts`. */
import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from "prom-client";
import { METRICS, type MetricDefinition, type MetricKey, type ProcessRole } from "../metrics.js";

/** Gauges whose names end in `_total`: they fail Prometheus's own lint. */
const BADLY_NAMED = [
  "nodejs_active_handles_total",
  "nodejs_active_requests_total",
  "nodejs_active_resources_total",
];

type Labels = Record<string, string>;

export class Metrics {
  readonly registry = new Registry();
  readonly #counters = new Map<MetricKey, Counter>();
  readonly #gauges = new Map<MetricKey, Gauge>();
  readonly #histograms = new Map<MetricKey, Histogram>();

  constructor(role: ProcessRole, version: string) {
    collectDefaultMetrics({ register: this.registry });
    for (const name of BADLY_NAMED) this.registry.removeSingleMetric(name);
    for (const [key, definition] of Object.entries(METRICS) as [MetricKey, MetricDefinition][]) {
      if (definition.roles.includes(role)) this.#define(key, definition);
    }
    this.set("buildInfo", 1, { version, node: process.version });
  }

  add(key: MetricKey, amount = 1, labels: Labels = {}): void {
    this.#counters.get(key)?.inc(labels, amount);
  }

  set(key: MetricKey, value: number, labels: Labels = {}): void {
    this.#gauges.get(key)?.set(labels, value);
  }

  observe(key: MetricKey, value: number, labels: Labels = {}): void {
    this.#histograms.get(key)?.observe(labels, value);
  }

  /** Forgets one labelled series: a worker left, a run ended. */
  remove(key: MetricKey, labels: Labels): void {
    this.#counters.get(key)?.remove(labels);
    this.#gauges.get(key)?.remove(labels);
  }

  #define(key: MetricKey, { name, type, help, labels, buckets, zeroes }: MetricDefinition): void {
    const common = { name, help, labelNames: [...labels], registers: [this.registry] };
    if (type === "counter") {
      const counter = new Counter(common);
      for (const zero of zeroes ?? []) counter.inc(zero, 0);
      this.#counters.set(key, counter);
    } else if (type === "gauge") {
      const gauge = new Gauge(common);
      for (const zero of zeroes ?? []) gauge.set(zero, 0);
      this.#gauges.set(key, gauge);
    } else {
      this.#histograms.set(key, new Histogram({ ...common, buckets: [...(buckets ?? [])] }));
    }
  }
}
