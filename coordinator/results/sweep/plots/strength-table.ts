/** Strength × parameter: the mean accuracy of the trials with a value, against images changed by a strength. */
import type { TrialRow } from "../../../../shared/records/sweep-line.js";
import { chooseSpread } from "../../report/curves.js";
import { percent, strengthText } from "../../report/format.js";
import { type Html, html } from "../../report/html.js";
import { scrolling } from "../../report/page-frame.js";
import type { StrengthSeries } from "../metric-text.js";
import { type ShownParameter, placeOf, valueText } from "../parameters.js";

const MOST_ROWS = 12;
const MOST_STRENGTHS = 12;
/** Parts of a range. */
const PARTS = 6;

interface Row {
  text: string;
  members: readonly TrialRow[];
}

/** The accuracy in each cell as a number and a shade. Undefined where the trials have one value only. */
export function strengthTable(
  trials: readonly TrialRow[],
  parameter: ShownParameter,
  { series, strengths }: StrengthSeries,
): Html | undefined {
  const rows = rowsOf(trials, parameter);
  if (rows.length < 2) return undefined;
  const chosen = chooseSpread(
    strengths.map(({ strength }) => strength),
    MOST_STRENGTHS,
  );
  const shown = strengths.filter(({ strength }) => chosen.includes(strength));
  return scrolling(
    `Accuracy by ${parameter.name} and strength, ${series}`,
    html`<table class="dense fit heat">
      <caption>
        <span><strong>By ${parameter.name}</strong> ${series}: mean accuracy in percent</span>
      </caption>
      <thead>
        <tr>
          <th scope="col">${parameter.name}</th>
          <th scope="col">trials</th>
          ${shown.map(({ strength }) => html`<th scope="col">${strengthText(strength)}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          ({ text, members }) =>
            html`<tr>
              <th scope="row">${text}</th>
              <td>${members.length}</td>
              ${shown.map(({ metric }) => cell(members, metric))}
            </tr>`,
        )}
      </tbody>
    </table>`,
  );
}

function cell(members: readonly TrialRow[], metric: string): Html {
  const values = members.flatMap((row) => row.metrics[metric] ?? []);
  if (values.length === 0) return html`<td>–</td>`;
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return html`<td style="--v:${Math.round(100 * mean)}">${percent(mean)}</td>`;
}

/** By category, or by equal parts of the range; empty ones are left out. */
function rowsOf(trials: readonly TrialRow[], parameter: ShownParameter): Row[] {
  const { range, categories } = parameter;
  const parts = range === undefined ? categories.length : PARTS;
  const groups = Array.from({ length: parts }, (): TrialRow[] => []);
  for (const row of trials) {
    const place = placeOf(parameter, row);
    if (place !== undefined) groups[Math.min(parts - 1, Math.floor(place * parts))]?.push(row);
  }
  return groups
    .map((members, i) => ({
      members,
      text: range === undefined ? (categories[i] ?? "") : partText(range, i),
    }))
    .filter(({ members }) => members.length > 0)
    .slice(0, MOST_ROWS);
}

function partText({ low, high, isLog }: NonNullable<ShownParameter["range"]>, part: number): string {
  const end = (share: number): number => (isLog ? low * (high / low) ** share : low + share * (high - low));
  const short = (value: number): string => valueText(Number(value.toPrecision(2)));
  return `${short(end(part / PARTS))} – ${short(end((part + 1) / PARTS))}`;
}
