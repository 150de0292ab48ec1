/** The cluster beside what it is made of: one bare loop alone, as many at once, and PyTorch DDP. */
import type { Overview } from "./comparisons.js";
import { type FigureName, nameOf } from "./contenders.js";
import { type Run, figuresOf, outcomesOf } from "./report.js";
import { type Summary, ratios, summarise } from "./statistics.js";

export interface OverviewReport {
  /** The figure to watch: cluster ÷ (workers × one bare loop alone on the machine). */
  cluster_over_bare: Summary;
  /** Cluster ÷ the sum of as many bare loops running at once: what is left when the cores themselves share caches. */
  cluster_over_bare_together: Summary;
  /** Cluster ÷ PyTorch DDP, or why there is none. */
  cluster_over_ddp: Summary | { skipped: string };
  cluster_samples_per_second: Summary;
  bare_samples_per_second: Summary;
  ddp_samples_per_second: Summary | { skipped: string };
  cluster_samples_per_cpu_second: Summary;
  bare_samples_per_cpu_second: Summary;
  coordinator_and_nats_cpu_share: Summary;
  coordinator_cpu_share: Summary;
  nats_cpu_share: Summary;
  wire_bytes_per_step: Summary;
  worker_rss_bytes: Summary;
  coordinator_rss_bytes: Summary;
  nats_rss_bytes: Summary;
  bare_rss_bytes: Summary;
}

export function overviewReport(contenders: Overview, runs: readonly Run[]): OverviewReport {
  const of = (who: keyof Overview, figure: FigureName): number[] => {
    const figures = figuresOf(outcomesOf(runs, nameOf(contenders[who])), figure);
    return "skipped" in figures ? [] : figures.values;
  };
  const cluster = (figure: FigureName): Summary => summarise(of("cluster", figure));
  const speed = of("cluster", "samples_per_second");
  const one = of("bare", "samples_per_second");
  const { workers } = contenders.cluster;
  const peer = figuresOf(outcomesOf(runs, nameOf(contenders.peer)), "samples_per_second");
  return {
    cluster_over_bare: ratios(
      speed,
      one.map((value) => value * workers),
    ),
    cluster_over_bare_together: ratios(speed, of("together", "samples_per_second")),
    cluster_over_ddp: "skipped" in peer ? peer : ratios(speed, peer.values),
    cluster_samples_per_second: summarise(speed),
    bare_samples_per_second: summarise(one),
    ddp_samples_per_second: "skipped" in peer ? peer : summarise(peer.values),
    cluster_samples_per_cpu_second: cluster("samples_per_cpu_second"),
    bare_samples_per_cpu_second: summarise(of("bare", "samples_per_cpu_second")),
    coordinator_and_nats_cpu_share: cluster("overhead_cpu_share"),
    coordinator_cpu_share: cluster("coordinator_cpu_share"),
    nats_cpu_share: cluster("nats_cpu_share"),
    wire_bytes_per_step: cluster("wire_bytes_per_step"),
    worker_rss_bytes: cluster("worker_rss_bytes"),
    coordinator_rss_bytes: cluster("coordinator_rss_bytes"),
    nats_rss_bytes: cluster("nats_rss_bytes"),
    bare_rss_bytes: summarise(of("bare", "rss_bytes")),
  };
}
