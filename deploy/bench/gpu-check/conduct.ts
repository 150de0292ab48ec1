/** Makes the measurements of the GPU check, one process each, within the time that there is. */
import { fileURLToPath } from "node:url";
import { COMPILE_VARIABLE } from "../../../worker/engine/environment.js";
import type { Answer, MeasurementSpec } from "../../../worker/bench/measurement.js";
import { explain, runCommand } from "../../run-command.js";
import { type Allotment, type CheckOptions, type Measurement, allot } from "./plan.js";
import type { Outcome } from "./report.js";

const PROCESS = fileURLToPath(new URL("../../../worker/bench/measure.js", import.meta.url));
/** Of a process that loads an engine, until one was seen. */
const USUAL_OVERHEAD_SECONDS = 2;

export interface Conduct {
  options: CheckOptions;
  /** Of the processes, but for the variable of the mode. */
  env: NodeJS.ProcessEnv;
  /** Seconds since some moment. */
  now: () => number;
  progress: (line: string) => void;
}

export async function conduct(measurements: readonly Measurement[], given: Conduct): Promise<Outcome[]> {
  const { options, now, progress } = given;
  const deadline = now() + options.budgetSeconds;
  const outcomes: Outcome[] = [];
  let overheadSeconds = USUAL_OVERHEAD_SECONDS;
  for (const [i, measurement] of measurements.entries()) {
    const began = now();
    const left = allot(deadline - began, measurements.length - i, {
      overheadSeconds,
      mostSeconds: options.mostSeconds,
      isFirst: i === 0,
    });
    const outcome = await next(measurement, left, outcomes, given);
    outcomes.push(outcome);
    if (outcome.kind === "measured" && left !== undefined)
      overheadSeconds = Math.max(0, now() - began - measuringSeconds(measurement, left));
    const words = outcome.kind === "measured" ? "measured" : `${outcome.kind}: ${outcome.reason}`;
    progress(`${measurement.name}: ${words} (${Math.max(0, Math.round(deadline - now()))} s left)`);
  }
  return outcomes;
}

/** A self-test takes what it takes. */
function measuringSeconds({ kind }: Measurement, { seconds }: Allotment): number {
  return kind === "self-test" ? 0 : seconds;
}

async function next(
  measurement: Measurement,
  left: Allotment | undefined,
  before: readonly Outcome[],
  given: Conduct,
): Promise<Outcome> {
  if (measurement.kind !== "self-test" && !hasStarted(before))
    return { measurement, kind: "left-out", reason: "no self-test could be made" };
  if (left === undefined) return { measurement, kind: "left-out", reason: "no time was left" };
  const spec = specOf(measurement, left.seconds, before, given.options);
  if (spec === undefined) return { measurement, kind: "left-out", reason: "its first run was not made" };
  return carryOut(measurement, spec, left.limitSeconds, given.env);
}

/** The self-tests came first. */
function hasStarted(before: readonly Outcome[]): boolean {
  return before.some(({ measurement, kind }) => measurement.kind === "self-test" && kind === "measured");
}

function specOf(
  measurement: Measurement,
  seconds: number,
  before: readonly Outcome[],
  { engine }: CheckOptions,
): MeasurementSpec | undefined {
  switch (measurement.kind) {
    case "self-test":
      return { engine, kind: "self-test" };
    case "training":
      return { engine, kind: "training", seconds, ...measurement.subject };
    case "evaluation":
      return { engine, kind: "evaluation", seconds, set: measurement.set, model: measurement.model };
    case "hash": {
      const { subject, run } = measurement;
      if (run === 1) return { engine, kind: "hash", for: { seconds }, ...subject };
      const steps = stepsOfFirst(before.at(-1));
      return steps === undefined ? undefined : { engine, kind: "hash", for: { steps }, ...subject };
    }
  }
}

/** The first run stands right before the second. */
function stepsOfFirst(outcome: Outcome | undefined): number | undefined {
  if (outcome?.kind !== "measured") return undefined;
  const { found } = outcome.measured;
  return found.kind === "hash" ? found.steps : undefined;
}

async function carryOut(
  measurement: Measurement,
  spec: MeasurementSpec,
  limitSeconds: number,
  env: NodeJS.ProcessEnv,
): Promise<Outcome> {
  const compile = measurement.mode === "eager" ? "off" : undefined;
  const result = await runCommand(process.execPath, [PROCESS, JSON.stringify(spec)], {
    env: { ...env, [COMPILE_VARIABLE]: compile },
    timeoutMs: 1000 * limitSeconds,
  });
  const answer = lastDocument(result.stdout);
  if (answer === undefined) return { measurement, kind: "failed", reason: explain(result) };
  if ("error" in answer) return { measurement, kind: "failed", reason: answer.error };
  return { measurement, kind: "measured", measured: answer };
}

/** TensorFlow's addon prints lines of its own. */
function lastDocument(text: string): Answer | undefined {
  const line = text.split("\n").findLast((each) => each.startsWith("{"));
  try {
    return line === undefined ? undefined : (JSON.parse(line) as Answer);
  } catch {
    return undefined;
  }
}
