/** The leaderboard for a terminal, as lines. */
import pc from "picocolors";
import { goalOf } from "../../../shared/config/objectives.js";
import { trialName } from "../../../shared/trial-name.js";
import { type Analysis, type Board, analyse, reproduceCommand, winnersOf } from "./analysis.js";
import type { SweepResults } from "./data.js";
import { failuresOf } from "./failures.js";
import { type BoardColumns, boardColumns, shownOf } from "./leaderboard.js";
import { metricLabel, metricPhrase } from "./metric-text.js";
import { listed, readingOf, warningsOf } from "./reading.js";
import { count } from "../report/format.js";

interface TerminalOptions {
  /** Columns of the terminal. */
  width: number;
  /** Write ANSI colours. Colour only repeats what the text says. */
  colour: boolean;
  /** Places to show. */
  places?: number;
}

const MIN_WIDTH = 64;
const GAP = "  ";
/** Settings stand beside the numbers where so many columns are left, else below them. */
const LEAST_BESIDE = 30;
const INDENT = "    ";
/** Columns from the first on: the id is read, the rest are numbers. */
const LEFT_COLUMNS = new Set([2]);
const MOST_REASONS = 5;

/** Table of the best, sentences, warnings, and how to train each winner again. No line is longer than `width`, unless one word is. */
export function leaderboardLines(results: SweepResults, options: TerminalOptions): string[] {
  return analysedLines(analyse(results), options);
}

export function analysedLines(
  analysis: Analysis,
  { width: asked, colour, places = 10 }: TerminalOptions,
): string[] {
  const width = Math.max(MIN_WIDTH, asked);
  const colours = pc.createColors(colour);
  const [board] = analysis.boards;
  const parts: string[][] = [
    boardLines(analysis, board, { width, places, colours }),
    warningsOf(analysis).flatMap((text) => folded(`Warning: ${text}`, width, "  ").map(colours.yellow)),
    readingOf(analysis).flatMap((text) => folded(text, width, "  ")),
    winnerLines(analysis, width),
    failedLines(analysis, width),
  ];
  return parts.filter((lines) => lines.length > 0).flatMap((lines, i) => (i === 0 ? lines : ["", ...lines]));
}

interface Layout {
  width: number;
  places: number;
  colours: ReturnType<typeof pc.createColors>;
}

function boardLines(analysis: Analysis, board: Board, { width, places, colours }: Layout): string[] {
  const columns = fitted(boardColumns(analysis, board, places), width);
  if (columns.rows.length === 0) return [];
  const { table, room } = laidOut(columns, width);
  const [head = "", ...rows] = table;
  const isBeside =
    room >= LEAST_BESIDE && columns.rows.every(({ settings }) => settings.length + GAP.length <= room);
  const lines = columns.rows.flatMap(({ settings }, i) => {
    const row = rows[i] ?? "";
    const own = i === 0 ? colours.bold(row) : row;
    if (settings === "") return [own];
    if (isBeside) return [`${own}${GAP}${colours.dim(settings)}`];
    return [
      own,
      ...folded(settings, width - INDENT.length, "").map((line) => colours.dim(`${INDENT}${line}`)),
    ];
  });
  const more = shownOf(board, places);
  const notes = [...(more === undefined ? [] : [more]), ...columns.legend];
  return [
    colours.dim(isBeside ? `${head}${GAP}sets` : head),
    ...lines,
    ...(notes.length === 0 ? [] : folded(notes.join(" · "), width, "").map(colours.dim)),
  ];
}

/** Leaves out columns from the right, but for the number of images, until the numbers fit. */
function fitted(columns: BoardColumns, width: number): BoardColumns {
  let shown = columns;
  const own = 3 + 2 * (columns.rows[0]?.standing.estimates.length ?? 1);
  while (laidOut(shown, width).room < 0 && shown.headings.length > own) {
    const drop = shown.headings.length > own + 1 ? shown.headings.length - 2 : shown.headings.length - 1;
    shown = {
      ...shown,
      headings: shown.headings.filter((_, i) => i !== drop),
      rows: shown.rows.map((row) => ({ ...row, cells: row.cells.filter((_, i) => i !== drop) })),
    };
  }
  return shown;
}

/** Heading and rows, all of one width; `room` is what they leave of the terminal's. */
function laidOut({ headings, rows }: BoardColumns, width: number): { table: string[]; room: number } {
  const cells = [headings, ...rows.map((row) => row.cells)];
  const widths = headings.map((_, i) => Math.max(...cells.map((row) => (row[i] ?? "").length)));
  const table = cells.map((row) =>
    row
      .map((cell, i) => (LEFT_COLUMNS.has(i) ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
      .join(GAP),
  );
  return { table, room: width - (table[0]?.length ?? 0) };
}

function winnerLines(analysis: Analysis, width: number): string[] {
  return winnersOf(analysis).flatMap(({ best, boards }) => {
    const wanted = boards.flatMap(({ objectives: [first] }) => first ?? []);
    const numbers = wanted.map(
      ({ metric, goal }) =>
        `${metricLabel(metric)} (${metricPhrase(metric, best.metrics[metric])}${goal === goalOf(metric) ? "" : `, ${goal}d`})`,
    );
    return [
      ...folded(`Best by ${listed(numbers)}: ${trialName(best.number, best.trial)}, weights`, width, "  "),
      `  ${best.weights ?? "not known"}`,
      `  ${reproduceCommand(analysis.results, best)}`,
    ];
  });
}

/** Failures by their reason, most frequent first. */
function failedLines({ results, counts }: Analysis, width: number): string[] {
  if (counts.failed === 0) return [];
  const order = failuresOf(results.rows);
  const lines = order
    .slice(0, MOST_REASONS)
    .flatMap(({ reason, numbers }) => folded(`${count(numbers.length)} failed: ${reason}`, width, "  "));
  const left = order.length - MOST_REASONS;
  return left > 0 ? [...lines, `and for ${count(left)} other reasons: see report.html`] : lines;
}

/** Breaks at spaces, but not before a percent sign, so that no line is longer than `width`, unless one word is. */
export function folded(text: string, width: number, indent: string): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(/ (?!%)/)) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = `${indent}${word}`;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}
