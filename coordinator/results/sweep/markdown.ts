/** `leaderboard.md`: the leaderboard, what it says, and how to train the winners again. */
import type { TrialRow } from "../../../shared/records/sweep-line.js";
import { markdownTable } from "../report/markdown.js";
import { type Analysis, type Board, reproduceCommand, winnersOf } from "./analysis.js";
import { SHOWN_PLACES, isoOf } from "./document.js";
import { boardColumns, shownOf } from "./leaderboard.js";
import { metricLabel, metricPhrase } from "./metric-text.js";
import { reasonOf } from "./paper-claims.js";
import { readingOf, warningsOf } from "./reading.js";

/** Places of the boards behind the first. */
const OTHER_PLACES = 10;

export function renderMarkdown(analysis: Analysis): string {
  const { results, boards } = analysis;
  const [board, ...others] = boards;
  const lines = [
    `# ${plain(results.spec.title ?? results.spec.name)}`,
    paragraphs(readingOf(analysis)),
    ...warningsOf(analysis).map((warning) => `> **Warning:** ${plain(warning)}`),
    ...boardPart(analysis, board, SHOWN_PLACES, "Leaderboard"),
    ...others.flatMap((other) => boardPart(analysis, other, OTHER_PLACES, `By ${metricOf(other)}`)),
    ...winnersPart(analysis),
    ...claimsPart(analysis),
    `Journal up to ${isoOf(results.until) ?? "an unknown time"}; version ${results.code} of the code that decides results. All trials: \`trials.csv\`.`,
  ];
  return `${lines.filter((line) => line !== "").join("\n\n")}\n`;
}

function metricOf({ objectives }: Board): string {
  return objectives.map(({ metric }) => metricLabel(metric)).join(", ");
}

function paragraphs(sentences: readonly string[]): string {
  return sentences.map((sentence) => `- ${plain(sentence)}`).join("\n");
}

function boardPart(analysis: Analysis, board: Board, places: number, title: string): string[] {
  const { headings, rows, legend } = boardColumns(analysis, board, places);
  if (rows.length === 0) return [];
  const table = markdownTable(
    [...headings, "sets"],
    rows.map(({ cells, settings }) => [...cells.map(plain), plain(settings)]),
  );
  const notes = [shownOf(board, places), ...legend].filter((note) => note !== undefined);
  return [`## ${title}`, table, notes.map((note) => plain(note)).join("; ")];
}

function winnersPart(analysis: Analysis): string[] {
  const winners = winnersOf(analysis);
  if (winners.length === 0) return [];
  const table = markdownTable(
    ["best by", "trial", "weights (SHA-256)", "train it again"],
    winners.map(({ best, boards }) => [
      boards.map(({ objectives: [first] }) => numberOf(best, first?.metric ?? "")).join(", "),
      `${best.number} \`${best.trial}\``,
      coded(best.weights) ?? "not known",
      `\`${reproduceCommand(analysis.results, best)}\``,
    ]),
  );
  return ["## Winners", table];
}

function claimsPart({ claims }: Analysis): string[] {
  if (claims.length === 0) return [];
  const table = markdownTable(
    ["claim", "verdict", "why"],
    claims.map((claim) => [plain(claim.statement), claim.verdict, plain(reasonOf(claim))]),
  );
  return ["## The paper's claims", table];
}

function coded(text: string | undefined): string | undefined {
  return text && `\`${text}\``;
}

function numberOf({ metrics }: TrialRow, metric: string): string {
  return plain(`${metricLabel(metric)} (${metricPhrase(metric, metrics[metric])})`);
}

/** Text that Markdown must not read as its own. */
function plain(text: string): string {
  return text.replace(/[\\`*{}[\]<>#]|\b_|_\b/g, (mark) => `\\${mark}`);
}
