/** eval/results.jsonl: one line a task, with the outcome of every image. */
import type { Diagnostics } from "../diagnostics.js";
import { MEASURES_VERSION } from "../measures.js";
import type { SampleImage } from "../results.js";
import type { ImageOutcomes } from "./image-outcomes.js";
import type { TaskRecord, TaskSpec } from "./task.js";

/** A line; bytes and float32 values (little-endian) in base64. Lines of older versions lack what was not known then. */
export interface ResultLine {
  /** Version of the measures that found it; absent in lines of older versions. */
  measures_version?: number;
  /** SHA-256 of the weights; absent in lines of older versions. */
  checkpoint?: string;
  task: Omit<TaskSpec, "firstImage" | "imageCount" | "sampleCount" | "patienceMs"> & {
    first_image: number;
    image_count: number;
    sample_count: number;
    patience_ms: number;
  };
  worker: string;
  outcomes: {
    strength: number;
    predictions: string;
    confidences: string;
    wrong: string;
    distances?: string;
    origins?: string;
  }[];
  samples: SampleImage[];
  diagnostics?: Diagnostics;
}

/** The names of versions before 0.2. */
export type OldTask = Partial<Record<"firstImage" | "imageCount" | "sampleCount" | "patienceMs", number>>;

/** A line under today's names. */
export function todaysLine(line: ResultLine & { task: OldTask }): ResultLine {
  const { firstImage, imageCount, sampleCount, patienceMs, ...task } = line.task;
  if (firstImage === undefined) return line;
  const named = { first_image: firstImage, image_count: imageCount ?? 0 };
  return {
    ...line,
    task: { ...task, ...named, sample_count: sampleCount ?? 0, patience_ms: patienceMs ?? 0 },
  };
}

/**
 * Without lines that a newer version of the measures has measured again: the same images of the same weights under the same
 * measure. What was not measured again still counts.
 */
export function currentLines(lines: readonly ResultLine[]): ResultLine[] {
  const newest = new Map<string, number>();
  const keys = lines.map(({ checkpoint, task, measures_version: version = 0 }) => {
    const { kind, protocol, attack, norm, measure, first_image: first } = task;
    const key = JSON.stringify([checkpoint, kind, protocol, attack, norm, measure, first]);
    newest.set(key, Math.max(version, newest.get(key) ?? 0));
    return key;
  });
  return lines.filter(({ measures_version: version = 0 }, i) => version === newest.get(keys[i] as string));
}

/** Records of these tasks; the first of each counts. */
export function recordsOf(lines: readonly ResultLine[], tasks: readonly TaskSpec[]): TaskRecord[] {
  const wanted = new Set(tasks.map(({ id }) => id));
  return lines.filter(({ task }) => wanted.delete(task.id)).map(recordOf);
}

const base64 = (bytes: Uint8Array | Float32Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
const bytesOf = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "base64"));
const floatsOf = (text: string): Float32Array => new Float32Array(bytesOf(text).buffer);

export function lineOf(
  { task, worker, outcomes, samples, diagnostics }: TaskRecord,
  checkpoint: string,
): ResultLine {
  const { firstImage, imageCount, sampleCount, patienceMs, ...same } = task;
  return {
    measures_version: MEASURES_VERSION,
    checkpoint,
    task: {
      ...same,
      first_image: firstImage,
      image_count: imageCount,
      sample_count: sampleCount,
      patience_ms: patienceMs,
    },
    worker,
    outcomes: outcomes.map(({ strength, predictions, confidences, wrong, distances, origins }) => ({
      strength,
      predictions: base64(predictions),
      confidences: base64(confidences),
      wrong: base64(wrong),
      distances: base64(distances),
      origins: base64(origins),
    })),
    samples,
    ...(diagnostics === undefined ? {} : { diagnostics }),
  };
}

export function recordOf({ task, worker, outcomes, samples, diagnostics }: ResultLine): TaskRecord {
  const {
    first_image: firstImage,
    image_count: imageCount,
    sample_count: sampleCount,
    patience_ms: patienceMs,
    ...same
  } = task;
  return {
    task: { ...same, firstImage, imageCount, sampleCount, patienceMs },
    worker,
    samples,
    ...(diagnostics === undefined ? {} : { diagnostics }),
    outcomes: outcomes.map(
      ({ strength, predictions, confidences, wrong, distances = "", origins = "" }): ImageOutcomes => ({
        strength,
        predictions: bytesOf(predictions),
        confidences: floatsOf(confidences),
        wrong: bytesOf(wrong),
        distances: floatsOf(distances),
        origins: bytesOf(origins),
      }),
    ),
  };
}
