/** The report as one page that needs nothing else: no network, no script, no font. */
import type { ModelResult, PerturbationKind } from "../../shared/results.js";
import { curveOf, perturbedKinds, pointAt, referenceStrength, strengthsOf } from "./curves.js";
import type { ReportData, ReportModel } from "./data.js";
import { count, percent, rate, strengthText } from "./format.js";
import { html, trusted } from "./html.js";
import type { Html } from "./html.js";
import { dateText, legend, panel, swatch } from "./page-parts.js";
import { numbersTable } from "./numbers-table.js";
import { PAGE_STYLE } from "./page-style.js";
import {
  errorPanelSpec,
  KIND_TITLES,
  MEASURE_TITLES,
  TRAINING_MEASURES,
  trainingPanelSpec,
} from "./plots.js";
import { limitsBox, limitsText, protocolText } from "./protocol-text.js";
import { cleanError, fallingCurves, readingOf } from "./reading.js";
import { renderSvg } from "./render-plot.js";
import { sampleGrid } from "./sample-grid.js";
import { smoothingWindow } from "./series.js";
import type { TrainingMeasure } from "./series.js";

const ERROR_PANEL = { width: 300, height: 230 };
const TRAINING_PANEL = { width: 380, height: 230 };

/** Plots of the page as SVG, by what they show. */
interface Panels {
  errors: [PerturbationKind, string][];
  training: [TrainingMeasure, string][];
}

/**
 * The whole report as HTML: self-contained, readable without scripts, in light and dark, on a phone and on paper.
 * All text from `data` is escaped.
 */
export async function renderReport(data: ReportData): Promise<string> {
  return `${page(data, await drawPanels(data)).markup.trim()}\n`;
}

async function drawPanels(data: ReportData): Promise<Panels> {
  const results = data.models.map((model) => model.result);
  const panels: Panels = { errors: [], training: [] };
  for (const kind of perturbedKinds(results)) {
    panels.errors.push([kind, await renderSvg(errorPanelSpec(results, kind, ERROR_PANEL))]);
  }
  for (const measure of hasSteps(data) ? TRAINING_MEASURES : []) {
    panels.training.push([measure, await renderSvg(trainingPanelSpec(data.models, measure, TRAINING_PANEL))]);
  }
  return panels;
}

/** Is there a training to draw? */
export function hasSteps(data: ReportData): boolean {
  return data.models.some((model) => model.steps.length > 0);
}

/** The policy repeats what the page promises: nothing is loaded, nothing runs. */
const POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'";

function page(data: ReportData, panels: Panels): Html {
  const sections = [
    readingSection(data),
    errorSection(data, panels),
    trainingSection(data, panels),
    sampleSection(data),
    protocolSection(data),
    reproduceSection(data),
  ].filter((section) => section !== undefined);
  return html`<!DOCTYPE html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta http-equiv="Content-Security-Policy" content="${POLICY}" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>${data.title}</title>
        <style>
          ${trusted(PAGE_STYLE)}
        </style>
      </head>
      <body>
        <header>
          <h1>${data.title}</h1>
          <p class="muted">
            ${data.models.length === 1 ? "1 network" : `${data.models.length} networks`} ·
            <time datetime="${data.created}">${dateText(data.created)}</time>
          </p>
          <nav aria-label="Sections">
            <ul>
              ${sections.map(({ id, title }) => html`<li><a href="#${id}">${title}</a></li>`)}
            </ul>
          </nav>
        </header>
        <main>
          <div class="cards">${data.models.map((model, place) => card(data, model, place))}</div>
          ${sections.map(
            ({ id, title, body }) =>
              html`<section aria-labelledby="${id}">
                <h2 id="${id}">${title}</h2>
                ${body}
              </section> `,
          )}
        </main>
        <footer class="muted">
          Made by saf ${data.environment.saf}. Numbers for other programs: <code>eval/curves.csv</code>; plots
          as files: <code>plots/</code>.
        </footer>
      </body>
    </html> `;
}

interface Section {
  id: string;
  title: string;
  body: Html;
}

function card(data: ReportData, { result, steps }: ReportModel, place: number): Html {
  const { low, high } = cleanError(result);
  const last = steps.at(-1);
  const strength = referenceOf(data);
  const rows: [string, string][] = strength === undefined ? [] : [["strength β", strengthText(strength)]];
  for (const kind of perturbedKinds([result])) {
    const point = pointAt(result, kind, strength ?? 0);
    if (point !== undefined) rows.push([`${kind} error`, `${percent(point.error)} %`]);
  }
  if (last !== undefined)
    rows.push(["trained for", `${count(last.step + 1)} steps, ${rate(last.seconds)} s`]);
  if (result.samples_per_second > 0)
    rows.push(["training speed", `${rate(result.samples_per_second)} images/s`]);
  return html`<article class="card">
    <h2>${swatch(place)} ${result.name}</h2>
    <p class="big">${percent(result.clean_accuracy)}<small> %</small></p>
    <p class="muted">
      right on ${count(result.n)} clean test images (${percent(1 - high)}–${percent(1 - low)})
    </p>
    <dl>
      ${rows.map(
        ([term, value]) =>
          html`<dt>${term}</dt>
            <dd>${value}</dd>`,
      )}
    </dl>
  </article>`;
}

