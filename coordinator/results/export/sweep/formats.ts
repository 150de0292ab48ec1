/** Every export format of a sweep. A new one is a file beside this and an entry here. */
import { mlflowFormat } from "./mlflow.js";
import { optunaFormat } from "./optuna.js";
import { trialsFormat } from "./parquet.js";
import type { SweepFormat } from "./sweep-format.js";
import { hyperparametersFormat } from "./tensorboard.js";

export const SWEEP_FORMATS: readonly SweepFormat[] = [
  optunaFormat,
  hyperparametersFormat,
  mlflowFormat,
  trialsFormat,
];
