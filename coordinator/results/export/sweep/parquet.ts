/** A sweep's trials as Parquet. */
import { parquetOf } from "../parquet.js";
import type { SweepFormat } from "./sweep-format.js";
import { TRIALS_SCHEMA_VERSION, wholeTrialTable } from "./trial-table.js";

export const trialsFormat: SweepFormat = {
  makes: "file",
  name: "parquet",
  suffix: "-trials.parquet",
  render: (sweep) => parquetOf(wholeTrialTable(sweep), TRIALS_SCHEMA_VERSION),
};
