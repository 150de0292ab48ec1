/** What was measured as rows, in one schema for every format: docs/formats.md prints these tables. Pure. */
import { type CurvePoint, type SeriesLabel, procedureOf } from "../../../shared/results.js";
import { ClusterError } from "../../../shared/errors.js";
import type { ExportedRun } from "./export-format.js";
import { type Column, type Table, tableOf } from "./rows.js";
import { at } from "../../../shared/core/at.js";

/** Goes up when a column changes its meaning or goes away; new columns come at the end without that. */
export const SCHEMA_VERSION = 1;

/** Names a curve of one network. */
type Label = SeriesLabel & Pick<CurvePoint, "kind">;

export const attackOf = ({ kind, attack }: Label): string | null =>
  attack ?? (kind === "clean" ? null : kind);
export const normOf = ({ kind, norm }: Label): string | null => norm ?? (kind === "clean" ? null : "linf");

interface RunRow {
  source: ExportedRun;
}

interface PointRow extends RunRow {
  point: CurvePoint;
  /** Why the whole network's numbers must not be believed. */
  unreliable: readonly string[];
}

interface ImageRow extends RunRow {
  label: Label;
  task: string;
  strength: number;
  index: number;
  truth: number | null;
  prediction: number;
  confidence: number;
  wrong: boolean;
}

const text = <Row>(name: string, meaning: string, of: (row: Row) => string | null): Column<Row> => ({
  name,
  type: "text",
  meaning,
  of,
});
const integer = <Row>(name: string, meaning: string, of: (row: Row) => number | null): Column<Row> => ({
  name,
  type: "integer",
  meaning,
  of,
});
const number = <Row>(name: string, meaning: string, of: (row: Row) => number | null): Column<Row> => ({
  name,
  type: "number",
  meaning,
  of,
});
const boolean = <Row>(name: string, meaning: string, of: (row: Row) => boolean): Column<Row> => ({
  name,
  type: "boolean",
  meaning,
  of,
});

/** Whose weights they are, in every row: a table of many runs can be cut and joined by these. */
const identity: readonly Column<RunRow>[] = [
  integer("schema_version", "1", () => SCHEMA_VERSION),
  text(
    "run",
    "name of the run directory; folder/inner where a folder holds several",
    ({ source }) => source.run,
  ),
  text("model", "name of the network", ({ source }) => source.network.name),
  text("dataset", "name of the data set", ({ source }) => source.network.dataset),
  integer("seed", "seed of the run", ({ source }) => source.config.seed),
  text(
    "checkpoint_sha256",
    "SHA-256 of the weights that were measured; empty where it is not known",
    ({ source }) => source.measured.sha256,
  ),
  integer("step", "step of that checkpoint; empty where it is gone", ({ source }) => source.measured.step),
];

const series = <Row>(label: (row: Row) => Label): readonly Column<Row>[] => [
  text("protocol", "`paper`, or another where it was chosen", (row) => procedureOf(label(row))),
  text("kind", "`clean`, `adversarial`, `nonsense` or `noisy`", (row) => label(row).kind),
  text("attack", "name of the attack; the kind where it has one only; empty for clean", (row) =>
    attackOf(label(row)),
  ),
  text("norm", "in which the strength is measured; empty for clean", (row) => normOf(label(row))),
];

const STRENGTH = "size of the change in units of the full pixel range: ε on [0, 1] pixels";

export const POINT_COLUMNS: readonly Column<PointRow>[] = [
  ...identity,
  ...series<PointRow>(({ point }) => point),
  number("strength", STRENGTH, ({ point }) => point.strength),
  integer("n", "images measured", ({ point }) => point.n),
  integer("errors", "wrong answers among them", ({ point }) => Math.round(point.error * point.n)),
  number("error", "their share; of nonsense: taken for a real class", ({ point }) => point.error),
  number("ci_low", "lower end of Wilson's 95 % interval of `error`", ({ point }) => point.ci_low),
  number("ci_high", "upper end", ({ point }) => point.ci_high),
  number("mean_confidence", "mean of the largest output", ({ point }) => point.mean_confidence),
  boolean("unreliable", "true where a sanity check failed", (row) => reasonsOf(row).length > 0),
  text("reason", "why it is unreliable; empty where it is not", (row) => reasonsOf(row).join("; ") || null),
  text("engine", "what computed it", ({ source }) => source.environment["engine"] ?? null),
  text("saf_version", "version that measured it", ({ source }) => source.environment["saf"] ?? null),
];

export const IMAGE_COLUMNS: readonly Column<ImageRow>[] = [
  ...identity,
  ...series<ImageRow>(({ label }) => label),
  number("strength", STRENGTH, ({ strength }) => strength),
  integer("index", "of the image in the test set; of nonsense: of the noise image", ({ index }) => index),
  integer("label", "true class; empty for nonsense", ({ truth }) => truth),
  integer("prediction", "the answer: an output's number", ({ prediction }) => prediction),
  number("confidence", "the largest output", ({ confidence }) => confidence),
  boolean("wrong", "does the answer count as an error?", ({ wrong }) => wrong),
  text("task", "id of the evaluation task: other settings, another task", ({ task }) => task),
];

function reasonsOf({ point, unreliable }: PointRow): readonly string[] {
  const isAttacked = point.kind !== "clean";
  return [...new Set([...(point.unreliable ?? []), ...(isAttacked ? unreliable : [])])];
}

/** One row a point of every run. Throws ClusterError("data") where nothing was measured. */
export function pointTable(runs: readonly ExportedRun[]): Table {
  const rows = runs.flatMap((source) =>
    (source.result?.curves ?? []).map((point) => ({ source, point, unreliable: unreliableOf(source) })),
  );
  if (rows.length === 0) throw nothingMeasured(runs);
  return tableOf(POINT_COLUMNS, rows);
}

/** One row an image, kind and strength of every run. */
export function imageTable(runs: readonly ExportedRun[]): Table {
  return tableOf(IMAGE_COLUMNS, runs.flatMap(imageRows));
}

/** Reasons that a result as a whole must not be believed. */
export function unreliableOf({ result }: ExportedRun): readonly string[] {
  return result?.unreliable ?? [];
}

export function nothingMeasured(runs: readonly ExportedRun[]): ClusterError {
  return new ClusterError(
    "data",
    `Cannot export results of ${runs.map(({ run }) => run).join(", ")}: nothing was measured`,
    {
      hint: "measure the run by saf evaluate first",
    },
  );
}

function imageRows(source: ExportedRun): ImageRow[] {
  const { records, labels } = source.images ?? { records: [], labels: new Uint8Array() };
  return [...records]
    .sort((a, b) => a.task.firstImage - b.task.firstImage)
    .flatMap(({ task, outcomes }) =>
      outcomes.flatMap(({ strength, predictions, confidences, wrong }) =>
        Array.from(predictions, (prediction, i) => ({
          source,
          label: task,
          task: task.id,
          strength,
          index: task.firstImage + i,
          truth: task.kind === "nonsense" ? null : (labels[task.firstImage + i] ?? null),
          prediction,
          confidence: at(confidences, i),
          wrong: wrong[i] === 1,
        })),
      ),
    );
}
