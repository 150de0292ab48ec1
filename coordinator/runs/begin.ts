/** The first phase of a run: where to start, and the journals cut back to it. */
import { stringify } from "yaml";
import { initialParameters } from "../../shared/core/layout.js";
import { ClusterError } from "../../shared/errors.js";
import type { ModelResult, StepMetric } from "../../shared/results.js";
import type { CheckpointState, TrainingState } from "../../shared/records/checkpoint.js";
import { inherit } from "./inherit.js";
import { isIdentityOf } from "./identity.js";
import { ledgerFault } from "./ledger-proof.js";
import { checkSources } from "./second-networks.js";
import type { RunSetup } from "./setup.js";
import { type LedgerLine, LEDGER, METRICS, StepBooks, WEIGHTS, type WeightsLine } from "./step-books.js";
import { IMPORTED } from "./storage.js";

export interface Beginning {
  state: TrainingState;
  /** Clean accuracy of the best checkpoint; -1 without one. */
  bestAccuracy: number;
  /** Samples a second of the training, when all of it was done by an attempt before this one. */
  earlierRate: number;
  /** Undefined when nothing is trained: a measurement has no business with the books. */
  books: StepBooks | undefined;
}

/** Throws ClusterError: "config" (a directory of other settings), "data" (nothing to measure), "storage". */
export async function begin(run: RunSetup): Promise<Beginning> {
  const { storage, config, evaluateOnly, observer, surroundings, beside } = run;
  const found = await run.checkpoints.readLatest(
    (message) => observer.note("warning", message),
    (description) => refuseOther(run, description),
  );
  if (found === undefined) await refuseFinished(run);
  const state = found?.state ?? (await firstState(run));
  if (!evaluateOnly) {
    refuseShorter(run, state.step);
    await refuseUnproven(run, state.step);
  }
  const earlier = await storage.readJson<Partial<ModelResult>>("result.json").catch(() => undefined);
  const bestAccuracy = found === undefined ? -1 : await bestOf(run);
  if (found !== undefined) observer.note("info", `Resuming at step ${state.step} of ${run.totalSteps}`);
  // Better now than after hours of training.
  await checkSources(surroundings, config, storage.path, (path) => beside(path) !== undefined);
  const { steps, books } = evaluateOnly
    ? { steps: await stepsBefore(run, state.step), books: undefined }
    : await openBooks(run, state.step);
  observer.opened(state.step, run.totalSteps, steps);
  return { state, bestAccuracy, earlierRate: earlier?.samples_per_second ?? 0, books };
}

/** Identity decides before a tensor is read: weights of another network are not damaged, they are another run's. */
function refuseOther({ storage, evaluateOnly, config, data }: RunSetup, { identity }: CheckpointState): void {
  const isImported = evaluateOnly && identity === IMPORTED;
  if (isImported || isIdentityOf(identity, config, data.sha256)) return;
  throw new ClusterError(
    "config",
    `Cannot resume ${storage.path}: it was trained with other settings or other data`,
    { hint: "use the directory's own config.yaml, or start a new run" },
  );
}

/** A run may be prolonged. Weights of a longer training are not the last ones of a shorter training. */
function refuseShorter({ storage, totalSteps }: RunSetup, step: number): void {
  if (step <= totalSteps) return;
  throw new ClusterError(
    "config",
    `Cannot resume ${storage.path}: its weights are those of step ${step}, and these settings end at step ${totalSteps}`,
    { hint: "nothing was changed; raise train.epochs or train.max_steps, or start a new run" },
  );
}

/** Without a checkpoint there is nothing to measure; and what was finished once must not be begun anew. */
async function refuseFinished({ storage, evaluateOnly }: RunSetup): Promise<void> {
  if (evaluateOnly) throw nothingToEvaluate(storage.path);
  const result = await storage.readJson<Partial<ModelResult>>("result.json").catch(() => undefined);
  if (result === undefined) return;
  throw new ClusterError(
    "data",
    `Cannot resume ${storage.path}: it was finished, and its checkpoints are gone`,
    {
      hint: "nothing was changed; put checkpoints/ back from a copy, or start a new run",
    },
  );
}

export function nothingToEvaluate(directory: string): ClusterError {
  return new ClusterError("data", `Cannot evaluate ${directory}: it holds no checkpoint`, {
    hint: "give a run directory with checkpoints in it",
  });
}

async function firstState(run: RunSetup): Promise<TrainingState> {
  const { layout, config, origin } = run;
  if (origin !== undefined) return inherit(run, origin);
  return {
    step: 0,
    parameters: initialParameters(layout, config.seed),
    velocity: new Float32Array(layout.size),
  };
}

/** Weights whose steps the ledger does not prove are not trained on: the end could not be proven either. */
async function refuseUnproven({ storage, plan }: RunSetup, step: number): Promise<void> {
  const lines = await storage.readJournal<LedgerLine>(LEDGER, () => undefined);
  const fault = ledgerFault(lines, plan, step);
  if (fault === undefined) return;
  throw new ClusterError(
    "data",
    `Cannot resume ${storage.path}: ${LEDGER} does not prove its steps: ${fault}`,
    {
      hint: "nothing was changed; put the ledger back from a copy, or start a new run (saf evaluate and saf export still read this one)",
    },
  );
}

/**
 * Everything before changes nothing; from here on the directory is this run's. Steps after the checkpoint are done again.
 * Returns those before it.
 */
async function openBooks(run: RunSetup, step: number): Promise<{ steps: StepMetric[]; books: StepBooks }> {
  const { storage, observer, config } = run;
  await storage.writeText("config.yaml", () => stringify(config));
  const before = (line: { step: number }): boolean => line.step < step;
  const onDamaged = (message: string): void => observer.note("warning", message);
  await storage.trimJournal<LedgerLine>(LEDGER, before, onDamaged);
  const steps = await storage.trimJournal<StepMetric>(METRICS, before, onDamaged);
  await storage.trimJournal<WeightsLine>(WEIGHTS, (line) => line.step <= step, onDamaged);
  return { steps, books: await StepBooks.open(run, { step, secondsBefore: steps.at(-1)?.seconds ?? 0 }) };
}

async function stepsBefore({ storage, observer }: RunSetup, step: number): Promise<StepMetric[]> {
  const steps = await storage.readJournal<StepMetric>(METRICS, (message) =>
    observer.note("warning", message),
  );
  return steps.filter((line) => line.step < step);
}

async function bestOf({ checkpoints }: RunSetup): Promise<number> {
  const best = await checkpoints.read("best").catch(() => undefined);
  return best?.description.clean_accuracy ?? -1;
}
