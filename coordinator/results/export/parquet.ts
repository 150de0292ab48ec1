/** Rows as Parquet, the same columns as the CSV. */
import { SCHEMA_VERSION, imageTable, pointTable } from "./evaluation-rows.js";
import type { ExportFormat } from "./export-format.js";
import type { Cell, CellType, Table } from "./rows.js";

export const parquetFormat: ExportFormat = {
  of: "runs",
  makes: "file",
  name: "parquet",
  suffix: ".parquet",
  perImage: true,
  render: (runs, { perImage }) => parquetOf(perImage ? imageTable(runs) : pointTable(runs), SCHEMA_VERSION),
};

const TYPES = {
  text: "STRING",
  integer: "INT64",
  number: "DOUBLE",
  boolean: "BOOLEAN",
} as const satisfies Record<CellType, string>;

/** Typed columns, each of which may have empty cells. */
export async function parquetOf({ columns }: Table, schemaVersion: number): Promise<Uint8Array> {
  // Only an export needs it.
  const { parquetWriteBuffer } = await import("hyparquet-writer");
  const bytes = parquetWriteBuffer({
    columnData: columns.map(({ name, type, values }) => ({
      name,
      type: TYPES[type],
      data: values.map((cell) => valueOf(cell, type)),
      nullable: true,
    })),
    kvMetadata: [{ key: "saf.schema_version", value: String(schemaVersion) }],
    createdBy: "saf",
  });
  return new Uint8Array(bytes);
}

/** A number that is not finite is not known. */
function valueOf(cell: Cell, type: CellType): Cell | bigint | undefined {
  if (cell === null || (typeof cell === "number" && !Number.isFinite(cell))) return undefined;
  return type === "integer" ? BigInt(cell) : cell;
}
