/** The curves as a table of numbers with their intervals. */
import type { ModelResult, PerturbationKind } from "../../shared/results.js";
import { curveOf, pointAt, referenceStrength, strengthsOf } from "./curves.js";
import { count, percent, strengthText } from "./format.js";
import { html } from "./html.js";
import type { Html } from "./html.js";
import { KIND_TITLES } from "./plots.js";

/** One kind: a row per strength; error, interval and confidence per model. */
export function numbersTable(models: readonly ModelResult[], kind: PerturbationKind): Html {
  const strengths = strengthsOf(models, [kind]);
  const reference = referenceStrength(strengths);
  const shown = models.filter((model) => model.curves.some((point) => point.kind === kind));
  return html`<div class="scroll" role="region" tabindex="0" aria-label="${KIND_TITLES[kind]}: numbers">
    <table>
      <caption>
        <span><strong>${KIND_TITLES[kind]}</strong> ${imagesText(shown, kind)}</span>
      </caption>
      <thead>
        <tr>
          <th scope="col" rowspan="2">β</th>
          ${shown.map((model) => html`<th scope="colgroup" colspan="3">${model.name}</th>`)}
        </tr>
        <tr>
          ${shown.map(
            () =>
              html`<th scope="col" class="edge">error %</th>
                <th scope="col">95 % interval</th>
                <th scope="col">confidence</th>`,
          )}
        </tr>
      </thead>
      <tbody>
        ${strengths.map(
          (strength) =>
            html`<tr class="${strength === reference ? "marked" : "usual"}">
              <th scope="row">${strengthText(strength)}</th>
              ${shown.map((model) => pointCells(model, kind, strength))}
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}

function pointCells(model: ModelResult, kind: PerturbationKind, strength: number): Html {
  const point = pointAt(model, kind, strength);
  if (point === undefined)
    return html`<td class="edge">–</td>
      <td>–</td>
      <td>–</td>`;
  return html`<td class="edge strong">${percent(point.error)}</td>
    <td>${percent(point.ci_low)}–${percent(point.ci_high)}</td>
    <td>${point.mean_confidence.toFixed(2)}</td>`;
}

/** How many images stand behind a number, when that is the same for all. */
function imagesText(models: readonly ModelResult[], kind: PerturbationKind): string {
  const sizes = models.flatMap((model) => curveOf(model, kind).map((p) => p.n));
  const [low, high] = [Math.min(...sizes), Math.max(...sizes)];
  const images = low === high ? count(low) : `${count(low)} to ${count(high)}`;
  return `${images} images at each strength; confidence is the mean largest output`;
}
