/** The document that the GPU check prints, from what its processes found. Pure. */
import type { EngineInfo } from "../../../shared/engine.js";
import type {
  EvaluationFound,
  Found,
  HashFound,
  Measured,
  SelfTestFound,
  TrainingFound,
  TrainingSubject,
} from "../../../worker/bench/measurement.js";
import type { Measurement, Mode } from "./plan.js";

/** What became of a measurement. */
export type Outcome = { measurement: Measurement } & (
  | { kind: "measured"; measured: Measured }
  | { kind: "failed"; reason: string }
  | { kind: "left-out"; reason: string }
);

type Row<Figures> = Figures & { mode: Mode; engine: string; max_rss_bytes: number };

export interface CheckReport {
  format: 1;
  /** The self-tests pass and the hashes are equal, of all that could be made; and some could. */
  ok: boolean;
  engine: EngineInfo | null;
  self_test: Row<SelfTestFound>[];
  hashes: ({ mode: Mode; equal: boolean; runs: HashFound[] } & TrainingSubject)[];
  training: (Row<TrainingFound> & TrainingSubject)[];
  /** Images per second: whole steps, and the engine alone. */
  compiled_over_eager: { set: string; batch: number; step: number; engine: number }[];
  evaluation: (Row<EvaluationFound> & { set: string })[];
  failed: { name: string; reason: string }[];
  left_out: { name: string; reason: string }[];
}

export function reportOf(outcomes: readonly Outcome[]): CheckReport {
  const measured = outcomes.filter((outcome) => outcome.kind === "measured");
  const selfTests = rowsOf("self-test", outcomes).map(({ row }) => row);
  const hashes = hashPairs(outcomes);
  const training = rowsOf("training", outcomes).map(({ measurement, row }) => ({
    ...measurement.subject,
    ...row,
  }));
  return {
    format: 1,
    ok:
      selfTests.length > 0 &&
      hashes.length > 0 &&
      selfTests.every(({ passed }) => passed) &&
      hashes.every(({ equal }) => equal),
    engine: measured[0]?.measured.engine ?? null,
    self_test: selfTests,
    hashes,
    training,
    compiled_over_eager: ratiosOf(training),
    evaluation: rowsOf("evaluation", outcomes).map(({ measurement, row }) => ({
      set: measurement.set,
      ...row,
    })),
    failed: reasonsOf("failed", outcomes),
    left_out: reasonsOf("left-out", outcomes),
  };
}

type Kind = Found["kind"];
type OfKind<T, K extends Kind> = Extract<T, { kind: K }>;

function isOf<T extends { kind: Kind }, K extends Kind>(value: T, kind: K): value is OfKind<T, K> {
  return value.kind === kind;
}

function rowsOf<K extends Kind>(
  kind: K,
  outcomes: readonly Outcome[],
): { measurement: OfKind<Measurement, K>; row: Row<OfKind<Found, K>> }[] {
  return outcomes.flatMap((outcome) => {
    const { measurement } = outcome;
    if (outcome.kind !== "measured" || !isOf(measurement, kind)) return [];
    const { found, engine, max_rss_bytes } = outcome.measured;
    if (!isOf(found, kind)) return [];
    return [
      { measurement, row: { mode: measurement.mode, engine: engine.version, max_rss_bytes, ...found } },
    ];
  });
}

function hashPairs(outcomes: readonly Outcome[]): CheckReport["hashes"] {
  const runs = rowsOf("hash", outcomes);
  return runs
    .filter(({ measurement }) => measurement.run === 1)
    .flatMap(({ measurement, row }) => {
      const { mode, subject } = measurement;
      const second = runs.find(
        (other) =>
          other.measurement.run === 2 &&
          other.measurement.mode === mode &&
          other.measurement.subject.set === subject.set,
      );
      if (second === undefined) return [];
      const pair = [row, second.row].map(({ steps, sha256 }) => ({ steps, sha256 }));
      const equal = row.sha256 === second.row.sha256 && row.steps === second.row.steps;
      return [{ ...subject, mode, equal, runs: pair }];
    });
}

function ratiosOf(training: CheckReport["training"]): CheckReport["compiled_over_eager"] {
  return training
    .filter(({ mode }) => mode === "compiled")
    .flatMap((compiled) => {
      const { set, batch } = compiled;
      const eager = training.find((row) => row.mode === "eager" && row.set === set && row.batch === batch);
      if (eager === undefined) return [];
      return [
        {
          set,
          batch,
          step: compiled.images_per_second / eager.images_per_second,
          engine: compiled.engine_images_per_second / eager.engine_images_per_second,
        },
      ];
    });
}

function reasonsOf(
  kind: "failed" | "left-out",
  outcomes: readonly Outcome[],
): { name: string; reason: string }[] {
  return outcomes.flatMap((outcome) =>
    outcome.kind === kind ? [{ name: outcome.measurement.name, reason: outcome.reason }] : [],
  );
}
