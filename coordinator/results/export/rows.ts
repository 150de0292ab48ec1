/** A table with typed columns, whatever file it goes to. Pure. */

export type CellType = "text" | "integer" | "number" | "boolean";
export type Cell = string | number | boolean | null;

export interface Column<Row> {
  name: string;
  type: CellType;
  /** For the documentation: what it says, its unit, when it is empty. */
  meaning: string;
  of(row: Row): Cell;
}

export interface Table {
  columns: readonly { name: string; type: CellType; values: readonly Cell[] }[];
  length: number;
}

export function tableOf<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): Table {
  return {
    columns: columns.map(({ name, type, of }) => ({ name, type, values: rows.map(of) })),
    length: rows.length,
  };
}
