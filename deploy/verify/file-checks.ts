/** What a run's files prove by themselves, without computing a step again. Pure: what was read goes in, findings come out. */
import { curvesOf } from "../../coordinator/evaluation/curves.js";
import { ledgerFault } from "../../coordinator/runs/ledger-proof.js";
import { at } from "../../shared/core/at.js";
import {
  type StepPlan,
  stepImages,
  stepSamples,
  stepsPerEpoch,
  totalSteps,
} from "../../shared/core/schedule.js";
import { type ResultLine, currentLines, recordOf, todaysLine } from "../../shared/records/result-line.js";
import { type CurvePoint, seriesOf } from "../../shared/results.js";
import { type Finding, counted, finding, grouped } from "./finding.js";
import type { FoundCheckpoint, LinesFile, RunFiles } from "./run-files.js";

/** What is known outside the directory. */
export interface Expected {
  plan: StepPlan;
  /** Is this, a checkpoint's `identity`, the one of a run with these settings and images? */
  isIdentity: (stored: string) => boolean;
}

export type WholeCheckpoint = Extract<FoundCheckpoint, { description: unknown }>;

export function wholeCheckpoints({ checkpoints }: RunFiles): WholeCheckpoint[] {
  return checkpoints.flatMap((one) => ("fault" in one ? [] : [one]));
}

/** Steps that the run has a state for. */
export function stepsDone(files: RunFiles): number {
  return Math.max(0, ...wholeCheckpoints(files).map(({ description }) => description.step));
}

export function checkFiles(files: RunFiles, expected: Expected): Finding[] {
  return [
    ...checkSettings(files, expected),
    ...checkLedger(files, expected.plan),
    ...checkMetrics(files, expected.plan),
    ...checkCheckpoints(files),
    ...checkFinal(files),
    ...checkResults(files),
  ];
}

function checkSettings(files: RunFiles, { isIdentity }: Expected): Finding[] {
  const whole = wholeCheckpoints(files);
  const other = whole.find(({ description }) => !isIdentity(description.identity));
  if (other !== undefined) {
    const words = `config.yaml and the images found here are not those of checkpoint ${other.name}: its weights belong to other settings or other data`;
    return [finding("settings", "broken", words)];
  }
  if (whole.length === 0)
    return [finding("settings", "unproven", "no checkpoint says which settings are its own")];
  const holds = finding("settings", "holds", "config.yaml and the images are those of every checkpoint");
  if (files.config.engine === undefined) return [holds];
  const words = `engine: ${files.config.engine}: the gradients were made up, and no figure says anything of the network`;
  return [holds, finding("settings", "unproven", words)];
}

function faultsOf<Entry>(subject: string, { name, faults }: LinesFile<Entry>): Finding[] {
  return faults.map((fault) => finding(subject, "broken", `${name}: ${fault}`));
}

function checkLedger(files: RunFiles, plan: StepPlan): Finding[] {
  const { ledger } = files;
  const done = stepsDone(files);
  const faults = faultsOf("ledger", ledger);
  const fault = ledgerFault(ledger.lines, plan, Math.max(done, ledger.lines.length));
  if (fault !== undefined)
    return [...faults, finding("ledger", "broken", `${ledger.name} does not prove its steps: ${fault}`)];
  if (faults.length > 0) return faults;
  const beyond = ledger.lines.length - done;
  return [
    finding("ledger", "holds", imagesInWords(plan, done)),
    finding("ledger", "holds", blocksInWords(files)),
    ...(beyond > 0
      ? [
          finding(
            "ledger",
            "unproven",
            `${counted(beyond, "step")} after the newest checkpoint: --resume does them again`,
          ),
        ]
      : []),
    ...checkLength(files, plan, done),
  ];
}

/** "every image exactly once: 2 epochs of 60,000 images, then 7,680 of epoch 2 (1,234 steps)" */
function imagesInWords(plan: StepPlan, steps: number): string {
  if (steps === 0) return "no step is done";
  const whole = Math.floor(steps / stepsPerEpoch(plan));
  const rest = steps % stepsPerEpoch(plan);
  const parts = [
    ...(whole > 0 ? [`${counted(whole, "epoch")} of ${counted(plan.images, "image")}`] : []),
    ...(rest > 0 ? [`${counted(stepImages(plan, steps - 1).end, "image")} of epoch ${whole}`] : []),
  ];
  return `every image exactly once: ${parts.join(", then ")}, in ${counted(steps, "step")}`;
}

