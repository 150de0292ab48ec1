/** Steps computed again, against what the run recorded of them. Pure. */
import type { StepMetric } from "../../shared/results.js";
import { type Finding, type Verdict, counted, finding } from "./finding.js";
import { type Stretch, stepCount, stepsInWords } from "./stretches.js";

/** A step as it was computed again: means over its images, before the update. */
export interface RecomputedStep {
  step: number;
  loss: number;
  accuracy: number;
}

/** The state after so many steps, by its hashes. */
export interface RecomputedState {
  step: number;
  weightsSha256: string;
  velocitySha256: string;
}

export interface Recomputed {
  steps: readonly RecomputedStep[];
  states: readonly RecomputedState[];
}

/** What the run says of a state. `velocitySha256`: where a checkpoint keeps it. */
export interface RecordedState {
  step: number;
  weightsSha256: string;
  velocitySha256?: string;
  /** The file that says so. */
  where: string;
}

/** Engine and processor, as env.json names them. */
export interface Machine {
  engine: string | undefined;
  processor: string | undefined;
}

/**
 * Equal bits are equal on any machine. Others are a fault only where the same engine computed on the same processor: sums
 * differ in their last bits elsewhere.
 */
export function compare(
  stretches: readonly Stretch[],
  { steps, states }: Recomputed,
  recorded: { metrics: readonly StepMetric[]; states: readonly RecordedState[] },
  machines: { run: Machine; here: Machine },
): Finding[] {
  const [first] = differences(steps, states, recorded);
  if (first !== undefined) {
    const doubt = otherMachine(machines);
    const verdict: Verdict = doubt === undefined ? "broken" : "incomparable";
    return [finding("recomputed", verdict, doubt === undefined ? first : `${first}; ${doubt}`)];
  }
  const equal = recorded.states.filter(({ step }) => states.some((state) => state.step === step));
  const words = `${stepsInWords(stretches)} in one process: same loss and accuracy, to the bit`;
  return [finding("recomputed", "holds", `${words}${hashesInWords(equal.map(({ step }) => step))}`)];
}

const MOST_NAMED = 6;

function hashesInWords(steps: readonly number[]): string {
  const last = steps.at(-1);
  if (last === undefined) return "";
  if (steps.length <= MOST_NAMED) return `; same weights after step ${steps.join(", ")}`;
  return `; same weights after ${steps.length} of them, the last after step ${last}`;
}

function differences(
  steps: readonly RecomputedStep[],
  states: readonly RecomputedState[],
  recorded: { metrics: readonly StepMetric[]; states: readonly RecordedState[] },
): string[] {
  const ofSteps = steps.flatMap(({ step, loss, accuracy }) => {
    const said = recorded.metrics[step];
    if (said?.loss === loss && said.accuracy === accuracy) return [];
    return [
      `step ${step} differs: computed again its loss is ${loss} and its accuracy ${accuracy}, metrics.jsonl says ${said?.loss} and ${said?.accuracy}`,
    ];
  });
  const ofStates = recorded.states.flatMap(({ step, weightsSha256, velocitySha256, where }) => {
    const again = states.find((state) => state.step === step);
    if (again === undefined) return [];
    const what = again.weightsSha256 !== weightsSha256 ? "weights" : "momentum";
    if (what === "momentum" && (velocitySha256 ?? again.velocitySha256) === again.velocitySha256) return [];
    const [mine, said] =
      what === "weights"
        ? [again.weightsSha256, weightsSha256]
        : [again.velocitySha256, velocitySha256 ?? ""];
    return [
      `the ${what} after ${counted(step, "step")} differ: computed again they hash to ${mine.slice(0, 12)}, ${where} says ${said.slice(0, 12)}`,
    ];
  });
  return [...ofSteps, ...ofStates];
}

function otherMachine({ run, here }: { run: Machine; here: Machine }): string | undefined {
  const other = (what: string, was: string | undefined, is: string | undefined): string[] =>
    was === is ? [] : [`${what} ${was ?? "that env.json does not name"}, here it is ${is ?? "unknown"}`];
  const words = [
    ...other("engine", run.engine, here.engine),
    ...other("processor", run.processor, here.processor),
  ];
  if (words.length === 0) return undefined;
  return `that proves nothing: the run was computed on the ${words.join(", and on the ")}`;
}

/** What the recomputation leaves to the ledger. */
export function notRecomputed(stretches: readonly Stretch[], steps: number): Finding[] {
  const left = steps - stepCount(stretches);
  if (left <= 0) return [];
  const words = `${counted(left, "step")} of ${steps}: the ledger proves which images they counted, not what they computed; --all computes them again`;
  return [finding("not recomputed", "unproven", words)];
}

/** "2 x Intel Xeon" without the count: how many cores there are decides nothing. */
export function processorModel(text: string | undefined): string | undefined {
  return text?.replace(/^\d+ x /, "");
}
