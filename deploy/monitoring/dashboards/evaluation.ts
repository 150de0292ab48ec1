/** How robust are the networks, and when is it known? */
import { type DashboardSpec, HERE, RUN, curve, figure, list, quantiles, series } from "./parts.js";

const POINT = "run, protocol, kind, attack, norm, strength";

export const evaluation: DashboardSpec = {
  uid: "saf-evaluation",
  title: "saf: evaluation and robustness",
  description: "Accuracy against strength as it comes in, and the tasks behind it.",
  rows: [
    {
      title: "Robustness",
      panels: [
        curve({
          title: "Accuracy against strength",
          description:
            "Over the images measured so far. On nonsense images the share that is not taken for real. At most 500 points are exported; the report of the run has all of them, with intervals and sanity checks.",
          unit: "percentunit",
          width: 16,
          expr: `max by (${POINT}) (saf_evaluation_accuracy_ratio{${RUN},kind!="clean"})`,
          x: "strength",
          xTitle: "strength, in units of the full pixel range",
          by: ["run", "protocol", "attack", "norm"],
        }),
        figure({
          title: "Clean accuracy",
          description: "On the test images, without any perturbation.",
          unit: "percentunit",
          width: 8,
          height: 12,
          queries: [{ expr: `saf_eval_accuracy_ratio{${RUN}}`, legend: "{{run}}" }],
        }),
        list({
          title: "Accuracy at each strength",
          description: "The numbers of the chart above.",
          unit: "percentunit",
          width: 24,
          height: 9,
          expr: `max by (${POINT}) (saf_evaluation_accuracy_ratio{${RUN}})`,
        }),
      ],
    },
    {
      title: "Tasks",
      panels: [
        series({
          title: "Tasks by state",
          description: "Pending ones wait for a worker: more workers would shorten the queue.",
          unit: "none",
          width: 8,
          stacked: true,
          min: 0,
          queries: [{ expr: `sum by (state) (saf_evaluation_tasks{${RUN}})`, legend: "{{state}}" }],
        }),
        series({
          title: "Time left",
          description:
            "Tasks that are not done, at the rate of the last while. Cheap attacks go first, so it grows at times.",
          unit: "s",
          width: 8,
          min: 0,
          queries: [
            {
              expr: `sum(saf_evaluation_tasks{${RUN},state!="done"}) / (sum(rate(saf_evaluation_task_duration_seconds_count{${HERE}}[$__rate_interval])) > 0)`,
              legend: "time left",
            },
          ],
        }),
        series({
          title: "Images measured a second",
          description: "Each image counted at every strength.",
          unit: "suffix: images/s",
          width: 8,
          min: 0,
          queries: [
            {
              expr: `sum by (run) (rate(saf_evaluation_samples_total{${RUN}}[$__rate_interval]))`,
              legend: "{{run}}",
            },
          ],
        }),
        series({
          title: "Time of a task by attack",
          description: "From its lease to its result.",
          unit: "s",
          width: 16,
          min: 0,
          queries: quantiles("saf_evaluation_task_duration_seconds", HERE, ["attack"]),
        }),
        series({
          title: "Tasks given out again",
          description: "Because a worker could not compute them (failed), or was lost or late (given_back).",
          unit: "none",
          width: 8,
          min: 0,
          queries: [
            {
              expr: `sum by (reason) (increase(saf_evaluation_task_retries_total{${HERE}}[$__rate_interval]))`,
              legend: "{{reason}}",
            },
          ],
        }),
      ],
    },
  ],
};