function blocksInWords({ ledger }: RunFiles): string {
  const blocks = ledger.lines.flatMap((line) => line.blocks);
  const workers = new Set(blocks.map(({ worker }) => worker));
  const again = blocks.filter(({ attempt }) => attempt > 1).length;
  const retries = again === 0 ? "none leased again" : `${grouped(again)} of them leased again`;
  return `${counted(blocks.length, "block")} by ${counted(workers.size, "worker")}, ${retries}`;
}

function checkLength({ status }: RunFiles, plan: StepPlan, done: number): Finding[] {
  const all = totalSteps(plan);
  if (status.state === "done" && done !== all) {
    const words = `status.json says that the run is done, and the newest whole checkpoint is of step ${done} of ${all}`;
    return [finding("ledger", "broken", words)];
  }
  return done === all
    ? []
    : [finding("ledger", "unproven", `the run is not finished: step ${done} of ${all}`)];
}

function checkMetrics(files: RunFiles, plan: StepPlan): Finding[] {
  const { metrics } = files;
  const done = stepsDone(files);
  const faults = faultsOf("metrics", metrics);
  for (let step = 0; step < done; step++) {
    const line = metrics.lines[step];
    if (line?.step !== step || line.epoch !== stepImages(plan, step).epoch) {
      const found = line === undefined ? "it ends there" : `found step ${line.step} of epoch ${line.epoch}`;
      const words = `${metrics.name}: expected step ${step} of epoch ${stepImages(plan, step).epoch} as line ${step + 1}, ${found}`;
      return [...faults, finding("metrics", "broken", words)];
    }
    const hits = line.accuracy * stepSamples(plan, step);
    if (!Number.isFinite(line.loss) || Math.abs(hits - Math.round(hits)) > 1e-6)
      return [
        ...faults,
        finding("metrics", "broken", `${metrics.name}: line ${step + 1} holds no loss and accuracy`),
      ];
  }
  return faults.length > 0
    ? faults
    : [finding("metrics", "holds", `loss and accuracy of each of ${counted(done, "step")}`)];
}

function checkCheckpoints(files: RunFiles): Finding[] {
  const { checkpoints, weights } = files;
  const found: Finding[] = faultsOf("checkpoints", weights);
  const recorded = new Map(weights.lines.map((line) => [line.step, line.weights_sha256]));
  for (const { step, weights_sha256: hash } of weights.lines) {
    if (recorded.get(step) === hash) continue;
    found.push(
      finding("checkpoints", "broken", `${weights.name} names two different weights of step ${step}`),
    );
  }
  for (const one of checkpoints) {
    if ("fault" in one) {
      found.push(finding("checkpoints", "broken", one.fault));
      continue;
    }
    const { name, description, weightsSha256 } = one;
    const other = (said: string, by: string): void =>
      void found.push(
        finding(
          "checkpoints",
          "broken",
          `${name}: its weights hash to ${short(weightsSha256)}, ${by} says ${short(said)}`,
        ),
      );
    if (description.weights_sha256 !== weightsSha256) other(description.weights_sha256, "its state.json");
    const said = recorded.get(description.step);
    if (said !== undefined && said !== weightsSha256) other(said, weights.name);
  }
  if (found.some(({ verdict }) => verdict === "broken")) return found;
  if (checkpoints.length === 0) return [finding("checkpoints", "unproven", "there is none")];
  const steps = wholeCheckpoints(files).map(({ description }) => description.step);
  const also =
    recorded.size === 0 ? "" : `; hashes of ${counted(recorded.size, "saved state")} in ${weights.name}`;
  return [
    finding("checkpoints", "holds", `files and weights of step ${steps.join(", ")} as recorded${also}`),
  ];
}

/** The weights that results.json names, of a run that is done. */
function checkFinal(files: RunFiles): Finding[] {
  const { status, finalSha256 } = files;
  if (status.state !== "done" || finalSha256 === undefined) return [];
  const last = wholeCheckpoints(files).at(-1);
  if (last === undefined) return [];
  if (last.weightsSha256 !== finalSha256) {
    const words = `results.json names the weights ${short(finalSha256)}, ${last.name} holds ${short(last.weightsSha256)}`;
    return [finding("result", "broken", words)];
  }
  return [
    finding("result", "holds", `results.json names the weights of ${last.name}: sha256 ${finalSha256}`),
  ];
}

