/** A sweep's trials as Parquet. */
import { parquetOf } from "../parquet.js";
import type { SweepFormat } from "./sweep-format.js";
import { TRIALS_SCHEMA_VERSION, trialTable } from "./trial-table.js";

export const trialsFormat: SweepFormat = {
  makes: "file",
  name: "parquet",
  suffix: "-trials.parquet",
  render: (sweep) => parquetOf(trialTable(sweep), TRIALS_SCHEMA_VERSION),
};
