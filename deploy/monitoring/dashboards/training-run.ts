/** One run from the first step to the last: does it learn, how fast, and what does a step wait for? */
import { type DashboardSpec, HERE, RUN, figure, heat, list, quantiles, series } from "./parts.js";

export const trainingRun: DashboardSpec = {
  uid: "saf-training-run",
  title: "saf: training run",
  description: "Loss, speed, gradients, traffic and checkpoints of the runs chosen above.",
  rows: [
    {
      title: "Learning",
      panels: [
        list({
          title: "Runs",
          description: "What is trained, on what, and how; the value is always 1.",
          unit: "none",
          width: 12,
          height: 6,
          expr: `sum by (run, model, dataset, mode, optimizer) (saf_run_info{${RUN}})`,
          hide: ["Value"],
        }),
        figure({
          title: "State",
          description: "The state that each run is in.",
          unit: "none",
          width: 6,
          height: 6,
          queries: [
            { expr: `max by (run, state) (saf_run_state{${RUN}}) == 1`, legend: "{{run}}: {{state}}" },
          ],
        }),
        figure({
          title: "Parameter version",
          description: "Version of the parameters being trained: the steps committed since the run began.",
          unit: "none",
          width: 6,
          height: 6,
          queries: [{ expr: `saf_parameter_version{${RUN}}`, legend: "{{run}}" }],
        }),
        series({
          title: "Loss",
          description:
            "Smoothed over about twenty steps. Twice its lowest value of half an hour is the alert SafLossDiverging.",
          unit: "none",
          width: 8,
          logarithmic: true,
          queries: [{ expr: `saf_train_loss{${RUN}}`, legend: "{{run}}" }],
        }),
        series({
          title: "Accuracy",
          description: "Clean accuracy on the test images.",
          unit: "percentunit",
          width: 8,
          max: 1,
          queries: [{ expr: `saf_eval_accuracy_ratio{${RUN}}`, legend: "{{run}}" }],
        }),
        series({
          title: "Learning rate",
          description: "Of the newest committed step.",
          unit: "none",
          width: 8,
          logarithmic: true,
          queries: [{ expr: `saf_learning_rate{${RUN}}`, legend: "{{run}}" }],
        }),
        series({
          title: "Norms of gradient and update",
          description:
            "Of the mean gradient and of what it changed in the weights, about once a second. Gradients that grow without end come before a loss that does. Empty where workers hold exclusive leases.",
          unit: "none",
          width: 12,
          logarithmic: true,
          queries: [
            { expr: `saf_gradient_norm{${RUN}}`, legend: "gradient {{run}}" },
            { expr: `saf_update_norm{${RUN}}`, legend: "update {{run}}" },
          ],
        }),
        series({
          title: "Values that are not finite",
          description:
            "Chunks refused because of NaN or infinity in them. Any at all is the alert SafLossNonFinite.",
          unit: "none",
          width: 12,
          min: 0,
          queries: [
            {
              expr: `sum by (run, where) (increase(saf_nonfinite_total{${RUN}}[$__rate_interval]))`,
              legend: "{{run}} {{where}}",
            },
          ],
        }),
      ],
    },
    {
      title: "Speed",
      panels: [
        series({
          title: "Throughput",
          description: "Training images in committed steps, a second.",
          unit: "suffix: images/s",
          width: 8,
          min: 0,
          queries: [
            {
              expr: `sum by (run) (rate(saf_samples_processed_total{${RUN}}[$__rate_interval]))`,
              legend: "{{run}}",
            },
          ],
        }),
        series({
          title: "Steps a second",
          description: "Committed optimizer steps.",
          unit: "suffix: steps/s",
          width: 8,
          min: 0,
          queries: [
            {
              expr: `sum by (run) (rate(saf_optimizer_steps_total{${RUN}}[$__rate_interval]))`,
              legend: "{{run}}",
            },
          ],
        }),
        series({
          title: "Time of a step",
          description:
            "From the first lease to the commit. With tracing on, dots lead to the traces of sampled steps.",
          unit: "s",
          width: 8,
          min: 0,
          queries: quantiles("saf_step_duration_seconds", RUN),
        }),
        series({
          title: "Barrier wait",
          description:
            "Time between the first and the last finished block of a step: what the slowest worker costs.",
          unit: "s",
          width: 8,
          min: 0,
          queries: quantiles("saf_barrier_wait_seconds", RUN),
        }),
        series({
          title: "Aggregation",
          description:
            "Summing gradients, updating parameters, publishing them: the coordinator's own part of a step.",
          unit: "s",
          width: 8,
          min: 0,
          queries: quantiles("saf_aggregate_duration_seconds", RUN),
        }),
        series({
          title: "Gradient chunks by outcome",
          description:
            "What became of the chunks that came in. More than 5 % refused is the alert SafGradientsRejectedHigh.",
          unit: "suffix: chunks/s",
          width: 8,
          min: 0,
          queries: [
            {
              expr: `sum by (outcome) (rate(saf_gradients_received_total{${HERE}}[$__rate_interval]))`,
              legend: "{{outcome}}",
            },
          ],
        }),
        series({
          title: "Staleness",
          description:
            "Versions between the parameters of a gradient and those it changed. Zero in synchronous mode.",
          unit: "suffix: versions",
          width: 12,
          min: 0,
          queries: quantiles("saf_gradient_staleness_steps", RUN),
        }),
        heat({
          title: "Staleness over time",
          description: "How many steps had gradients of which staleness.",
          unit: "suffix: versions",
          width: 12,
          expr: `sum by (le) (increase(saf_gradient_staleness_steps_bucket{${RUN}}[$__rate_interval]))`,
        }),
      ],
    },
    {
      title: "Traffic",
      panels: [
        series({
          title: "Bytes on the bus",
          description:
            "As each process sees it; with shared memory on one machine most of it does not go through NATS.",
          unit: "Bps",
          width: 8,
          min: 0,
          queries: [
            {
              expr: `sum by (job, direction, kind) (rate(saf_wire_bytes_total{${HERE}}[$__rate_interval]))`,
              legend: "{{job}} {{direction}} {{kind}}",
            },
          ],
        }),
        series({
          title: "Messages on the bus",
          description: "By direction and by what they carry.",
          unit: "suffix: messages/s",
          width: 8,
          min: 0,
          queries: [
            {
              expr: `sum by (job, direction, kind) (rate(saf_wire_messages_total{${HERE}}[$__rate_interval]))`,
              legend: "{{job}} {{direction}} {{kind}}",
            },
          ],
        }),
        series({
          title: "Time of a request over NATS",
          description:
            "95th percentile by operation, as workers see it: the answer of the coordinator is in it.",
          unit: "s",
          width: 8,
          min: 0,
          queries: [
            {
              expr: `histogram_quantile(0.95, sum by (le, operation) (rate(saf_nats_request_duration_seconds_bucket{${HERE}}[$__rate_interval])))`,
              legend: "{{operation}}",
            },
          ],
        }),
        series({
          title: "Reconnects",
          description:
            "Connections to NATS that came back. More than five in ten minutes is the alert SafNatsReconnectStorm.",
          unit: "none",
          width: 12,
          min: 0,
          queries: [
            {
              expr: `sum by (job, instance) (increase(saf_nats_reconnects_total{${HERE}}[$__rate_interval]))`,
              legend: "{{job}} {{instance}}",
            },
          ],
        }),
        series({
          title: "Bytes not yet sent",
          description:
            "Published, but not taken by the operating system: the server or the network does not keep up.",
          unit: "bytes",
          width: 12,
          min: 0,
          queries: [{ expr: `saf_nats_pending_bytes{${HERE}}`, legend: "{{job}} {{instance}}" }],
        }),
      ],
    },
    {
      title: "Checkpoints",
      panels: [
        series({
          title: "Age of the last checkpoint",
          description: "What a crash would cost now.",
          unit: "s",
          width: 6,
          min: 0,
          queries: [
            { expr: `time() - saf_checkpoint_last_success_timestamp_seconds{${RUN}}`, legend: "{{run}}" },
          ],
        }),
        series({
          title: "Size of a checkpoint",
          description: "Parameters, momentum and what flag A keeps.",
          unit: "bytes",
          width: 6,
          min: 0,
          queries: [{ expr: `saf_checkpoint_size_bytes{${RUN}}`, legend: "{{run}}" }],
        }),
        series({
          title: "Time to write a checkpoint",
          description: "Training waits for it.",
          unit: "s",
          width: 6,
          min: 0,
          queries: quantiles("saf_checkpoint_duration_seconds", HERE),
        }),
        series({
          title: "Checkpoints by outcome",
          description:
            "Written and failed ones in the interval. A failed one is the alert SafCheckpointFailed.",
          unit: "none",
          width: 6,
          min: 0,
          queries: [
            {
              expr: `sum by (outcome) (increase(saf_checkpoints_total{${HERE}}[$__rate_interval]))`,
              legend: "{{outcome}}",
            },
          ],
        }),
      ],
    },
  ],
};
