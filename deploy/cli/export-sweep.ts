/** `saf export` of a sweep's directory: to files, or to an MLflow server. */
import { stat } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { realDirectory } from "../../coordinator/io/run-directory.js";
import { SWEEP_FILE } from "../../coordinator/io/sweep-directory.js";
import { type ExportedSweep, exportedSweep } from "../../coordinator/results/export/sweep/exported-sweep.js";
import { exportSweep } from "../../coordinator/results/export/sweep/export-sweep.js";
import { SWEEP_FORMATS } from "../../coordinator/results/export/sweep/formats.js";
import { mlflowSweep } from "../../coordinator/results/export/sweep/mlflow-runs.js";
import { MlflowSent } from "../../coordinator/results/export/sweep/mlflow-sent.js";
import { MlflowServer } from "../../coordinator/results/export/sweep/mlflow-server.js";
import {
  type MlflowReport,
  findExperiment,
  sendSweep,
} from "../../coordinator/results/export/sweep/send-mlflow.js";
import { resultsOf } from "../../coordinator/sweeps/results-of.js";
import type { ExportReport, WriteOptions } from "../../coordinator/results/export/write-export.js";
import { ClusterError } from "../../shared/errors.js";
import { realClock } from "../../shared/io/real-clock.js";
import { type MlflowAddress, mlflowAddress, mlflowHttp } from "./mlflow-http.js";
import { readNoting } from "./sweep-output.js";

/** Progress is told each time so many runs more are sent. */
const TOLD_RUNS = 1000;

export interface SweepExportOptions extends WriteOptions {
  format: string;
  /** Of an MLflow server. */
  trackingUri?: string | undefined;
}

/** Throws ClusterError: "usage" (no format of sweeps), "data" (no journal that can be read), "dependency" (no server), "storage". */
export async function exportOfSweep(
  path: string,
  options: SweepExportOptions,
): Promise<ExportReport | MlflowReport> {
  const format = SWEEP_FORMATS.find(({ name }) => name === options.format);
  if (format === undefined) {
    throw new ClusterError("usage", `${path} is a sweep: there is no export of one to "${options.format}"`, {
      hint: `a sweep has ${SWEEP_FORMATS.map(({ name }) => name).join(", ")}; a trial that \`saf reproduce\` trained again has the formats of a run`,
    });
  }
  const { trackingUri } = options;
  if (trackingUri === undefined) return exportSweep(await sweepAt(path), format, options);
  const address = mlflowAddress(trackingUri, process.env);
  return sendTo(address, await sweepAt(path), options.out);
}

async function sweepAt(path: string): Promise<ExportedSweep> {
  const directory = await realDirectory(path);
  return exportedSweep(resultsOf(await readNoting(directory), directory), basename(directory));
}

async function sendTo(
  address: MlflowAddress,
  sweep: ExportedSweep,
  out: string | undefined,
): Promise<MlflowReport> {
  const http = mlflowHttp(address);
  const server = new MlflowServer({ uri: address.uri, http, clock: realClock, random: Math.random });
  const told = mlflowSweep(sweep);
  const experiment = await findExperiment(server, told.experiment);
  const file = resolve(out ?? `${sweep.name}-mlflow-sent.jsonl`);
  const sent = await MlflowSent.open(file, { uri: address.uri, sweep: told.sweep, experiment });
  const onProgress = (done: number, all: number): void => {
    if (done % TOLD_RUNS === 0) process.stderr.write(`saf: ${done} of ${all} runs sent\n`);
  };
  try {
    return await sendSweep(told, experiment, sent, { server, onProgress });
  } finally {
    await sent.close();
  }
}

/** A sweep's directory has its spec. */
export async function isSweep(path: string): Promise<boolean> {
  return stat(join(path, SWEEP_FILE)).then(
    (found) => found.isFile(),
    () => false,
  );
}
