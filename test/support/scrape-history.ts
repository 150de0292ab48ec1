/**
 * A past for a scrape: the same series, as they would have come over some hours. Counters and histograms grow to what
 * they are now, gauges move a little around it. For queries that need more time than a test has.
 */

export interface ScrapeOf {
  /** Prometheus text. */
  text: string;
  /** Of the target: job, instance, namespace, pod. */
  labels: Record<string, string>;
}

export interface Past {
  /** Seconds since 1970. */
  from: number;
  to: number;
  stepSeconds: number;
}

interface Family {
  name: string;
  type: string;
  series: { name: string; labels: string; value: number }[];
}

/** OpenMetrics text, all samples of a series in order, as promtool reads it. */
export function historyOf(scrapes: readonly ScrapeOf[], past: Past): string {
  const families = new Map<string, Family>();
  for (const { text, labels } of scrapes) {
    for (const family of familiesIn(text, labels)) {
      const known = families.get(family.name);
      if (known === undefined) families.set(family.name, family);
      else known.series.push(...family.series);
    }
  }
  const count = Math.floor((past.to - past.from) / past.stepSeconds);
  const lines: string[] = [];
  for (const { name, type, series } of families.values()) {
    // Summaries of the runtime come as gauges: their parts need no relation to each other here.
    lines.push(`# TYPE ${type === "counter" ? name.replace(/_total$/, "") : name} ${type}`);
    for (let i = 0; i <= count; i++) {
      const at = past.from + i * past.stepSeconds;
      for (const each of series)
        lines.push(`${each.name}{${each.labels}} ${valueAt(type, each, i, count)} ${at}`);
    }
  }
  return `${lines.join("\n")}\n# EOF\n`;
}

function valueAt(
  type: string,
  { name, value }: { name: string; value: number },
  i: number,
  count: number,
): number {
  if (type === "gauge" || type === "unknown") {
    // States and counts stay what they are.
    return Number.isInteger(value) ? value : value * (1 + 0.01 * Math.sin(i / 7));
  }
  // What has happened so far; in whole numbers, but for sums.
  const grown = (value * i) / count;
  return name.endsWith("_sum") ? grown : Math.floor(grown);
}

function familiesIn(text: string, target: Record<string, string>): Family[] {
  const own = Object.entries(target).map(([key, value]) => `${key}="${value}"`);
  const found: Family[] = [];
  for (const line of text.split("\n")) {
    const type = /^# TYPE (\S+) (\S+)$/.exec(line);
    if (type !== null)
      found.push({
        name: type[1] ?? "",
        type: type[2] === "summary" ? "unknown" : (type[2] ?? ""),
        series: [],
      });
    const sample = /^([A-Za-z_:][\w:]*)(?:\{(.*)\})? (\S+)$/.exec(line);
    if (sample === null) continue;
    const [, name = "", labels = "", value = ""] = sample;
    const number = Number(value);
    if (!Number.isFinite(number)) continue;
    found.at(-1)?.series.push({
      name,
      labels: [labels, ...own].filter((part) => part !== "").join(","),
      value: number,
    });
  }
  return found.filter(({ series }) => series.length > 0);
}
