/** The curves as tables of numbers with their intervals. */
import type { CurvePoint, ModelResult, PerturbationKind } from "../../../shared/results.js";
import { curveOf, isUnreliable, pointAt, referenceStrength, strengthsOf } from "./curves.js";
import { count, percent, strengthText } from "./format.js";
import { html } from "./html.js";
import type { Html } from "./html.js";
import { otherSeries } from "./other-series.js";
import { scrolling } from "./page-frame.js";
import { KIND_TITLES } from "./plots.js";

/** So many networks have room beside each other, three columns each; more become rows. */
const MOST_BESIDE = 2;

/** One kind: error, interval and confidence for each network and strength. */
export function numbersTable(models: readonly ModelResult[], kind: PerturbationKind): Html {
  const shown = models.filter((model) => model.curves.some((point) => point.kind === kind));
  const table = shown.length <= MOST_BESIDE ? strengthsAsRows : networksAsRows;
  return scrolling(`${KIND_TITLES[kind]}: numbers`, table(shown, kind));
}

function strengthsAsRows(models: readonly ModelResult[], kind: PerturbationKind): Html {
  const strengths = strengthsOf(models, [kind]);
  const reference = referenceStrength(strengths);
  return html`<table>
    <caption>
      <span
        ><strong>${KIND_TITLES[kind]}</strong> ${imagesText(models, kind)}; confidence is the mean largest
        output</span
      >
    </caption>
    <thead>
      <tr>
        <th scope="col" rowspan="2">β</th>
        ${models.map((model) => html`<th scope="colgroup" colspan="3">${model.name}</th>`)}
      </tr>
      <tr>
        ${models.map(
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
            ${models.map((model) => pointCells(model, pointAt(model, kind, strength)))}
          </tr>`,
      )}
    </tbody>
  </table>`;
}

function pointCells(model: ModelResult, point: CurvePoint | undefined): Html {
  if (point === undefined)
    return html`<td class="edge">–</td>
      <td>–</td>
      <td>–</td>`;
  return html`<td class="edge strong">${errorText(model, point)}</td>
    <td>${intervalText(point)}</td>
    <td>${point.mean_confidence.toFixed(2)}</td>`;
}

function networksAsRows(models: readonly ModelResult[], kind: PerturbationKind): Html {
  const strengths = strengthsOf(models, [kind]);
  const reference = referenceStrength(strengths);
  return html`<table class="dense">
    <caption>
      <span
        ><strong>${KIND_TITLES[kind]}, error in percent</strong> ${imagesText(models, kind)}; small: interval
        at 95 %, and in brackets the mean largest output</span
      >
    </caption>
    <thead>
      <tr>
        <th scope="col">β =</th>
        ${strengths.map(
          (strength) =>
            html`<th scope="col" class="${strength === reference ? "marked" : "usual"}">
              ${strengthText(strength)}
            </th>`,
        )}
      </tr>
    </thead>
    <tbody>
      ${models.map(
        (model) =>
          html`<tr>
            <th scope="row">${model.name}</th>
            ${strengths.map((strength) =>
              stackedCell(model, pointAt(model, kind, strength), strength === reference),
            )}
          </tr>`,
      )}
    </tbody>
  </table>`;
}

function stackedCell(model: ModelResult, point: CurvePoint | undefined, isMarked: boolean): Html {
  const look = isMarked ? "marked" : "usual";
  if (point === undefined) return html`<td class="${look}">–</td>`;
  return html`<td class="${look}">
    <b>${errorText(model, point)}</b> <small>${intervalText(point)}</small>
    <small>(${point.mean_confidence.toFixed(2)})</small>
  </td>`;
}

/** Every series of perturbed images: the rows of one attack beside each other, whatever network they are of. */
export function seriesTables(models: readonly ModelResult[]): Html[] {
  const byName = new Map(models.map((model) => [model.name, model]));
  const perturbed = models.map((model) => ({
    ...model,
    curves: model.curves.filter(({ kind }) => kind !== "clean"),
  }));
  const hasNames = models.length > 1;
  return otherSeries(perturbed, true).map(({ heading, strengths, rows }) =>
    scrolling(
      `${heading} ${strengths.map(strengthText).join(", ")}`,
      html`<table class="dense fit">
        <caption>
          <span><strong>Error in percent</strong> small: interval at 95 %, and images measured</span>
        </caption>
        <thead>
          <tr>
            <th scope="col">${heading.replace("error % at ", "")}</th>
            ${hasNames ? html`<th scope="col" class="left">network</th>` : undefined}
            ${strengths.map((strength) => html`<th scope="col">${strengthText(strength)}</th>`)}
          </tr>
        </thead>
        <tbody>
          ${rows.map(
            ({ model, series, points }) =>
              html`<tr>
                <th scope="row">${series.replace(/^modern /, "")}</th>
                ${hasNames ? html`<td class="left">${model}</td>` : undefined}
                ${strengths.map((strength) => seriesCell(byName.get(model), points, strength))}
              </tr>`,
          )}
        </tbody>
      </table>`,
    ),
  );
}

function seriesCell(model: ModelResult | undefined, points: readonly CurvePoint[], strength: number): Html {
  const point = points.find((candidate) => candidate.strength === strength);
  if (model === undefined || point === undefined) return html`<td>–</td>`;
  return html`<td>
    <b>${errorText(model, point)}</b> <small>${intervalText(point)}</small>
    <small>n = ${count(point.n)}</small>
  </td>`;
}

/** A number that must not be believed says so. */
function errorText(model: ModelResult, point: CurvePoint): string {
  return `${isUnreliable(model, point) ? "⚠ " : ""}${percent(point.error)}`;
}

function intervalText({ ci_low: low, ci_high: high }: CurvePoint): string {
  return `${percent(low)}–${percent(high)}`;
}

/** How many images stand behind a number, when that is the same for all. */
function imagesText(models: readonly ModelResult[], kind: PerturbationKind): string {
  const sizes = models.flatMap((model) => curveOf(model, kind).map((p) => p.n));
  const [low, high] = [Math.min(...sizes), Math.max(...sizes)];
  const images = low === high ? count(low) : `${count(low)} to ${count(high)}`;
  return `${images} images at each strength`;
}
