/** What one request of MLflow's `log-batch` may hold, and how more is cut into several. Pure. */
import type { MlflowMetric, MlflowPair } from "./mlflow-runs.js";

export interface MlflowBatch {
  params: MlflowPair[];
  metrics: MlflowMetric[];
  tags: MlflowPair[];
}

export const BATCH_LIMITS = {
  metrics: 1000,
  params: 100,
  tags: 100,
  /** Of all three. */
  entries: 1000,
  bytes: 1_000_000,
} as const;

/** For the run's id, the names of the fields and what the limit of bytes counts besides. */
const ENVELOPE_BYTES = 1000;

type Kind = keyof MlflowBatch;
type Entry = { kind: Kind; bytes: number; add: (batch: MlflowBatch) => void };

/** In their order: params first, so that a run that is only half sent already says what it is. */
export function batchesOf({ params, metrics, tags }: Readonly<MlflowBatch>): MlflowBatch[] {
  const entries: Entry[] = [
    ...params.map((one) => entryOf("params", one, (batch) => batch.params.push(one))),
    ...tags.map((one) => entryOf("tags", one, (batch) => batch.tags.push(one))),
    ...metrics.map((one) => entryOf("metrics", one, (batch) => batch.metrics.push(one))),
  ];
  const batches: MlflowBatch[] = [];
  let bytes = Infinity;
  for (const { kind, bytes: more, add } of entries) {
    const last = batches.at(-1);
    const fits = last !== undefined && hasRoom(last, kind) && bytes + more <= BATCH_LIMITS.bytes;
    const batch = fits ? last : { params: [], metrics: [], tags: [] };
    if (!fits) batches.push(batch);
    bytes = (fits ? bytes : ENVELOPE_BYTES) + more;
    add(batch);
  }
  return batches;
}

function entryOf(kind: Kind, one: MlflowPair | MlflowMetric, add: (batch: MlflowBatch) => void): Entry {
  return { kind, bytes: Buffer.byteLength(JSON.stringify(one)) + 1, add };
}

function hasRoom(batch: MlflowBatch, kind: Kind): boolean {
  const entries = batch.params.length + batch.metrics.length + batch.tags.length;
  return batch[kind].length < BATCH_LIMITS[kind] && entries < BATCH_LIMITS.entries;
}
