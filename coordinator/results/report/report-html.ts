/** The report as one page that needs nothing else: no network, no script, no font. */
import type { ModelResult, PerturbationKind, Procedure } from "../../../shared/results.js";
import { settingsOf } from "../claims.js";
import { attackPanels } from "./attack-panels.js";
import {
  curveOf,
  perturbedKinds,
  pointAt,
  referenceStrength,
  strengthsOf,
  underProcedure,
} from "./curves.js";
import type { MeasuredModel, ReportData, ReportModel } from "./data.js";
import { activationsSection, featuresSection } from "./features-section.js";
import { count, percent, rate, strengthText } from "./format.js";
import { html } from "./html.js";
import type { Html } from "./html.js";
import { imagesSection } from "./images-section.js";
import { type ModernFindings, modernFindings, modernSentences } from "./modern.js";
import { checksTable, distortionTable, modernTable, nonsenseTable, unreliableBox } from "./modern-section.js";
import { numbersTable, seriesTables } from "./numbers-table.js";
import { type Section, framed, plainTable } from "./page-frame.js";
import { dateText, legend, panel, swatch } from "./page-parts.js";
import {
  errorPanelSpec,
  KIND_TITLES,
  MEASURE_TITLES,
  TRAINING_MEASURES,
  trainingPanelSpec,
} from "./plots.js";
import { limitsBox, limitsText, procedureText } from "./procedure-text.js";
import { cleanError, fallingCurves, readingOf } from "./reading.js";
import { renderSvg } from "./render-plot.js";
import { smoothingWindow } from "./series.js";
import type { TrainingMeasure } from "./series.js";

const ERROR_PANEL = { width: 300, height: 230 };
const TRAINING_PANEL = { width: 380, height: 230 };

/**
 * The whole report as HTML: self-contained, readable without scripts, in light and dark, on a phone and on paper.
 * All text from `data` is escaped.
 */
export async function renderReport(data: ReportData): Promise<string> {
  const findings = modernFindings(
    measuredOf(data).map((network) => ({ ...network, outcome: () => undefined })),
    settingsOf(data.dataset).reference,
  );
  const sections = [
    readingSection(data, findings),
    await errorSection(data),
    await modernSection(data, findings),
    await trainingSection(data),
    sampleSection(data),
    ...(await featureSections(data)),
    procedureSection(data),
    reproduceSection(data),
  ];
  return framed({
    title: data.title,
    lead: html`<p class="muted">
      ${data.models.length === 1 ? "1 network" : `${data.models.length} networks`} ·
      <time datetime="${data.created}">${dateText(data.created)}</time>
    </p>`,
    overview: html`<div class="cards">${data.models.map((model, place) => card(data, model, place))}</div>`,
    sections: sections.filter((section) => section !== undefined),
    footer: html`Made by saf ${data.environment.saf}. Numbers for other programs:
      <code>eval/curves.csv</code>; plots as files: <code>plots/</code>.`,
  });
}

