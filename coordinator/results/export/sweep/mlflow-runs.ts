/**
 * A sweep as MLflow knows one: an experiment of the sweep's name, in it a parent run, below that a run a trial. The file
 * store and the server are told the same. Pure.
 */
import { createHash } from "node:crypto";
import type { TrialRow, TrialState } from "../../../../shared/records/sweep-line.js";
import { VERSION } from "../../../../shared/version.js";
import { type ExportedSweep, endOf, inOrder, isFinal, startOf } from "./exported-sweep.js";
import { textOf } from "./settings.js";

export interface MlflowPair {
  key: string;
  value: string;
}

export interface MlflowMetric {
  key: string;
  value: number;
  /** Milliseconds since 1970. */
  timestamp: number;
  step: number;
}

export type MlflowStatus = "RUNNING" | "FINISHED" | "FAILED" | "KILLED";

export interface MlflowRun {
  /** The same in every export of this sweep, and of no other run: value of the tag RUN_TAG. */
  key: string;
  name: string;
  status: MlflowStatus;
  /** Milliseconds since 1970. */
  startMs: number;
  endMs: number | undefined;
  params: readonly MlflowPair[];
  /** By rung; later exports have the same ones first. */
  metrics: readonly MlflowMetric[];
  /** Without `mlflow.parentRunId`. */
  tags: readonly MlflowPair[];
}

export interface MlflowSweep {
  experiment: string;
  /** Value of the tag SWEEP_TAG of all its runs. */
  sweep: string;
  parent: MlflowRun;
  children: readonly MlflowRun[];
}

export const RUN_TAG = "saf.run";
export const SWEEP_TAG = "saf.sweep";
export const PARENT_TAG = "mlflow.parentRunId";

/** Longer values are refused by a server. */
const MOST_PARAM_CHARACTERS = 6000;
const MOST_TAG_CHARACTERS = 5000;

/** A trial that was stopped early is KILLED: it did what it should, and not all of it. */
const STATUSES: Readonly<Record<TrialState, MlflowStatus>> = {
  ...{ running: "RUNNING", waiting: "RUNNING" },
  ...{ done: "FINISHED", stopped: "KILLED", failed: "FAILED" },
};

export function mlflowSweep(sweep: ExportedSweep): MlflowSweep {
  const { spec, began } = sweep;
  const id = createHash("sha256")
    .update(JSON.stringify([spec.name, began]))
    .digest("hex")
    .slice(0, 16);
  return {
    experiment: spec.name,
    sweep: id,
    parent: parentOf(sweep, id),
    children: inOrder(sweep).map((row) => childOf(row, sweep, id)),
  };
}

function parentOf(sweep: ExportedSweep, id: string): MlflowRun {
  const { name, spec, code, began, objectives, constraints, rows } = sweep;
  const isOver = rows.length > 0 && rows.every(isFinal);
  const ends = rows.map((row) => endOf(row, sweep));
  return {
    key: `${id}/sweep`,
    name,
    status: isOver ? "FINISHED" : "RUNNING",
    startMs: milliseconds(began),
    endMs: isOver ? milliseconds(ends.reduce((latest, end) => Math.max(latest, end), began)) : undefined,
    params: [
      { key: "objective", value: objectives.map(({ metric, goal }) => `${goal} ${metric}`).join(", ") },
      ...constraints.map(({ text }, i) => ({ key: `constraint.${i + 1}`, value: text })),
      ...(spec.search.method === undefined ? [] : [{ key: "search.method", value: spec.search.method }]),
      { key: "search.seed", value: String(spec.search.seed) },
    ],
    metrics: [],
    tags: tagsOf({
      ...commonTags(`${id}/sweep`, id, name),
      ...(spec.title === undefined ? {} : { "mlflow.note.content": spec.title }),
      "saf.code": code,
    }),
  };
}

function childOf(row: TrialRow, sweep: ExportedSweep, id: string): MlflowRun {
  const { trial, number, group, state, attempt, weights, unreliable, reason, parent } = row;
  const key = `${id}/${trial}`;
  return {
    key,
    name: `${number}-${trial}`,
    status: STATUSES[state],
    startMs: milliseconds(startOf(row, sweep)),
    endMs: isFinal(row) ? milliseconds(endOf(row, sweep)) : undefined,
    params: Object.entries(row.values).map(([path, value]) => ({
      key: path,
      value: textOf(value).slice(0, MOST_PARAM_CHARACTERS),
    })),
    metrics: row.rungs.flatMap(({ metrics, samples, time }) =>
      Object.entries(metrics).map(([name, value]) => ({
        ...{ key: metricKey(name), value, timestamp: milliseconds(time), step: samples },
      })),
    ),
    tags: tagsOf({
      ...commonTags(key, id, `${number}-${trial}`),
      ...{ "saf.trial": trial, "saf.group": group, "saf.state": state, "saf.attempt": String(attempt) },
      ...(weights === undefined ? {} : { "saf.weights_sha256": weights }),
      ...(unreliable === undefined ? {} : { "saf.unreliable": unreliable.join("; ") }),
      ...(reason === undefined ? {} : { "saf.reason": reason }),
      ...(parent === undefined ? {} : { "saf.parent": parent.trial }),
    }),
  };
}

function commonTags(key: string, sweep: string, name: string): Record<string, string> {
  return {
    ...{ [RUN_TAG]: key, [SWEEP_TAG]: sweep, "saf.version": VERSION },
    ...{ "mlflow.runName": name, "mlflow.source.name": "saf", "mlflow.source.type": "LOCAL" },
  };
}

function tagsOf(tags: Record<string, string>): MlflowPair[] {
  return Object.entries(tags).map(([key, value]) => ({ key, value: value.slice(0, MOST_TAG_CHARACTERS) }));
}

/**
 * MLflow's names have no brackets and no commas, and in a file store they are paths, where none may lie below another:
 * `accuracy(pgd-40, 0.3)` is `accuracy/pgd-40_0.3`.
 */
export function metricKey(name: string): string {
  return name
    .replace("(", "/")
    .replaceAll(", ", "_")
    .replace(")", "")
    .replace(/[^\w./ -]/g, "-");
}

function milliseconds(seconds: number): number {
  return Math.round(seconds * 1000);
}
