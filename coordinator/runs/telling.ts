/** What a run does, told as events and shown as metrics. */
import { stepsPerEpoch } from "../../shared/core/schedule.js";
import { resolveRun, stepPlan } from "../../shared/resolve.js";
import type { RunEvents } from "../telemetry/events.js";
import type { RunMeter } from "../telemetry/run-meter.js";
import type { RunObserver } from "./observer.js";
import type { RunOrder } from "./source.js";
import type { RunData } from "./surroundings.js";

export function observerOf(
  { config, isAlone }: RunOrder,
  { dataset }: RunData,
  events: RunEvents,
  telemetry: RunMeter,
): RunObserver {
  const run = resolveRun(config);
  const plan = stepPlan(config, run, dataset.train.labels.length);
  /** Steps done as last told: a lease's own report runs ahead of its commits. */
  let shown = 0;
  const tell = (done: number, total: number, loss: number, accuracy: number): void => {
    shown = done;
    events.trained(done, { total, perEpoch: stepsPerEpoch(plan), samples: plan.batchSize }, loss, accuracy);
  };
  return {
    opened: (done, total, before) => {
      const { seed, network, train } = run;
      const length = { done, total, epochs: total / stepsPerEpoch(plan), batchSize: train.batchSize };
      events.opened({ ...length, network: network.name, dataSet: config.data.set, seed }, before);
    },
    phase: (name, detail) => {
      events.phase(name, detail);
      telemetry.state(name);
    },
    advanced: tell,
    committed: (step, total) => {
      const done = step.step + 1;
      if (done >= shown) tell(done, total, step.loss, step.hits / step.samples);
      events.learningRate(step.learningRate);
      telemetry.committed(step, total);
    },
    evaluating: (progress) => events.evaluated(progress),
    evaluationBegins: (known, checkpoint) => {
      telemetry.evaluating(known);
      if (known.length > 0) events.measured(checkpoint, known);
    },
    tasks: (standing) => telemetry.tasks(standing),
    taskRetried: (reason) => telemetry.taskRetried(reason),
    measured: (record, seconds, checkpoint, traceId) => {
      telemetry.measured(record, seconds, traceId);
      events.measured(checkpoint, [record]);
    },
    accuracy: (value, step) => {
      events.testAccuracy(step, value);
      telemetry.accuracy(value);
      events.note("info", `${run.name}: clean accuracy ${(100 * value).toFixed(2)} %`);
    },
    checkpoint: (outcome, seconds, bytes) => telemetry.checkpoint(outcome, seconds, bytes),
    note: (level, message) => events.note(level, isAlone ? message : `${run.name}: ${message}`),
  };
}