/** Is there a training to draw? */
export function hasSteps(data: ReportData): boolean {
  return data.models.some((model) => model.steps.length > 0);
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
  if ((result.checks ?? []).length > 0)
    rows.push(["sanity checks", (result.unreliable ?? []).length > 0 ? "⚠ unreliable" : "nothing failed"]);
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

function readingSection(data: ReportData, findings: ModernFindings): Section {
  const results = resultsOf(data);
  const falling = fallingCurves(results);
  const warning =
    falling.length === 0
      ? undefined
      : html`<div class="warning" role="note">
          <p><strong>Not to be trusted as measured.</strong></p>
          ${falling.map((text) => html`<p>${text}</p>`)}
        </div>`;
  const sentences = [...readingOf(results), ...modernSentences(findings)];
  const body = html`<ul class="reading">
      ${sentences.map((sentence) => html`<li>${sentence}</li>`)}
    </ul>
    ${unreliableBox(measuredOf(data))}${warning}${limitsBox(data.procedure, isModern(data))}${notesOf(data)}`;
  return { id: "reading", title: "In words", body };
}

function notesOf(data: ReportData): Html | undefined {
  if (data.notes.length === 0) return undefined;
  return html`<h3>Notes on this run</h3>
    <ul class="reading">
      ${data.notes.map((note) => html`<li>${note}</li>`)}
    </ul>`;
}

const PROCEDURE_TITLES: Readonly<Record<Exclude<Procedure, "modern">, string>> = {
  paper: "As the paper measured",
  corrected: "The same without the released protocol's defects",
};

/** The paper's curves and their corrected twins; with neither, whatever comes nearest. */
async function errorSection(data: ReportData): Promise<Section | undefined> {
  const all = resultsOf(data);
  if (perturbedKinds(all).length === 0) return undefined;
  const blocks: Html[] = [];
  for (const procedure of ["paper", "corrected"] as const) {
    const results = underProcedure(all, procedure);
    if (perturbedKinds(results).length > 0)
      blocks.push(await curveBlock(PROCEDURE_TITLES[procedure], results));
  }
  if (blocks.length === 0) return undefined;
  const reference = referenceOf(data);
  const body = html`<p class="muted">
      Lower is better. Shaded: Wilson intervals at 95 %. Every tick of the axis was
      measured.${
        reference === undefined
          ? undefined
          : html` Dotted: β = ${strengthText(reference)}, where the sentences above compare.`
      }
      Hollow marks on a thin dotted line: unreliable.
    </p>
    ${blocks}`;
  return { id: "error", title: "Error against strength", body };
}

async function curveBlock(title: string, results: readonly ModelResult[]): Promise<Html> {
  const kinds = perturbedKinds(results);
  const panels: Html[] = [];
  for (const kind of kinds) {
    const svg = await renderSvg(errorPanelSpec(results, kind, ERROR_PANEL));
    panels.push(panel(KIND_TITLES[kind], svg, errorLabel(results, kind)));
  }
  return html`<h3 class="gap">${title}</h3>
    ${legend(results)}
    <div class="panels">${panels}</div>
    ${kinds.map((kind) => numbersTable(results, kind))}`;
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

/** Today's attacks, nonsense scores, smallest changes, sanity checks: as far as they were measured. */
async function modernSection(data: ReportData, findings: ModernFindings): Promise<Section | undefined> {
  const networks = measuredOf(data);
  const panels = await attackPanels(resultsOf(data));
  const tables = [
    ...(findings.epsilon === undefined ? [] : [modernTable(findings)]),
    ...seriesTables(underProcedure(resultsOf(data), "modern")),
    nonsenseTable(networks),
    distortionTable(networks),
    checksTable(networks),
  ].filter((table) => table !== undefined);
  if (panels === undefined && tables.length === 0) return undefined;
  const body = html`<p class="muted">
      Attacks of many steps and restarts, some without gradients; "worst-case" is wrong wherever one of them
      succeeds. Other nonsense than the paper's, common corruptions of images, and the checks that tell
      whether all this may be believed.
    </p>
    ${panels} ${tables} ${leftOut(resultsOf(data))}`;
  return { id: "modern", title: "Today's evaluation and the sanity checks", body };
}

/** What was not measured, and how to have it measured; each reason once. */
function leftOut(results: readonly ModelResult[]): Html | undefined {
  const reasons = new Map(
    results.flatMap(({ not_measured: left = [] }) => left.map(({ what, why }) => [what, why] as const)),
  );
  if (reasons.size === 0) return undefined;
  const items = [...reasons].map(([what, why]) => html`<li><strong>${what}</strong>: ${why}</li>`);
  return html`<p><strong>Not measured:</strong></p>
    <ul>
      ${items}
    </ul>`;
}

async function trainingSection(data: ReportData): Promise<Section | undefined> {
  const trained = data.models.filter((model) => model.steps.length > 0);
  if (trained.length === 0) return undefined;
  const windows = [...new Set(trained.map((model) => smoothingWindow(model.steps.length)))].join(" or ");
  const figures: Html[] = [];
  for (const measure of TRAINING_MEASURES) {
    const svg = await renderSvg(trainingPanelSpec(data.models, measure, TRAINING_PANEL));
    const ends = trained.map(
      ({ result, steps }) => `${result.name} ends at ${endOf(steps.at(-1)?.[measure], measure)}`,
    );
    figures.push(
      panel(MEASURE_TITLES[measure], svg, `${MEASURE_TITLES[measure]} against step. ${ends.join("; ")}.`),
    );
  }
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
  const networks = data.models.map(({ result, samples }) => ({ name: result.name, samples }));
  const shown = networks.filter(({ samples }) => samples.length > 0);
  return shown.length === 0 ? undefined : imagesSection(data.dataset, shown);
}

async function featureSections(data: ReportData): Promise<Section[]> {
  const networks = measuredOf(data).filter(({ features }) => features !== undefined);
  if (networks.length === 0) return [];
  return [await featuresSection(networks), await activationsSection(networks)];
}

function procedureSection(data: ReportData): Section {
  const body = html`${procedureText(data.procedure)}
    <h3>What these numbers do not show</h3>
    ${limitsText(data.procedure, isModern(data))}`;
  return { id: "protocol", title: "How this was measured, and its limits", body };
}

function reproduceSection(data: ReportData): Section {
  const body = html`<h3>Command</h3>
    <pre>${data.command}</pre>
    <h3>Settings</h3>
    <pre>${data.config.trimEnd()}</pre>
    ${plainTable("Environment", "", data.environment)}`;
  return { id: "reproduce", title: "Do it again", body };
}

function resultsOf(data: ReportData): ModelResult[] {
  return data.models.map((model) => model.result);
}

function measuredOf(data: ReportData): MeasuredModel[] {
  return data.models.map(({ result, features }) => ({
    name: result.name,
    result,
    ...(features === undefined ? {} : { features }),
  }));
}

/** Were attacks of many steps run? */
function isModern(data: ReportData): boolean {
  return perturbedKinds(underProcedure(resultsOf(data), "modern")).length > 0;
}

function referenceOf(data: ReportData): number | undefined {
  const results = resultsOf(data);
  return referenceStrength(strengthsOf(results, perturbedKinds(results)));
}
