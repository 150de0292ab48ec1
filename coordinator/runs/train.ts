/** The second phase of a run: trains from stop to stop, where it saves the weights and looks how good they are. */
import { ClusterError, exitCodeOf } from "../../shared/errors.js";
import { stepsPerEpoch } from "../../shared/core/schedule.js";
import { curvesOf } from "../evaluation/curves.js";
import { accuracyOf } from "../evaluation/model-result.js";
import { cleanMeasure } from "../evaluation/plan/procedures.js";
import type { TrainingState } from "../../shared/records/checkpoint.js";
import type { Trainer } from "../training/trainer.js";
import { whileListening } from "./aborting.js";
import type { Beginning } from "./begin.js";
import { Checkpointing } from "./checkpointing.js";
import { evaluate } from "./evaluate.js";
import type { RunSetup } from "./setup.js";
import { writeStatus } from "./status.js";
import type { StepBooks } from "./step-books.js";
import { TrainingPhase } from "./training-phase.js";
import { weightsOf } from "./weights.js";

/** So many steps after each saved state the weights are named as well: `saf verify` computes them again in seconds. */
const NAMED_AFTER = 8;

type TrainingBeginning = Beginning & { books: StepBooks };

/** The final weights; those of the newest step when the signal came first. Throws ClusterError: "diverged", "storage". */
export async function train(run: RunSetup, beginning: TrainingBeginning): Promise<TrainingState> {
  const { state, books } = beginning;
  const { totalSteps, plan, observer, signal, coordinator } = run;
  if (state.step >= totalSteps) return state;
  await writeStatus(run, "training", state.step);
  observer.phase("training", `${totalSteps} steps of ${plan.batchSize} images`);
  const named = { step: state.step + NAMED_AFTER };
  const phase = new TrainingPhase(run, state, (step) => {
    books.committed(step);
    observer.committed(step, totalSteps);
    // A stretch commits many steps at once, and has the weights of the last one only.
    if (step.step + 1 === named.step && phase.trainer.step === named.step)
      books.named(weightsOf(phase.trainer.snapshot()));
  });
  const onAbort = (): void => {
    phase.trainer.pause();
    void coordinator.whenNobodyCanWork().then(() => phase.trainer.giveUpStep());
  };
  try {
    await whileListening(signal, onAbort, () => fromStopToStop(run, beginning, { phase, named }));
    return phase.trainer.snapshot();
  } catch (error) {
    await writeStatus(run, "failed", phase.trainer.step, exitCodeOf(error));
    throw error;
  } finally {
    phase.end();
  }
}

async function fromStopToStop(
  run: RunSetup,
  { books, bestAccuracy }: TrainingBeginning,
  { phase, named }: { phase: TrainingPhase; named: { step: number } },
): Promise<void> {
  const { config, plan, signal, totalSteps } = run;
  const { trainer } = phase;
  const checkpointing = new Checkpointing(run, books, bestAccuracy);
  const evaluateEvery = Math.round(config.train.evaluate_every_epochs * stepsPerEpoch(plan));
  const intervals = [config.train.checkpoint_every_steps, evaluateEvery];
  while (trainer.step < totalSteps && !signal.aborted) {
    const before = trainer.step;
    await phase.runTo(nextStop(before, intervals, totalSteps));
    const { step } = trainer;
    if (step === before) break;
    const isLast = step >= totalSteps;
    const isDue = evaluateEvery > 0 && step % evaluateEvery === 0 && !isLast && !signal.aborted;
    const accuracy = isDue ? await accuracyBetween(run, trainer) : null;
    await checkpointing.save(trainer.snapshot(), accuracy, isLast || signal.aborted);
    named.step = step + NAMED_AFTER;
    books.pause();
  }
}

/** Clean accuracy in the middle of training, on the same workers. */
async function accuracyBetween(run: RunSetup, trainer: Trainer): Promise<number | null> {
  const { observer, signal, testImages } = run;
  try {
    const records = await evaluate(run, weightsOf(trainer.snapshot()), [cleanMeasure(testImages)]);
    if (signal.aborted) return null;
    return accuracyOf(curvesOf(records));
  } catch (error) {
    // Training needs no accuracy on the way.
    if (!(error instanceof ClusterError) || error.code !== "storage") throw error;
    observer.note("warning", error.message);
    return null;
  } finally {
    if (!signal.aborted) observer.phase("training", `from step ${trainer.step} on`);
  }
}

/** The next step at which something is due. */
export function nextStop(step: number, intervals: readonly number[], total: number): number {
  const stops = intervals.filter((every) => every > 0).map((every) => (Math.floor(step / every) + 1) * every);
  return Math.min(total, ...stops);
}