function readingSection(data: ReportData): Section {
  const results = resultsOf(data);
  const falling = fallingCurves(results);
  const warning =
    falling.length === 0
      ? undefined
      : html`<div class="warning" role="note">
          <p><strong>Not to be trusted as measured.</strong></p>
          ${falling.map((text) => html`<p>${text}</p>`)}
        </div>`;
  const body = html`<ul class="reading">
      ${readingOf(results).map((sentence) => html`<li>${sentence}</li>`)}
    </ul>
    ${warning}${limitsBox(data.protocol)}${notesOf(data)}`;
  return { id: "reading", title: "In words", body };
}

function notesOf(data: ReportData): Html | undefined {
  if (data.notes.length === 0) return undefined;
  return html`<h3>Notes on this run</h3>
    <ul class="reading">
      ${data.notes.map((note) => html`<li>${note}</li>`)}
    </ul>`;
}

function errorSection(data: ReportData, panels: Panels): Section | undefined {
  const results = resultsOf(data);
  if (panels.errors.length === 0) return undefined;
  const reference = referenceOf(data);
  const body = html`<p class="muted">
      Lower is better. Shaded: Wilson intervals at 95 %. Every tick of the axis was
      measured.${
        reference === undefined
          ? undefined
          : html` Dotted: β = ${strengthText(reference)}, where the sentences above compare.`
      }
    </p>
    ${legend(results)}
    <div class="panels">
      ${panels.errors.map(([kind, svg]) => panel(KIND_TITLES[kind], svg, errorLabel(results, kind)))}
    </div>
    ${panels.errors.map(([kind]) => numbersTable(results, kind))}`;
  return { id: "error", title: "Error against strength", body };
}

/** The plot in one sentence, for those who do not see it; the table below has the numbers. */
function errorLabel(models: readonly ModelResult[], kind: PerturbationKind): string {
  const ends = models.flatMap((model) => {
    const points = curveOf(model, kind);
    const [first, last] = [points[0], points.at(-1)];
    if (!first || !last) return [];
    return [
      `${model.name} from ${percent(first.error)} % at β = ${strengthText(first.strength)} ` +
        `to ${percent(last.error)} % at β = ${strengthText(last.strength)}`,
    ];
  });
  return `${KIND_TITLES[kind]}: error against strength. ${ends.join("; ")}.`;
}

function trainingSection(data: ReportData, panels: Panels): Section | undefined {
  if (panels.training.length === 0) return undefined;
  const trained = data.models.filter((model) => model.steps.length > 0);
  const windows = [...new Set(trained.map((model) => smoothingWindow(model.steps.length)))].join(" or ");
  const figures = panels.training.map(([measure, svg]) => {
    const ends = trained.map(
      ({ result, steps }) => `${result.name} ends at ${endOf(steps.at(-1)?.[measure], measure)}`,
    );
    return panel(
      MEASURE_TITLES[measure],
      svg,
      `${MEASURE_TITLES[measure]} against step. ${ends.join("; ")}.`,
    );
  });
  const body = html`<p class="muted">
      Faint: single steps. Strong: mean of ${windows} neighbouring steps. Networks of different families
      minimise different losses: compare a loss with itself, not with another's.
    </p>
    ${legend(resultsOf(data))}
    <div class="panels">${figures}</div>`;
  return { id: "training", title: "Training", body };
}

function endOf(value: number | undefined, measure: TrainingMeasure): string {
  if (value === undefined) return "nothing";
  return measure === "accuracy" ? `${percent(value)} %` : value.toPrecision(3);
}

function sampleSection(data: ReportData): Section | undefined {
  const models = data.models.filter((model) => model.samples.length > 0);
  if (models.length === 0) return undefined;
  const body = html`<p class="muted">
      ✓ and a solid green border: right. ✗ and a dashed red border: wrong. Below each image: the class
      answered ("none": taken for nonsense) and the size of the largest output.
    </p>
    <div class="grids">
      ${models.map(
        ({ result, samples }) =>
          html`<div class="panel">
            <h3>${result.name}</h3>
            ${sampleGrid(samples)}
          </div>`,
      )}
    </div>`;
  return { id: "images", title: "What the networks saw", body };
}

function protocolSection(data: ReportData): Section {
  const body = html`${protocolText(data.protocol)}
    <h3>What these numbers do not show</h3>
    ${limitsText(data.protocol)}`;
  return { id: "protocol", title: "How this was measured, and its limits", body };
}

function reproduceSection(data: ReportData): Section {
  const rows = Object.entries(data.environment).map(
    ([name, value]) =>
      html`<tr>
        <th scope="row">${name}</th>
        <td>${value}</td>
      </tr>`,
  );
  const body = html`<h3>Command</h3>
    <pre>${data.command}</pre>
    <h3>Settings</h3>
    <pre>${data.config.trimEnd()}</pre>
    <div class="scroll" role="region" tabindex="0" aria-label="Environment">
      <table class="plain">
        <caption>
          <span><strong>Environment</strong></span>
        </caption>
        <tbody>
          ${rows}
        </tbody>
      </table>
    </div>`;
  return { id: "reproduce", title: "Do it again", body };
}

function resultsOf(data: ReportData): ModelResult[] {
  return data.models.map((model) => model.result);
}

function referenceOf(data: ReportData): number | undefined {
  const results = resultsOf(data);
  return referenceStrength(strengthsOf(results, perturbedKinds(results)));
}
