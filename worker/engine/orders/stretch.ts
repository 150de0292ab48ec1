/** A stretch of steps that one worker makes alone: until the count is full, the main thread says halt, or a sum is not finite. */
import { type Layout, TAIL } from "../../../shared/core/layout.js";
import { stateParts } from "../../../shared/core/stretch.js";
import { allFinite } from "../../../shared/core/vectors/vector-memory.js";
import { type Findings, evaluateTask } from "../../measures/evaluate.js";
import { LocalTraining } from "../../training/local-training.js";
import { CONTROL } from "../messages.js";
import type { HostedRun } from "./hosted-run.js";
import { type HostParts, type OrderOf, timed } from "./order.js";

export function computeStretch(order: OrderOf<"stretch">, run: HostedRun, parts: HostParts): void {
  const done = timed(parts, order);
  run.loadAnchor(order);
  const training = trainingOf(order, run);
  // From here on it loads what its steps come to.
  run.weights.forget();
  run.anchor?.forget();
  const { layout } = run.weights.program;
  const state = stateParts(layout, new Float32Array(order.state));
  const steps = advance(training, layout, order, state.tails);
  state.parameters.set(training.parameters);
  state.velocity.set(training.velocity);
  const measured = steps === order.count ? measuredIn(order, run, parts, training) : undefined;
  parts.send({ type: "stretch-done", steps, measured, ...done() });
}

/** Of the weights behind the last step, as they are kept. Undefined where a measure fails: it is leased by itself then, and says why. */
function measuredIn(
  { measures = [] }: OrderOf<"stretch">,
  run: HostedRun,
  { now }: HostParts,
  training: LocalTraining,
): { findings: Findings[]; seconds: number } | undefined {
  if (measures.length === 0) return undefined;
  const { mean, seed } = run.described;
  const began = now();
  try {
    training.loadKept();
    const subject = { program: run.weights.program, test: run.images("test"), mean };
    const findings = measures.map((measuring) => evaluateTask(subject, { ...measuring, seed }));
    return { findings, seconds: (now() - began) / 1000 };
  } catch {
    return undefined;
  }
}

/** Writes each step's scalars; returns how many steps it made. */
function advance(
  training: LocalTraining,
  layout: Layout,
  { count, control: shared }: OrderOf<"stretch">,
  tails: Float32Array,
): number {
  const control = new Int32Array(shared);
  let done = 0;
  for (let isWhole = true; isWhole && done < count;) {
    const sums = training.sum();
    isWhole = allFinite(sums);
    // The steps before it are good. A first step goes back as it is: that such values are refused is decided there.
    if (!isWhole && done > 0) break;
    training.update();
    tails.set(sums.subarray(layout.size, layout.pushSize), done * TAIL.length);
    done++;
    Atomics.store(control, CONTROL.stepsDone, done);
    if (Atomics.load(control, CONTROL.halt) !== 0) break;
  }
  return done;
}

/** The training of the order's state, or of the one in which the run's last stretch ended. */
function trainingOf({ runId, step, rule, start }: OrderOf<"stretch">, run: HostedRun): LocalTraining {
  if (start === undefined) {
    if (run.local?.step !== step) throw new RangeError(`Run ${runId} is not at step ${step}`);
    run.local.load();
    return run.local;
  }
  const parameters = new Float32Array(start.parameters);
  const from = { step, velocity: new Float32Array(start.velocity) };
  if (run.local === undefined) {
    const { seed } = run.described;
    run.local = new LocalTraining(run.context(), parameters, { ...rule, seed }, from, run.vectors);
  } else run.local.begin(parameters, from);
  return run.local;
}
