/**
 * TensorBoard event files, one a run: loss, accuracy and learning rate at each step, clean accuracy at the checkpoints,
 * and error against strength.
 */
import { type CurvePoint, procedureOf } from "../../../shared/results.js";
import { attackOf, normOf } from "./evaluation-rows.js";
import type { ExportFormat, ExportedRun, FolderContent } from "./export-format.js";
import { EVENT_FILE, type Event, eventFileName, eventFileOf, scalars } from "./tensorboard-events.js";

export const tensorboardFormat: ExportFormat = {
  of: "runs",
  makes: "folder",
  name: "tensorboard",
  suffix: "-tensorboard",
  owns: EVENT_FILE,
  render: (runs) =>
    Object.fromEntries(runs.flatMap((run) => Object.entries(eventFile(run, runs.length === 1)))),
};

/** TensorBoard counts steps in whole numbers: a strength of 0.25 stands at 2500. */
const STRENGTH_UNIT = 1e-4;

/** One folder a run where there are several: TensorBoard takes each folder for a run. */
function eventFile(run: ExportedRun, isOnly: boolean): FolderContent {
  const name = eventFileName(run.startedSeconds);
  const content = eventFileOf(run.startedSeconds, eventsOf(run));
  return { [isOnly ? name : `${run.run.split("/").at(-1)}/${name}`]: content };
}

function eventsOf(run: ExportedRun): Event[] {
  const { startedSeconds, steps } = run;
  const ended = startedSeconds + (steps.at(-1)?.seconds ?? 0);
  const timeOf = (step: number): number =>
    startedSeconds + (steps.find((metric) => metric.step + 1 >= step)?.seconds ?? ended - startedSeconds);
  return [
    ...steps.map(({ step, seconds, loss, accuracy, learning_rate: rate }) =>
      scalars(startedSeconds + seconds, step, {
        "train/loss": loss,
        "train/accuracy": accuracy,
        "train/learning_rate": rate,
      }),
    ),
    ...cleanAccuracies(run).map(({ step, accuracy }) =>
      scalars(timeOf(step), step, { "evaluate/clean_accuracy": accuracy }),
    ),
    ...curvePoints(run).map((point) =>
      scalars(ended, Math.round(point.strength / STRENGTH_UNIT), { [tagOf(point)]: point.error }),
    ),
  ];
}

/** As checkpoints recorded it, and of the weights that were measured at the end. */
function cleanAccuracies({
  checkpoints,
  result,
  measured,
}: ExportedRun): { step: number; accuracy: number }[] {
  const found = new Map<number, number>();
  for (const { step, clean_accuracy: accuracy } of checkpoints)
    if (accuracy !== null) found.set(step, accuracy);
  if (result !== null && measured.step !== null) found.set(measured.step, result.clean_accuracy);
  return [...found].sort(([a], [b]) => a - b).map(([step, accuracy]) => ({ step, accuracy }));
}

function curvePoints({ result }: ExportedRun): readonly CurvePoint[] {
  return (result?.curves ?? []).filter(({ kind }) => kind !== "clean");
}

/** "error/adversarial" by the paper's procedure; others are told apart by what differs. */
function tagOf(point: CurvePoint): string {
  const { kind } = point;
  const attack = attackOf(point);
  const norm = normOf(point);
  const differing = [
    ...(procedureOf(point) === "paper" ? [] : [procedureOf(point)]),
    ...(attack === null || attack === kind ? [] : [attack]),
    ...(norm === null || norm === "linf" ? [] : [norm]),
  ];
  return ["error", kind, ...differing].join("/");
}