function checkResults(files: RunFiles): Finding[] {
  const { results, result } = files;
  const faults = faultsOf("evaluation", results);
  if (results.lines.length === 0)
    return result === undefined
      ? [...faults, finding("evaluation", "unproven", "nothing was measured")]
      : [
          ...faults,
          finding("evaluation", "broken", `result.json has curves, and ${results.name} holds no outcome`),
        ];
  const lines = results.lines.map(todaysLine);
  for (const [i, line] of lines.entries()) {
    const fault = lineFault(line) ?? repeatFault(lines, i);
    if (fault !== undefined)
      return [...faults, finding("evaluation", "broken", `${results.name}: line ${i + 1} ${fault}`)];
  }
  const once = lines.filter(({ task }, i) => lines.findIndex((line) => line.task.id === task.id) === i);
  const images = once.reduce((sum, { task }) => sum + task.image_count * task.strengths.length, 0);
  const again = lines.length - once.length;
  const repeats = again === 0 ? "" : `; ${counted(again, "repeated line")} not counted`;
  const words = `${counted(once.length, "task")}, each once and whole: ${counted(images, "outcome")}${repeats}`;
  const curves = checkCurves(files, once);
  const holding = [finding("evaluation", "holds", words), ...curves];
  if (faults.length === 0) return holding;
  // What a damaged line held was measured again, or nothing stands on it.
  const isMadeUp = curves.length > 0 && curves.every(({ verdict }) => verdict === "holds");
  if (!isMadeUp) return faults;
  const lost = `${results.name}: ${results.faults.join("; ")}, and is made up for: every point of result.json is counted from whole lines`;
  return [...holding, finding("evaluation", "holds", lost)];
}

function lineFault({ task, outcomes }: ResultLine): string | undefined {
  if (!Array.isArray(task?.strengths) || !Array.isArray(outcomes)) return "holds no outcomes";
  if (outcomes.length !== task.strengths.length)
    return `holds ${counted(outcomes.length, "strength")}, expected ${task.strengths.length}`;
  const bytes = (text: string): number => Buffer.byteLength(text, "base64");
  for (const { strength, predictions, wrong, confidences } of outcomes) {
    const has = [bytes(predictions), bytes(wrong), bytes(confidences) / 4];
    if (!task.strengths.includes(strength))
      return `has an outcome at strength ${strength}, which its task does not name`;
    if (has.some((count) => count !== task.image_count))
      return `holds outcomes of ${has[0]} images at strength ${strength}, expected ${task.image_count}`;
  }
  return undefined;
}

/** A task is measured once; the same again would be no fault, another result is one. */
function repeatFault(lines: readonly ResultLine[], i: number): string | undefined {
  const { task, outcomes } = at(lines, i);
  const before = lines.findIndex((line) => line.task.id === task.id);
  if (before === i || JSON.stringify(at(lines, before).outcomes) === JSON.stringify(outcomes))
    return undefined;
  return `measures the task of line ${before + 1} again, with another result`;
}

/** The points of result.json, counted again from the outcome of every image of the final weights. */
function checkCurves({ result, finalSha256 }: RunFiles, lines: readonly ResultLine[]): Finding[] {
  if (result === undefined || finalSha256 === undefined) return [];
  const own = currentLines(lines).filter(({ checkpoint }) => checkpoint === finalSha256);
  const keyOf = (point: CurvePoint): string => `${seriesOf(point)} at ${point.strength}`;
  const counts = new Map(curvesOf(own.map(recordOf)).map((point) => [keyOf(point), point]));
  let compared = 0;
  let derived = 0;
  for (const point of result.curves) {
    const found = counts.get(keyOf(point));
    // A worst case is made of other series; more images may have been measured since.
    if (found === undefined && point.attack === "worst-case") derived++;
    else if (found === undefined || found.n < point.n)
      return [
        finding(
          "evaluation",
          "broken",
          `result.json counts ${point.n} images of ${keyOf(point)}, the journal ${found?.n ?? 0}`,
        ),
      ];
    else if (found.n > point.n) derived++;
    else if (found.error !== point.error)
      return [
        finding(
          "evaluation",
          "broken",
          `result.json says an error of ${point.error} for ${keyOf(point)}, the journal ${found.error}`,
        ),
      ];
    else compared++;
  }
  const rest = derived === 0 ? "" : `; ${grouped(derived)} follow from others and were not counted again`;
  return [
    finding(
      "evaluation",
      "holds",
      `${counted(compared, "point")} of result.json as counted from the outcomes${rest}`,
    ),
  ];
}

const short = (hash: string): string => hash.slice(0, 12);
