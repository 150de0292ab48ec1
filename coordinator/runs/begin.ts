/** The first phase of a run: where to start, and the journals cut back to it. */
import { stringify } from "yaml";
import { initialParameters } from "../../shared/core/layout.js";
import { ClusterError } from "../../shared/errors.js";
import type { ModelResult, StepMetric } from "../../shared/results.js";
import type { CheckpointState, TrainingState } from "../../shared/records/checkpoint.js";
import { isIdentityOf } from "./identity.js";
import { checkSources } from "./second-networks.js";
import type { RunSetup } from "./setup.js";
import { type LedgerLine, LEDGER, METRICS, StepBooks } from "./step-books.js";
import { IMPORTED } from "./storage.js";

export interface Beginning {
  state: TrainingState;
  /** Clean accuracy of the best checkpoint; -1 without one. */
  bestAccuracy: number;
  /** Samples a second of the training, when all of it was done by an attempt before this one. */
  earlierRate: number;
  books: StepBooks;
}

/** Throws ClusterError: "config" (a directory of other settings), "data" (nothing to measure), "storage". */
export async function begin(run: RunSetup): Promise<Beginning> {
  const { storage, config, evaluateOnly, observer, surroundings, beside } = run;
  const found = await run.checkpoints.readLatest(
    (message) => observer.note("warning", message),
    (description) => refuseOther(run, description),
  );
  if (found === undefined) await refuseFinished(run);
  const state = found?.state ?? freshState(run);
  const steps = await cutBack(run, state.step);
  const earlier = await storage.readJson<Partial<ModelResult>>("result.json").catch(() => undefined);
  const bestAccuracy = found === undefined ? -1 : await bestOf(run);
  if (found !== undefined) observer.note("info", `Resuming at step ${state.step} of ${run.totalSteps}`);
  // Better now than after hours of training.
  await checkSources(surroundings, config, storage.path, (path) => beside(path) !== undefined);
  // Once it is known that these settings are the run's own; a measurement's are not.
  if (!evaluateOnly) await storage.writeText("config.yaml", stringify(config));
  const books = await StepBooks.open(run, steps.at(-1)?.seconds ?? 0);
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

/** Without a checkpoint there is nothing to measure; and what was finished once must not be begun anew. */
async function refuseFinished({ storage, evaluateOnly }: RunSetup): Promise<void> {
  if (evaluateOnly) {
    throw new ClusterError("data", `Cannot evaluate ${storage.path}: it holds no checkpoint`, {
      hint: "give a run directory with checkpoints in it",
    });
  }
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

function freshState({ layout, config }: RunSetup): TrainingState {
  return {
    step: 0,
    parameters: initialParameters(layout, config.seed),
    velocity: new Float32Array(layout.size),
  };
}

/** Steps after the checkpoint are done again. Returns those before it. */
async function cutBack({ storage, observer }: RunSetup, step: number): Promise<StepMetric[]> {
  const before = (line: { step: number }): boolean => line.step < step;
  const onDamaged = (message: string): void => observer.note("warning", message);
  await storage.trimJournal<LedgerLine>(LEDGER, before, onDamaged);
  return storage.trimJournal<StepMetric>(METRICS, before, onDamaged);
}

async function bestOf({ checkpoints }: RunSetup): Promise<number> {
  const best = await checkpoints.read("best").catch(() => undefined);
  return best?.description.clean_accuracy ?? -1;
}
