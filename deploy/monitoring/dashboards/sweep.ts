/** Does the search move, what has it found, and what does it cost? */
import { type DashboardSpec, HERE, SWEEP, figure, heat, quantiles, series } from "./parts.js";

const OVER = "done|stopped|failed";

export const sweep: DashboardSpec = {
  uid: "saf-sweep",
  title: "saf: sweeps",
  description: "Trials, rungs, the best values so far and the throughput of the sweeps chosen above.",
  choice: "sweep",
  rows: [
    {
      title: "Now",
      panels: [
        figure({
          title: "Trials by state",
          description:
            "Waiting ones are at a rung where others decide whether they go on; stopped ones were not good enough.",
          unit: "none",
          width: 10,
          queries: [{ expr: `sum by (state) (saf_sweep_trials{${SWEEP}})`, legend: "{{state}}" }],
        }),
        figure({
          title: "Over",
          description: "Share of the planned trials that are done, stopped or failed.",
          unit: "percentunit",
          width: 4,
          queries: [
            {
              expr: `sum by (sweep) (saf_sweep_trials{${SWEEP},state=~"${OVER}"}) / sum by (sweep) (saf_sweep_planned_trials{${SWEEP}})`,
              legend: "{{sweep}}",
            },
          ],
        }),
        figure({
          title: "Time left",
          description: "As the coordinator estimates it; absent while nobody can say.",
          unit: "s",
          width: 5,
          queries: [{ expr: `max by (sweep) (saf_sweep_eta_seconds{${SWEEP}})`, legend: "{{sweep}}" }],
        }),
        figure({
          title: "Workers",
          description: "Workers in the pool, whatever they do: a sweep shares them with other work.",
          unit: "none",
          width: 5,
          queries: [{ expr: `sum(saf_workers{${HERE}})`, legend: "workers" }],
        }),
      ],
    },
    {
      title: "What it has found",
      panels: [
        series({
          title: "Best objective",
          description:
            "The best value of each objective among the trials that are ranked, whatever the direction of better. Intervals and the whole table are in the results of the sweep.",
          unit: "none",
          width: 12,
          queries: [
            {
              expr: `max by (sweep, objective) (saf_sweep_best_objective{${SWEEP}})`,
              legend: "{{sweep}} {{objective}}",
            },
          ],
        }),
        series({
          title: "Trials by rung",
          description:
            "By the rung of their newest result: early stopping leaves most of them low, and few come to the top.",
          unit: "none",
          width: 12,
          stacked: true,
          min: 0,
          queries: [
            {
              expr: `sum by (sweep, rung) (saf_sweep_rung_trials{${SWEEP}})`,
              legend: "{{sweep}} rung {{rung}}",
            },
          ],
        }),
      ],
    },
    {
      title: "Speed",
      panels: [
        series({
          title: "Trials by state over time",
          description: "A flat picture with running trials and workers is the alert SafSweepStuck.",
          unit: "none",
          width: 8,
          stacked: true,
          min: 0,
          queries: [{ expr: `sum by (state) (saf_sweep_trials{${SWEEP}})`, legend: "{{state}}" }],
        }),
        series({
          title: "Results a minute",
          description: "Trials that were measured at a rung.",
          unit: "suffix: results/min",
          width: 8,
          min: 0,
          queries: [
            {
              expr: `60 * sum by (sweep) (rate(saf_sweep_trial_seconds_count{${SWEEP}}[$__rate_interval]))`,
              legend: "{{sweep}}",
            },
          ],
        }),
        series({
          title: "Training images a second",
          description: "Behind the results that came in: long trials make it jump.",
          unit: "suffix: images/s",
          width: 8,
          min: 0,
          queries: [
            {
              expr: `sum by (sweep) (rate(saf_sweep_samples_total{${SWEEP}}[$__rate_interval]))`,
              legend: "{{sweep}}",
            },
          ],
        }),
        series({
          title: "Workers by whose work it is",
          description:
            "Time of leases a second: how many workers each sweep and the runs beside it have. Shares and priorities of the specs decide it.",
          unit: "none",
          width: 24,
          stacked: true,
          min: 0,
          queries: [
            {
              expr: `sum by (account) (rate(saf_lease_seconds_total{${HERE}}[$__rate_interval]))`,
              legend: "{{account}}",
            },
          ],
        }),
        series({
          title: "Time of a result",
          description: "Of training and measuring from one rung to the next.",
          unit: "s",
          width: 8,
          min: 0,
          queries: quantiles("saf_sweep_trial_seconds", SWEEP, ["sweep"]),
        }),
        heat({
          title: "Distribution of that time",
          description: "Two bands are two kinds of trials: low and high rungs, or small and large networks.",
          unit: "s",
          width: 8,
          expr: `sum by (le) (increase(saf_sweep_trial_seconds_bucket{${SWEEP}}[$__rate_interval]))`,
        }),
        series({
          title: "Failed attempts",
          description:
            "By the error's code; timeout is a trial that exceeded its time, worker one that ended its workers. Many of them are the alert SafSweepTrialsFailing.",
          unit: "none",
          width: 8,
          min: 0,
          queries: [
            {
              expr: `sum by (sweep, code) (increase(saf_sweep_trial_failures_total{${SWEEP}}[$__rate_interval]))`,
              legend: "{{sweep}} {{code}}",
            },
          ],
        }),
      ],
    },
  ],
};
