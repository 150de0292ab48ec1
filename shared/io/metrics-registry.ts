/** Makes the metrics of shared/metrics.ts real: one registry a process, made by `main.ts`. */
import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from "prom-client";
import { keysOf } from "../core/keys.js";
import { METRICS, type MetricDefinition, type MetricKey, type ProcessRole } from "../metrics.js";

/** Gauges whose names end in `_total`: they fail Prometheus's own lint. */
const BADLY_NAMED = [
  "nodejs_active_handles_total",
  "nodejs_active_requests_total",
  "nodejs_active_resources_total",
];

/** The type of a registry is fixed where it is made; ours is rendered both ways. */
const OPEN_METRICS = Registry.OPENMETRICS_CONTENT_TYPE as unknown as typeof Registry.PROMETHEUS_CONTENT_TYPE;

type Labels = Record<string, string>;

/** A counter's series on a hot path: a plain number, added to the registry when somebody scrapes. */
interface Tally {
  key: MetricKey;
  labels: Labels;
  pending: number;
}

export class Metrics {
  readonly registry = new Registry();
  readonly #counters = new Map<MetricKey, Counter>();
  readonly #gauges = new Map<MetricKey, Gauge>();
  readonly #histograms = new Map<MetricKey, Histogram>();
  #tallies: Tally[] = [];
  readonly #onScrape: (() => void | Promise<void>)[] = [];

  constructor(role: ProcessRole, version: string) {
    // prom-client allows exemplars only where it thinks that the registry will be rendered as OpenMetrics.
    this.registry.setContentType(OPEN_METRICS);
    collectDefaultMetrics({ register: this.registry });
    for (const name of BADLY_NAMED) this.registry.removeSingleMetric(name);
    for (const key of keysOf(METRICS)) {
      const definition: MetricDefinition = METRICS[key];
      if (definition.roles.includes(role)) this.#define(key, definition);
    }
    this.registry.setContentType(Registry.PROMETHEUS_CONTENT_TYPE);
    this.set("buildInfo", 1, { version, node: process.version });
  }

  add(key: MetricKey, amount = 1, labels: Labels = {}): void {
    this.#counters.get(key)?.inc(labels, amount);
  }

  /** The same for a hot path: what it returns costs an addition. */
  tally(key: MetricKey, labels: Labels = {}): (amount?: number) => void {
    const tally: Tally = { key, labels, pending: 0 };
    this.#tallies.push(tally);
    return (amount = 1) => {
      tally.pending += amount;
    };
  }

  set(key: MetricKey, value: number, labels: Labels = {}): void {
    this.#gauges.get(key)?.set(labels, value);
  }

  /** About 2 µs: once a step or message, never once a tensor. `exemplar`: labels of a trace to look at. */
  observe(key: MetricKey, value: number, labels: Labels = {}, exemplar: Labels = {}): void {
    if (Number.isFinite(value))
      this.#histograms.get(key)?.observe({ labels, value, exemplarLabels: exemplar });
  }

  /** Before each scrape: for what is cheaper to ask than to keep. */
  onScrape(refresh: () => void | Promise<void>): void {
    this.#onScrape.push(refresh);
  }

  /** Forgets one labelled series: a worker left, a run ended. */
  remove(key: MetricKey, labels: Labels): void {
    this.#flush();
    this.#counters.get(key)?.remove(labels);
    this.#gauges.get(key)?.remove(labels);
    this.#histograms.get(key)?.remove(labels);
  }

  /** Forgets every series of every metric that has this label at one of these values. */
  async removeAll(label: string, gone: ReadonlySet<string>): Promise<void> {
    const isGone = (labels: Partial<Record<string, string | number>>): boolean => {
      const value = labels[label];
      return value !== undefined && gone.has(String(value));
    };
    this.#tallies = this.#tallies.filter(({ labels }) => !isGone(labels));
    for (const key of keysOf(METRICS)) {
      const { labels }: MetricDefinition = METRICS[key];
      if (!labels.includes(label)) continue;
      const metric = this.#counters.get(key) ?? this.#gauges.get(key) ?? this.#histograms.get(key);
      const { values } = (await metric?.get()) ?? { values: [] };
      for (const series of values) {
        if (!isGone(series.labels)) continue;
        const own = Object.fromEntries(labels.map((name) => [name, String(series.labels[name])]));
        this.remove(key, own);
      }
    }
  }

  /** What a scraper reads. OpenMetrics, with exemplars, only when it asks for it: `accept` is its header. */
  async exposition(accept = ""): Promise<{ type: string; text: string }> {
    for (const refresh of this.#onScrape) await refresh();
    this.#flush();
    const wantsOpenMetrics = /\bapplication\/openmetrics-text\b/.test(accept);
    if (!wantsOpenMetrics) return { type: this.registry.contentType, text: await this.registry.metrics() };
    const view = this.#openMetrics();
    return { type: view.contentType, text: await view.metrics() };
  }

  /** A view for one scrape: prom-client renames the counters of a registry that it renders as OpenMetrics. */
  #openMetrics(): Registry {
    const view = new Registry();
    view.setContentType(OPEN_METRICS);
    for (const { name } of this.registry.getMetricsAsArray()) {
      const metric = this.registry.getSingleMetric(name) as Gauge & { type: string };
      const renamed = {
        name,
        type: metric.type,
        get: async () => ({ ...(await metric.get()), name: renamed.name }),
      };
      view.registerMetric(renamed as unknown as Gauge);
    }
    return view;
  }

  #flush(): void {
    for (const tally of this.#tallies) {
      if (tally.pending === 0) continue;
      this.#counters.get(tally.key)?.inc(tally.labels, tally.pending);
      tally.pending = 0;
    }
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
      const histogram = new Histogram({ ...common, buckets: [...(buckets ?? [])], enableExemplars: true });
      this.#histograms.set(key, histogram);
    }
  }
}
