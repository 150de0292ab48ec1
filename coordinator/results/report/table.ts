/** The results as a table for a terminal. */
import Table from "cli-table3";
import pc from "picocolors";
import type { CurvePoint, ModelResult, PerturbationKind } from "../../../shared/results.js";
import { UNRELIABLE_MARK, checkLines } from "./checks-text.js";
import { chooseSpread, perturbedKinds, pointAt, referenceStrength, strengthsOf } from "./curves.js";
import { count, percent, rate, strengthText } from "./format.js";
import { type SeriesGroup, otherSeries } from "./other-series.js";
import { cleanError, readingLine } from "./reading.js";

interface TableOptions {
  /** Write ANSI colours. Colour only repeats what the text says. */
  colour: boolean;
  /** Columns of the terminal (default 100). Strengths that do not fit are left out, evenly. */
  width?: number;
}

/** "97.3" and the space beside it. */
const NUMBER_COLUMN = 5;
const MIN_NAME_COLUMN = 8;
/** The error table's heading stands in its first column. */
const HEADING = "error % at β =";
/** What the summary needs beside the model's name. */
const SUMMARY_COLUMNS = 56;
const MIN_WIDTH = SUMMARY_COLUMNS + MIN_NAME_COLUMN;

type Cell = { content: string; hAlign?: "left" | "right" };
type Colours = ReturnType<typeof pc.createColors>;

/**
 * Accuracy and throughput of each model, then the error in percent by strength for each kind, then one sentence that
 * reads them. Lines are at most `width` columns wide (never under 64) and the last ends without a line break.
 */
export function renderTable(models: readonly ModelResult[], options: TableOptions): string {
  const width = Math.max(MIN_WIDTH, options.width ?? 100);
  const colours = pc.createColors(options.colour);
  const reading = readingLine(models);
  const parts = [
    summaryTable(models, colours, width),
    errorTable(models, colours, width),
    ...otherSeries(models).map((group) => seriesTable(group, colours, width)),
    checkLines(models)
      .map((line) => fold(line, width))
      .join("\n"),
  ];
  if (reading !== undefined) parts.push(fold(reading, width));
  return parts.filter((part) => part !== "").join("\n\n");
}

function summaryTable(models: readonly ModelResult[], colours: Colours, width: number): string {
  const rows: Cell[][] = [
    ["model", "clean accuracy %", "95 % interval", "images", "samples/s"].map((text, i) =>
      cell(colours.dim(text), i),
    ),
  ];
  for (const model of models) {
    const { low, high } = cleanError(model);
    rows.push(
      [
        colours.bold(shorten(model.name, width - SUMMARY_COLUMNS)),
        percent(model.clean_accuracy),
        `${percent(1 - high)}–${percent(1 - low)}`,
        count(model.n),
        rate(model.samples_per_second),
      ].map(cell),
    );
  }
  return plainTable(rows, 3);
}

function errorTable(models: readonly ModelResult[], colours: Colours, width: number): string {
  const kinds = perturbedKinds(models);
  if (kinds.length === 0) return "";
  const longestName = Math.max(...models.map((model) => model.name.length));
  const roomForNames = width - HEADING.length - 2 - 6 * NUMBER_COLUMN;
  const nameColumn = Math.max(MIN_NAME_COLUMN, Math.min(longestName, roomForNames));
  const strengths = strengthsOf(models, kinds);
  const reference = referenceStrength(strengths);
  const room = Math.floor((width - HEADING.length - nameColumn - 1) / NUMBER_COLUMN);
  const shown = chooseSpread(strengths, room, reference === undefined ? [] : [reference]);

  const rows: Cell[][] = [
    [HEADING, "", ...shown.map(strengthText)].map((text, i) => cell(colours.dim(text), i - 1)),
  ];
  for (const kind of kinds) {
    models.forEach((model, place) => {
      const numbers = shown.map((strength) => errorCell(models, model, kind, strength, colours));
      const label = place === 0 ? kind : "";
      rows.push([cell(label, 0), cell(colours.bold(shorten(model.name, nameColumn)), 0), ...numbers]);
    });
  }
  const left = strengths.length - shown.length;
  const note =
    left > 0
      ? `\n${colours.dim(`(${left} of ${strengths.length} strengths left out; all are in eval/curves.csv)`)}`
      : "";
  return plainTable(rows, 1) + note;
}

/** Green marks the lowest error of several models: the number beside it says the same. */
function errorCell(
  models: readonly ModelResult[],
  model: ModelResult,
  kind: PerturbationKind,
  strength: number,
  colours: Colours,
): Cell {
  const point = pointAt(model, kind, strength);
  if (point === undefined) return cell(colours.dim("–"), 1);
  const errors = models.flatMap((other) => pointAt(other, kind, strength)?.error ?? []);
  const isBest = models.length > 1 && errors.filter((error) => error <= point.error).length === 1;
  const text = numberText(point);
  return cell(isBest ? colours.green(text) : text, 1);
}

/** A number that must not be believed says so. */
function numberText({ error, unreliable = [] }: CurvePoint): string {
  return unreliable.length === 0 ? percent(error) : `${percent(error)}${UNRELIABLE_MARK}`;
}

/** Series of other procedures, at their own strengths. */
function seriesTable({ heading, strengths, rows }: SeriesGroup, colours: Colours, width: number): string {
  const names = rows.map(({ series, model }) => `${series}  ${model}`);
  const nameColumn = Math.max(heading.length, ...names.map((name) => name.length)) + 1;
  const room = Math.max(1, Math.floor((width - nameColumn) / NUMBER_COLUMN));
  const shown = chooseSpread(strengths, room);
  const head: Cell[] = [heading, ...shown.map(strengthText)].map((text, i) => cell(colours.dim(text), i));
  const body = rows.map(({ points }, i): Cell[] => [
    cell(shorten(names[i] ?? "", Math.max(MIN_NAME_COLUMN, width - NUMBER_COLUMN - 1)), 0),
    ...shown.map((strength) => {
      const point = points.find((candidate) => candidate.strength === strength);
      return cell(point === undefined ? colours.dim("–") : numberText(point), 1);
    }),
  ]);
  return plainTable([head, ...body], 1);
}

/** Labels to the left, numbers to the right. */
function cell(content: string, column: number): Cell {
  return { content, hAlign: column <= 0 ? "left" : "right" };
}

function shorten(name: string, width: number): string {
  const room = Math.max(MIN_NAME_COLUMN, width);
  return name.length <= room ? name : `${name.slice(0, room - 1)}…`;
}

const NO_LINES = {
  top: "",
  "top-mid": "",
  "top-left": "",
  "top-right": "",
  mid: "",
  "mid-mid": "",
  "left-mid": "",
  "right-mid": "",
  bottom: "",
  "bottom-mid": "",
  "bottom-left": "",
  "bottom-right": "",
  left: "",
  right: "",
  middle: "",
} as const;

/** A table without lines; `gap` spaces between columns. */
function plainTable(rows: Cell[][], gap: number): string {
  const table = new Table({
    chars: NO_LINES,
    style: { head: [], border: [], "padding-left": 0, "padding-right": gap },
  });
  table.push(...rows);
  return table
    .toString()
    .split("\n")
    .map((line) => line.trimEnd())
    .join("\n");
}

/** Breaks at spaces, but not before a percent sign, so that no line is longer than `width`, unless one word is. */
function fold(text: string, width: number): string {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(/ (?!%)/)) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  return [...lines, line].join("\n");
}
