/** Above everything: the winners, one card for each order, and what must not be overlooked. */
import { shortId } from "../../../../shared/trial-name.js";
import { goalOf } from "../../../../shared/config/objectives.js";
import { count } from "../../report/format.js";
import { type Html, html } from "../../report/html.js";
import { type Section } from "../../report/page-frame.js";
import { type Analysis, type Board, reproduceCommand, winnersOf } from "../analysis.js";
import { metricLabel, metricPhrase } from "../metric-text.js";
import { valueText } from "../parameters.js";
import { intervalTexts, listed, readingOf, warningsOf } from "../reading.js";

const TITLES: Readonly<Record<Board["kind"], string>> = {
  objective: "Best by the objective",
  clean: "Best on clean images",
  robust: "Most robust",
  area: "Largest area",
};
/** Settings on a card. */
const MOST_SETTINGS = 8;

export function boardTitle({ kind, objectives }: Board): string {
  const [first] = objectives;
  if (kind === "objective")
    return objectives.length > 1
      ? `First of the Pareto front, by ${metricLabel(first?.metric ?? "")}`
      : TITLES[kind];
  const isTurned = first !== undefined && first.goal !== goalOf(first.metric);
  return isTurned
    ? `${first.goal === "minimize" ? "Least" : "Most"} ${metricLabel(first.metric)}`
    : TITLES[kind];
}

/** Undefined where nobody is ranked. */
export function winnerCards(analysis: Analysis): Html | undefined {
  const cards = analysis.boards.filter(({ standings }) => standings.length > 0);
  if (cards.length === 0) return undefined;
  return html`<div class="cards">${cards.map((board) => card(analysis, board))}</div>`;
}

function card({ parameters }: Analysis, board: Board): Html | undefined {
  const [winner] = board.standings;
  const metric = board.objectives[0]?.metric ?? "";
  const estimate = winner?.estimates[0];
  if (winner === undefined || estimate === undefined) return undefined;
  const { best } = winner;
  const settings = parameters.filter(({ path }) => best.values[path] !== undefined);
  const isUnreliable = winner.members.some(({ unreliable = [] }) => unreliable.length > 0);
  return html`<article class="card">
    <h2>${boardTitle(board)}</h2>
    <p class="big">${metricPhrase(metric, estimate.value)}</p>
    <p class="muted">
      ${metricLabel(metric)}${intervalTexts(metric, estimate).map((text) => html`<br />${text}`)}
    </p>
    <dl>
      <dt>trial</dt>
      <dd>${best.number} <code>${best.trial.slice(0, 8)}</code></dd>
      ${
        isUnreliable
          ? html`<dt>evaluation</dt>
              <dd>⚠ unreliable</dd>`
          : undefined
      }
      ${
        winner.unmet.length > 0
          ? html`<dt>constraints</dt>
              <dd>× not met</dd>`
          : undefined
      }
      ${settings.slice(0, MOST_SETTINGS).map(
        ({ name, path }) =>
          html`<dt>${name}</dt>
            <dd>${shortened(valueText(best.values[path]))}</dd>`,
      )}
      ${
        settings.length > MOST_SETTINGS
          ? html`<dt>and</dt>
              <dd>${settings.length - MOST_SETTINGS} more</dd>`
          : undefined
      }
    </dl>
  </article>`;
}

const LONG = 26;

function shortened(text: string): string {
  return text.length <= LONG ? text : `${text.slice(0, LONG - 1)}…`;
}

export function readingSection(analysis: Analysis): Section {
  const warnings = warningsOf(analysis);
  const box =
    warnings.length === 0
      ? undefined
      : html`<div class="warning" role="note">${warnings.map((text) => html`<p>${text}</p>`)}</div>`;
  const body = html`${box}
    <ul class="reading">
      ${readingOf(analysis).map((sentence) => html`<li>${sentence}</li>`)}
    </ul>`;
  return { id: "reading", title: "In words", body };
}

/** Each winner once, with the command that trains it again and the hash that must come of it. */
export function winnersSection(analysis: Analysis): Section | undefined {
  const winners = winnersOf(analysis);
  if (winners.length === 0) return undefined;
  const body = html`<p class="muted">
      The command trains the trial again from its seed, one that took over weights behind those it has them
      from, and compares the hash of the weights: equal, or it says that it is not.
    </p>
    ${winners.map(
      ({ best, boards }) =>
        html`<div class="winner">
          <h3 class="gap">
            Trial ${best.number} (${shortId(best.trial)}):
            ${listed(boards.map((board) => lowered(boardTitle(board))))}
          </h3>
          <pre>${reproduceCommand(analysis.results, best)}</pre>
          <p class="muted">
            Weights, SHA-256: <code class="hash">${best.weights ?? "not known"}</code>; ${count(best.samples)}
            training images seen.
          </p>
        </div>`,
    )}`;
  return { id: "again", title: "Train the winners again", body };
}

function lowered(title: string): string {
  return title.charAt(0).toLowerCase() + title.slice(1);
}
