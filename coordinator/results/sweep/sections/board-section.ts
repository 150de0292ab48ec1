/** The leaderboard as tables: by the objective, then by clean accuracy, robustness and area. */
import { count } from "../../report/format.js";
import { type Html, html } from "../../report/html.js";
import { type Section, nothing, scrolling } from "../../report/page-frame.js";
import type { Analysis, Board } from "../analysis.js";
import { SHOWN_PLACES, unreliableOf } from "../document.js";
import type { Estimate } from "../estimates.js";
import { BEHIND_MARK, meanOf, otherMetrics, shownOf, shownPlaces } from "../leaderboard.js";
import { metricHeading, metricText } from "../metric-text.js";
import { type ShownParameter, valueText } from "../parameters.js";
import type { Standing } from "../standings.js";
import { boardTitle } from "./overview.js";

const OTHER_PLACES = 10;
/** Parameters with a column of their own. */
const MOST_COLUMNS = 14;

export function boardSection(analysis: Analysis): Section {
  const [board, ...others] = analysis.boards;
  const id = "leaderboard";
  const title = "Leaderboard";
  if (board.standings.length === 0)
    return { id, title, body: nothing("no trial has reached a rung, so none is ranked") };
  const body = html`<p class="muted">
      Small below a number: 95 % intervals, over the seeds (Student's t of the mean) and over the test images
      (Wilson's; for an area, whose images vary less than that, too wide rather than too narrow). ⚠: marked
      unreliable by the sanity checks. ×: misses a constraint, ranked behind those that meet all. –: not
      trained as far as those that are ranked; its numbers are an earlier rung's and do not compare with
      theirs.
    </p>
    ${boardTable(analysis, board, SHOWN_PLACES)}
    ${others
      .filter(({ standings }) => standings.length > 0)
      .map(
        (other) =>
          html`<h3 class="gap">${boardTitle(other)}</h3>
            ${boardTable(analysis, other, OTHER_PLACES)}`,
      )}
    <p class="muted">
      All trials with all their numbers: <code>trials.csv</code>, <code>results.json</code>.
    </p>`;
  return { id, title, body };
}

export function boardTable(analysis: Analysis, board: Board, places: number): Html {
  const metrics = board.objectives.map(({ metric }) => metric);
  const besides = otherMetrics(analysis, board);
  const parameters = analysis.parameters.filter(({ isRepeated }) => !isRepeated).slice(0, MOST_COLUMNS);
  const hasSeeds = board.standings.some(({ members }) => members.length > 1);
  const shown = shownPlaces(board, places);
  return scrolling(
    `${boardTitle(board)}: ranked trials`,
    html`<table class="dense fit board">
      <caption>
        <span
          ><strong>By ${metrics.map(metricHeading).join(" and ")}</strong>
          ${shownOf(board, places) ?? rankedText(board.standings.length, shown.length)}</span
        >
      </caption>
      <thead>
        <tr>
          <th scope="col">place</th>
          <th scope="col" class="left">trial</th>
          ${metrics.map((metric) => html`<th scope="col">${metricHeading(metric)}</th>`)}
          ${besides.map((metric) => html`<th scope="col">${metricHeading(metric)}</th>`)}
          ${hasSeeds ? html`<th scope="col">seeds</th>` : undefined}
          ${parameters.map(({ name }) => html`<th scope="col">${name}</th>`)}
          <th scope="col">images seen</th>
        </tr>
      </thead>
      <tbody>
        ${shown.map((standing) => standingRow(standing, { metrics, besides, parameters, hasSeeds }))}
      </tbody>
    </table>`,
  );
}

function rankedText(ranked: number, shown: number): string {
  const behind = shown > ranked ? `, then the best ${shown - ranked} that did not come as far` : "";
  return `${ranked === 1 ? "the only one that is ranked" : `all ${count(ranked)} that are ranked`}${behind}`;
}

interface Columns {
  metrics: readonly string[];
  besides: readonly string[];
  parameters: readonly ShownParameter[];
  hasSeeds: boolean;
}

function standingRow(standing: Standing, { metrics, besides, parameters, hasSeeds }: Columns): Html {
  const { best, members, unmet } = standing;
  const reasons = unreliableOf(standing);
  const marks = [
    ...(reasons.length > 0 ? [html` <abbr title="unreliable: ${reasons.join("; ")}">⚠</abbr>`] : []),
    ...(unmet.length > 0 ? [html` <abbr title="misses ${unmet.join("; ")}">×</abbr>`] : []),
  ];
  return html`<tr class="${lookOf(standing)}">
    <th scope="row">${standing.place ?? BEHIND_MARK}</th>
    <td class="left id">${best.number} <code>${best.trial.slice(0, 8)}</code>${marks}</td>
    ${metrics.map((metric, i) => estimateCell(metric, standing.estimates[i]))}
    ${besides.map((metric) => html`<td>${metricText(metric, meanOf(standing, metric))}</td>`)}
    ${hasSeeds ? html`<td>${members.length}</td>` : undefined}
    ${parameters.map(({ path }) => html`<td class="set">${valueText(best.values[path])}</td>`)}
    <td>${count(best.samples)}</td>
  </tr>`;
}

function lookOf({ place, isOnFront }: Standing): string {
  if (place === undefined) return "behind";
  return isOnFront ? "marked" : "usual";
}

function estimateCell(metric: string, estimate: Estimate | undefined): Html {
  if (estimate === undefined) return html`<td>–</td>`;
  const { value, overSeeds, overImages } = estimate;
  const small = (name: string, interval: { low: number; high: number } | undefined): Html | undefined =>
    interval &&
    html`<small>${name} ${metricText(metric, interval.low)}–${metricText(metric, interval.high)}</small>`;
  return html`<td>
    <b>${metricText(metric, value)}</b>${small("seeds", overSeeds)}${small("images", overImages)}
  </td>`;
}
