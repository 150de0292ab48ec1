/**
 * TensorBoard event files, one a run: loss, accuracy and learning rate at each step, clean accuracy at the checkpoints,
 * and error against strength. A file is a chain of TFRecords. Source: TensorFlow's record format and event messages.
 */
import { crc32c } from "@node-rs/crc32";
import { tensorboard } from "../../../shared/proto/generated/tensorboard.js";
import { type CurvePoint, procedureOf } from "../../../shared/results.js";
import { attackOf, normOf } from "./evaluation-rows.js";
import type { ExportFormat, ExportedRun, FolderContent } from "./export-format.js";

export const tensorboardFormat: ExportFormat = {
  of: "runs",
  makes: "folder",
  name: "tensorboard",
  suffix: "-tensorboard",
  owns: /^events\.out\.tfevents\.\d+\.saf$/,
  render: (runs) =>
    Object.fromEntries(runs.flatMap((run) => Object.entries(eventFile(run, runs.length === 1)))),
};

/** TensorBoard counts steps in whole numbers: a strength of 0.25 stands at 2500. */
const STRENGTH_UNIT = 1e-4;
const FILE_VERSION = "brain.Event:2";

type Event = tensorboard.Event.$Properties;

/** One folder a run where there are several: TensorBoard takes each folder for a run. */
function eventFile(run: ExportedRun, isOnly: boolean): FolderContent {
  const name = `events.out.tfevents.${Math.floor(run.startedSeconds)}.saf`;
  const records = eventsOf(run).map((event) => recordOf(tensorboard.Event.encode(event).finish()));
  return { [isOnly ? name : `${run.run.split("/").at(-1)}/${name}`]: Buffer.concat(records) };
}

function eventsOf(run: ExportedRun): Event[] {
  const { startedSeconds, steps } = run;
  const ended = startedSeconds + (steps.at(-1)?.seconds ?? 0);
  const timeOf = (step: number): number =>
    startedSeconds + (steps.find((metric) => metric.step + 1 >= step)?.seconds ?? ended - startedSeconds);
  return [
    { wallTime: startedSeconds, fileVersion: FILE_VERSION },
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

function scalars(wallTime: number, step: number, values: Record<string, number>): Event {
  const value = Object.entries(values).map(([tag, simpleValue]) => ({ tag, simpleValue }));
  return { wallTime, step, summary: { value } };
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

/** Length and data, each with its checksum behind it, little-endian. */
export function recordOf(data: Uint8Array): Buffer {
  const record = Buffer.alloc(8 + 4 + data.byteLength + 4);
  record.writeBigUInt64LE(BigInt(data.byteLength), 0);
  record.writeUInt32LE(maskedCrc(record.subarray(0, 8)), 8);
  record.set(data, 12);
  record.writeUInt32LE(maskedCrc(data), 12 + data.byteLength);
  return record;
}

/** CRC32C rotated and shifted, so that a record inside a record does not carry its own checksum. */
function maskedCrc(bytes: Uint8Array): number {
  const crc = crc32c(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}
