/**
 * A sweep as MLflow's file store: a folder an experiment, in it a folder a run with meta.yaml, params, metrics and tags,
 * one file each. Ids follow from the names, so an export of the same sweep has the same ones. Source: file_store.py of 2.x.
 */
import { createHash } from "node:crypto";
import { stringify } from "yaml";
import type { FolderContent } from "../export-format.js";
import { type MlflowRun, type MlflowSweep, PARENT_TAG, RUN_TAG, mlflowSweep } from "./mlflow-runs.js";
import type { SweepFormat } from "./sweep-format.js";

export const mlflowFormat: SweepFormat = {
  makes: "folder",
  name: "mlflow",
  suffix: "-mlruns",
  owns: isOurs,
  render: (sweep) => fileStore(mlflowSweep(sweep)),
};

/** The store's numbers. */
const STATUS = { RUNNING: 1, FINISHED: 3, FAILED: 4, KILLED: 5 };
const LOCAL_SOURCE = 4;
const DEFAULT_EXPERIMENT = "0";

function fileStore(sweep: MlflowSweep): FolderContent {
  const experiment = experimentId(sweep.experiment);
  const created = sweep.parent.startMs;
  const parent = runId(sweep.parent);
  return Object.fromEntries([
    // MLflow expects it in every store.
    [`${DEFAULT_EXPERIMENT}/meta.yaml`, experimentFile(DEFAULT_EXPERIMENT, "Default", created)],
    [`${experiment}/meta.yaml`, experimentFile(experiment, sweep.experiment, created)],
    ...runFiles(experiment, sweep.parent, []),
    ...sweep.children.flatMap((run) => runFiles(experiment, run, [{ key: PARENT_TAG, value: parent }])),
  ]);
}

/** 18 digits, as MLflow draws them. */
function experimentId(name: string): string {
  const drawn = BigInt(`0x${createHash("sha256").update(name).digest("hex").slice(0, 16)}`);
  return String(100_000_000_000_000_000n + (drawn % 900_000_000_000_000_000n));
}

function runId({ key }: MlflowRun): string {
  return createHash("sha256").update(key).digest("hex").slice(0, 32);
}

function experimentFile(id: string, name: string, created: number): string {
  return yamlOf({
    artifact_location: `./${id}`,
    creation_time: created,
    experiment_id: id,
    last_update_time: created,
    lifecycle_stage: "active",
    name,
  });
}

/** Python reads YAML of another version, with other numbers: every text stands in quotes. */
function yamlOf(value: Record<string, unknown>): string {
  return stringify(value, { defaultStringType: "QUOTE_DOUBLE", defaultKeyType: "PLAIN" });
}

function runFiles(experiment: string, run: MlflowRun, tags: MlflowRun["tags"]): [string, string][] {
  const id = runId(run);
  const folder = `${experiment}/${id}`;
  const pairs = (kind: string, all: MlflowRun["tags"]): [string, string][] =>
    all.map(({ key, value }) => [`${folder}/${kind}/${key}`, value]);
  return [
    [`${folder}/meta.yaml`, runFile(id, experiment, run)],
    ...pairs("params", run.params),
    ...pairs("tags", [...run.tags, ...tags]),
    ...metricFiles(`${folder}/metrics`, run),
  ];
}

function runFile(id: string, experiment: string, { name, status, startMs, endMs }: MlflowRun): string {
  return yamlOf({
    artifact_uri: `./${experiment}/${id}/artifacts`,
    end_time: endMs ?? null,
    entry_point_name: "",
    experiment_id: experiment,
    lifecycle_stage: "active",
    run_id: id,
    run_name: name,
    run_uuid: id,
    source_name: "",
    source_type: LOCAL_SOURCE,
    source_version: "",
    start_time: startMs,
    status: STATUS[status],
    tags: [],
    user_id: "saf",
  });
}

/** A line a rung: when, how much, after how many images. */
function metricFiles(folder: string, { metrics }: MlflowRun): [string, string][] {
  const files = new Map<string, string>();
  for (const { key, value, timestamp, step } of metrics) {
    const file = `${folder}/${key}`;
    files.set(file, `${files.get(file) ?? ""}${timestamp} ${value} ${step}\n`);
  }
  return [...files];
}

/** A store may have got runs of somebody else since: those have no tag of ours, and are never replaced. */
function isOurs(path: string, all: ReadonlySet<string>): boolean {
  const [experiment = "", run = "", ...inside] = path.split("/");
  if (!/^\d+$/.test(experiment)) return false;
  return inside.length === 0 ? run === "meta.yaml" : all.has(`${experiment}/${run}/tags/${RUN_TAG}`);
}
