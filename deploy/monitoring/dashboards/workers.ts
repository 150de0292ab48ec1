/** Who is slow, who is lost, and what does everybody wait for? */
import { type DashboardSpec, HERE, PROCESS, figure, list, series } from "./parts.js";

/** GPU metrics carry the worker's pod as `exported_pod` where the scraper keeps its own labels. */
const gpu = (metric: string): string =>
  `max by (namespace, pod, gpu) (label_replace(label_replace(${metric}{exported_pod!=""}, "pod", "$1", "exported_pod", "(.+)"), "namespace", "$1", "exported_namespace", "(.+)") or ${metric}{pod!="",exported_pod=""})`;
/** Only those of our workers. */
const ofWorkers = (expr: string): string =>
  `(${expr}) and on (namespace, pod) saf_worker_backend_info{${HERE}}`;

export const workers: DashboardSpec = {
  uid: "saf-workers",
  title: "saf: workers and stragglers",
  description: "Who is slow, who was lost, and where the workers' time and memory go.",
  rows: [
    {
      title: "Stragglers",
      panels: [
        series({
          title: "Time of a worker's part of a step",
          description: "Exponentially weighted, from lease to result, as the coordinator sees it.",
          unit: "s",
          width: 8,
          min: 0,
          queries: [{ expr: `saf_worker_step_seconds{${HERE}}`, legend: "{{worker}}" }],
        }),
        series({
          title: "Ratio to the median worker",
          description: "Three times the median for ten minutes is the alert SafStragglerPersistent.",
          unit: "suffix: x",
          width: 8,
          min: 0,
          queries: [
            { expr: `worker:saf_worker_step_seconds:ratio_to_median{${HERE}}`, legend: "{{worker}}" },
          ],
        }),
        series({
          title: "Share of the images",
          description: "Of all training images counted, the share that each worker computed.",
          unit: "percentunit",
          width: 8,
          stacked: true,
          min: 0,
          max: 1,
          queries: [
            {
              expr: `sum by (worker) (rate(saf_worker_samples_total{${HERE}}[$__rate_interval])) / scalar(sum(rate(saf_worker_samples_total{${HERE}}[$__rate_interval])))`,
              legend: "{{worker}}",
            },
          ],
        }),
        series({
          title: "Silence",
          description:
            "Seconds since each worker was last heard of. Three missed heartbeats and it counts as lost.",
          unit: "s",
          width: 8,
          min: 0,
          queries: [
            { expr: `time() - saf_worker_last_seen_timestamp_seconds{${HERE}}`, legend: "{{worker}}" },
          ],
        }),
        series({
          title: "Leases by how they ended",
          description: "Expired, returned and lost ones are work done twice.",
          unit: "suffix: leases/s",
          width: 8,
          min: 0,
          queries: [
            {
              expr: `sum by (outcome) (rate(saf_leases_total{${HERE}}[$__rate_interval]))`,
              legend: "{{outcome}}",
            },
          ],
        }),
        series({
          title: "Lost, refused and quarantined",
          description:
            "Workers that fell silent, that were not taken in (by reason), and that failed leases in a row.",
          unit: "none",
          width: 8,
          min: 0,
          queries: [
            { expr: `sum(increase(saf_workers_lost_total{${HERE}}[$__rate_interval]))`, legend: "lost" },
            {
              expr: `sum by (reason) (increase(saf_workers_refused_total{${HERE}}[$__rate_interval]))`,
              legend: "refused: {{reason}}",
            },
            {
              expr: `sum(increase(saf_worker_quarantines_total{${HERE}}[$__rate_interval]))`,
              legend: "quarantined",
            },
          ],
        }),
      ],
    },
    {
      title: "Where the time goes",
      panels: [
        series({
          title: "Phases of all workers",
          description:
            "Seconds of work a second: waiting for parameters, computing, pushing, evaluating. The rest is idle.",
          unit: "s",
          width: 12,
          stacked: true,
          min: 0,
          queries: [
            {
              expr: `sum by (phase) (rate(saf_worker_phase_duration_seconds_sum{${HERE}}[$__rate_interval]))`,
              legend: "{{phase}}",
            },
          ],
        }),
        series({
          title: "Time of a phase by worker",
          description: "Mean over the interval.",
          unit: "s",
          width: 12,
          min: 0,
          queries: [
            {
              expr: `sum by (instance, phase) (rate(saf_worker_phase_duration_seconds_sum{${HERE}}[$__rate_interval])) / sum by (instance, phase) (rate(saf_worker_phase_duration_seconds_count{${HERE}}[$__rate_interval]) > 0)`,
              legend: "{{instance}} {{phase}}",
            },
          ],
        }),
      ],
    },
    {
      title: "Processes",
      panels: [
        series({
          title: "Live tensors",
          description: "A number that rises for a quarter of an hour is the alert SafTensorLeak.",
          unit: "none",
          width: 6,
          min: 0,
          queries: [{ expr: `saf_worker_tensors{${HERE}}`, legend: "{{instance}}" }],
        }),
        series({
          title: "Tensor memory",
          description: "Of the live tensors, between two orders to the engine.",
          unit: "bytes",
          width: 6,
          min: 0,
          queries: [{ expr: `saf_worker_tensor_memory_bytes{${HERE}}`, legend: "{{instance}}" }],
        }),
        series({
          title: "Resident memory",
          description: "Of each process.",
          unit: "bytes",
          width: 6,
          min: 0,
          queries: [{ expr: `process_resident_memory_bytes{${PROCESS}}`, legend: "{{job}} {{instance}}" }],
        }),
        series({
          title: "CPU",
          description: "Cores that each process uses.",
          unit: "suffix: cores",
          width: 6,
          min: 0,
          queries: [
            {
              expr: `rate(process_cpu_seconds_total{${PROCESS}}[$__rate_interval])`,
              legend: "{{job}} {{instance}}",
            },
          ],
        }),
        series({
          title: "Event-loop lag",
          description:
            "99th percentile since the last scrape. Above half a second heartbeats are in danger: the alert SafEventLoopLagHigh.",
          unit: "s",
          width: 12,
          min: 0,
          queries: [{ expr: `nodejs_eventloop_lag_p99_seconds{${PROCESS}}`, legend: "{{job}} {{instance}}" }],
        }),
        list({
          title: "Engines",
          description: "What each worker computes with.",
          unit: "none",
          width: 12,
          expr: `sum by (instance, namespace, pod, backend, version) (saf_worker_backend_info{${HERE}})`,
          hide: ["Value"],
        }),
      ],
    },
    {
      title: "GPUs (from the DCGM exporter)",
      panels: [
        series({
          title: "Utilisation",
          description:
            "Share of the time that the graphics engine of each worker's GPU is active; works with MIG.",
          unit: "percentunit",
          width: 8,
          min: 0,
          max: 1,
          queries: [{ expr: ofWorkers(gpu("DCGM_FI_PROF_GR_ENGINE_ACTIVE")), legend: "{{pod}} {{gpu}}" }],
        }),
        series({
          title: "Memory in use",
          description: "Of each worker's GPU.",
          unit: "decmbytes",
          width: 8,
          min: 0,
          queries: [{ expr: ofWorkers(gpu("DCGM_FI_DEV_FB_USED")), legend: "{{pod}} {{gpu}}" }],
        }),
        series({
          title: "Power",
          description: "Drawn by each worker's GPU.",
          unit: "watt",
          width: 4,
          min: 0,
          queries: [{ expr: ofWorkers(gpu("DCGM_FI_DEV_POWER_USAGE")), legend: "{{pod}} {{gpu}}" }],
        }),
        figure({
          title: "XID errors",
          description: "Number of the last XID error of each GPU; 0 is none.",
          unit: "none",
          width: 4,
          height: 8,
          queries: [{ expr: ofWorkers(gpu("DCGM_FI_DEV_XID_ERRORS")), legend: "{{pod}} {{gpu}}" }],
        }),
      ],
    },
  ],
};
