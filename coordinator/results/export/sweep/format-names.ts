/** The export formats of a sweep by name, each with its title for people. */
export const SWEEP_FORMAT_TITLES = {
  optuna: "Optuna journal, for optuna.load_study and optuna-dashboard",
  tensorboard: "TensorBoard event files for its HParams plugin",
  mlflow: "MLflow file store, or by --tracking-uri to an MLflow server",
  parquet: "a row a trial, a typed column a setting and a metric",
} as const;

export type SweepFormatName = keyof typeof SWEEP_FORMAT_TITLES;
