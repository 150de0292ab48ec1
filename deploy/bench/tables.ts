/** Tables of a benchmark, in Markdown: a document can quote them as they are printed. */
import { markdownTable } from "../../coordinator/results/report/markdown.js";
import { keysOf } from "../../shared/core/keys.js";
import { type Cluster, FIGURES, type FigureName } from "./core/contenders.js";
import type { OverviewReport } from "./core/overview.js";
import type { ContenderResult, RowResult } from "./core/report.js";
import type { Summary } from "./core/statistics.js";

const spread = ({ median, min, max }: Summary, digits: number): string =>
  `${median.toFixed(digits)} (${min.toFixed(digits)} to ${max.toFixed(digits)})`;

export function rowTable(rows: readonly RowResult[]): string {
  return markdownTable(
    ["what", "ratio: median (range)", "bar", "met"],
    rows.map(({ what, ratio, bar, is_met }) => [
      what,
      "skipped" in ratio ? `skipped: ${ratio.skipped}` : spread(ratio, 3),
      bar,
      is_met === undefined ? "–" : is_met ? "yes" : "no",
    ]),
  );
}

export function contenderTable(contenders: readonly ContenderResult[]): string {
  return markdownTable(
    ["who", "figure", "median (range)"],
    contenders.flatMap(({ name, skipped, figures }) =>
      skipped === undefined
        ? keysOf(FIGURES).flatMap((figure): string[][] => {
            const summary = figures[figure];
            return summary === undefined ? [] : [[name, FIGURES[figure], figureWords(figure, summary)]];
          })
        : [[name, "–", `skipped: ${skipped}`]],
    ),
  );
}

const MIB = 2 ** 20;

function figureWords(figure: FigureName, summary: Summary): string {
  if (figure.includes("bytes")) {
    const { median, min, max } = summary;
    const digits = figure.endsWith("per_step") ? 2 : 0;
    const scaled = { ...summary, median: median / MIB, min: min / MIB, max: max / MIB };
    return spread(scaled, digits);
  }
  if (figure.endsWith("share")) return spread(summary, 3);
  return spread(summary, figure.startsWith("seconds") ? 2 : 0);
}

export function overviewTable(report: OverviewReport, { workers, bulk }: Cluster): string {
  const ratio = (summary: Summary | { skipped: string }): string =>
    "skipped" in summary ? `skipped: ${summary.skipped}` : spread(summary, 2);
  const whole = (summary: Summary | { skipped: string }): string =>
    "skipped" in summary ? "–" : summary.median.toFixed(0);
  const mib = ({ median }: Summary): string => (median / 2 ** 20).toFixed(0);
  const perCpu = [report.cluster_samples_per_cpu_second, report.bare_samples_per_cpu_second] as const;
  const speeds = [
    report.cluster_samples_per_second,
    report.bare_samples_per_second,
    report.ddp_samples_per_second,
  ];
  const memory = [
    report.worker_rss_bytes,
    report.coordinator_rss_bytes,
    report.nats_rss_bytes,
    report.bare_rss_bytes,
  ];
  return markdownTable(
    ["figure", `bulk ${bulk === "mapped" ? "in mapped memory" : "through NATS"}`],
    [
      [`cluster ÷ ${workers} bare loops, each alone`, ratio(report.cluster_over_bare)],
      [`cluster ÷ ${workers} bare loops at once`, ratio(report.cluster_over_bare_together)],
      [`cluster ÷ PyTorch DDP (gloo)`, ratio(report.cluster_over_ddp)],
      ["images/s: cluster, one bare loop, DDP", speeds.map(whole).join(", ")],
      [
        "images/CPU s, cluster ÷ bare loop",
        `${perCpu.map(whole).join(" ÷ ")} = ${(perCpu[0].median / perCpu[1].median).toFixed(2)}`,
      ],
      ["share of CPU: coordinator and NATS", ratio(report.coordinator_and_nats_cpu_share)],
      ["MiB a step through NATS", (report.wire_bytes_per_step.median / 2 ** 20).toFixed(2)],
      ["MiB: worker, coordinator, NATS, bare loop", memory.map(mib).join(", ")],
    ],
  );
}
