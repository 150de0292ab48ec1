/** Is all well, and how far is it? */
import { type DashboardSpec, HERE, RUN, figure, list, series } from "./parts.js";

export const overview: DashboardSpec = {
  uid: "saf-overview",
  title: "saf: overview",
  description: "Runs, workers and alerts of a training cluster at a glance.",
  rows: [
    {
      title: "Now",
      panels: [
        figure({
          title: "Runs by state",
          description:
            "How many runs are in each state; those that have not begun wait. A run that ended is shown for two more scrapes.",
          unit: "none",
          width: 8,
          queries: [
            { expr: `sum by (state) (saf_run_state{${RUN}})`, legend: "{{state}}" },
            { expr: `sum(saf_runs_pending{${HERE}})`, legend: "to come" },
          ],
        }),
        figure({
          title: "Training throughput",
          description: "Training images in committed steps, a second, over all runs.",
          unit: "suffix: images/s",
          width: 4,
          queries: [
            { expr: `sum(rate(saf_samples_processed_total{${RUN}}[$__rate_interval]))`, legend: "images" },
          ],
        }),
        figure({
          title: "Workers",
          description: "Workers in the pool, whatever they do.",
          unit: "none",
          width: 4,
          queries: [{ expr: `sum(saf_workers{${HERE}})`, legend: "workers" }],
        }),
        figure({
          title: "Firing alerts",
          description: "Alerts of saf that fire now; docs/runbooks.md says what each means.",
          unit: "none",
          width: 4,
          queries: [
            {
              expr: 'count(ALERTS{alertname=~"Saf.+",alertstate="firing"}) or vector(0)',
              legend: "alerts",
            },
          ],
        }),
        figure({
          title: "Runs ended",
          description: "Runs that coordinators were done with in the time shown, by how they ended.",
          unit: "none",
          width: 4,
          queries: [
            {
              expr: `sum by (outcome) (increase(saf_runs_ended_total{${HERE}}[$__range]))`,
              legend: "{{outcome}}",
            },
          ],
        }),
      ],
    },
    {
      title: "Training",
      panels: [
        series({
          title: "Progress",
          description: "Share of each run's steps that are committed.",
          unit: "percentunit",
          width: 8,
          min: 0,
          max: 1,
          queries: [{ expr: `saf_run_progress_ratio{${RUN}}`, legend: "{{run}}" }],
        }),
        series({
          title: "Images a second",
          description:
            "Training throughput by run. A drop to zero while a run trains is the alert SafTrainingStalled.",
          unit: "suffix: images/s",
          width: 8,
          min: 0,
          queries: [{ expr: `run:saf_samples_processed:rate1m{${RUN}}`, legend: "{{run}}" }],
        }),
        series({
          title: "Training loss",
          description: "Smoothed over about twenty steps; the raw values are in metrics.jsonl of the run.",
          unit: "none",
          width: 8,
          logarithmic: true,
          queries: [{ expr: `saf_train_loss{${RUN}}`, legend: "{{run}}" }],
        }),
        series({
          title: "Clean accuracy",
          description: "On the test images, as measured between epochs and at the end.",
          unit: "percentunit",
          width: 8,
          max: 1,
          queries: [{ expr: `saf_eval_accuracy_ratio{${RUN}}`, legend: "{{run}}" }],
        }),
        series({
          title: "Workers by state",
          description:
            "Straggling workers hold a lease that is overdue; quarantined ones failed several in a row.",
          unit: "none",
          width: 8,
          stacked: true,
          min: 0,
          queries: [{ expr: `sum by (state) (saf_workers{${HERE}})`, legend: "{{state}}" }],
        }),
        series({
          title: "Evaluation done",
          description: "Share of the tasks of each run's evaluation that are done.",
          unit: "percentunit",
          width: 8,
          min: 0,
          max: 1,
          queries: [
            {
              expr: `sum by (run) (saf_evaluation_tasks{${RUN},state="done"}) / sum by (run) (saf_evaluation_tasks{${RUN}})`,
              legend: "{{run}}",
            },
          ],
        }),
      ],
    },
    {
      title: "Machines",
      panels: [
        series({
          title: "GPU busy",
          description:
            "Share of the time that each worker's GPU computes, from the DCGM exporter. Empty without GPUs.",
          unit: "percentunit",
          width: 8,
          min: 0,
          max: 1,
          queries: [{ expr: `pod:saf_gpu_busy:ratio{${HERE}}`, legend: "{{pod}}" }],
        }),
        list({
          title: "Processes",
          description: "Coordinators and workers that are scraped, with their versions.",
          unit: "none",
          width: 16,
          expr: `sum by (job, instance, namespace, pod, version, node) (saf_build_info{${HERE}})`,
          hide: ["Value"],
        }),
      ],
    },
  ],
};
