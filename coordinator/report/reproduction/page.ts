/** The report of a reproduction as one page that needs nothing else, in the paper's order. */
import { CLAIM_SETTINGS, type Claim, type ClaimSettings } from "../../core/claims.js";
import type { ModelResult, PerturbationKind } from "../../../shared/results.js";
import { pointAt, perturbedKinds, strengthsOf } from "../curves.js";
import { percent, strengthText } from "../format.js";
import { html, trusted } from "../html.js";
import type { Html } from "../html.js";
import { inlineSvg } from "../inline-svg.js";
import { numbersTable } from "../numbers-table.js";
import { dateText, legend, panel } from "../page-parts.js";
import { KIND_TITLES } from "../plots.js";
import { renderSvg } from "../render-plot.js";
import { sampleGrid } from "../sample-grid.js";
import { accuracyPanelSpec, groupsOf } from "./accuracy.js";
import { claimsList, verdictBadge } from "./claims-section.js";
import { cleanTable } from "./clean-table.js";
import { type Member, NOT_MEASURED, type ReproductionData, measuredResults, underProtocol } from "./data.js";
import {
  ACTIVATION_TITLES,
  type SmallPlot,
  activationPlots,
  placePlots,
  suppressedTable,
} from "./feature-figures.js";
import { jointSvg } from "./heat-map.js";
import { type ModernFindings, modernFindings, modernSentences } from "./modern.js";
import {
  checksTable,
  distortionTable,
  modernSpec,
  modernTable,
  nonsenseTable,
  unreliableBox,
} from "./modern-section.js";
import { structuresTable } from "./structures.js";
import { REPRODUCTION_STYLE } from "./style.js";

const PANEL = { width: 300, height: 220 };
const POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'";
const CIFAR_CLASSES = "airplane car bird cat deer dog frog horse ship truck".split(" ");

interface Section {
  id: string;
  title: string;
  body: Html;
}

/** Self-contained, without scripts; all text from outside is escaped. */
export async function renderReproduction(data: ReproductionData, claims: readonly Claim[]): Promise<string> {
  const settings = settingsOf(data.dataset);
  const sections: Section[] = [
    { id: "structures", title: "Structures", body: structuresTable(data.dataset, data.networks) },
    { id: "clean", title: "Clean error", body: cleanTable(data) },
    await accuracySection(data),
    imagesSection(data),
    await featuresSection(data),
    await activationsSection(data),
    claimsSection(data, claims, settings),
    await modernSection(data, modernFindings(data.members, settings.reference)),
    againSection(data),
  ];
  return `${page(data, sections, claims).markup.trim()}\n`;
}

export function settingsOf(dataset: string): ClaimSettings {
  return CLAIM_SETTINGS[dataset] ?? { ...(CLAIM_SETTINGS.mnist as ClaimSettings), dataset };
}

function page(data: ReproductionData, sections: readonly Section[], claims: readonly Claim[]): Html {
  const measured = data.members.filter(({ result }) => result !== undefined).length;
  return html`<!DOCTYPE html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta http-equiv="Content-Security-Policy" content="${POLICY}" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>${data.title}</title>
        <style>
          ${trusted(REPRODUCTION_STYLE)}
        </style>
      </head>
      <body>
        <header>
          <h1>${data.title}</h1>
          <p class="muted">
            Zhao and Griffin 2016, arXiv:1603.05145 · ${measured} of
            ${data.networks.length * Math.max(1, data.seeds.length)} networks measured ·
            <time datetime="${data.created}">${dateText(data.created)}</time>
          </p>
          <nav aria-label="Sections">
            <ul>
              ${sections.map(({ id, title }) => html`<li><a href="#${id}">${title}</a></li>`)}
            </ul>
          </nav>
          ${claimsSummary(claims)}
        </header>
        <main>
          ${sections.map(
            ({ id, title, body }) =>
              html`<section aria-labelledby="${id}">
                <h2 id="${id}">${title}</h2>
                ${body}
              </section> `,
          )}
        </main>
        <footer class="muted">
          Numbers for other programs: <code>claims.json</code>, <code>clean.csv</code>,
          <code>eval/curves.csv</code>; plots as files: <code>plots/</code>.
        </footer>
      </body>
    </html> `;
}

function claimsSummary(claims: readonly Claim[]): Html {
  return html`<ul class="summary" aria-label="The paper's claims">
    ${claims.map(
      ({ id, statement, verdict }) =>
        html`<li>${verdictBadge(verdict)} <a href="#claim-${id}">${statement}</a></li>`,
    )}
  </ul>`;
}

/** A plain sentence where a whole section has nothing to show. */
function nothing(what: string): Html {
  return html`<p><em class="missing">${NOT_MEASURED}</em>: ${what}</p>`;
}

async function accuracySection(data: ReproductionData): Promise<Section> {
  const title = "Accuracy against strength";
  const results = measuredResults(data.members);
  const paper = underProtocol(results, "paper");
  const corrected = underProtocol(results, "corrected");
  const parts = [
    html`<p class="muted">
      Higher is better. Shaded: Wilson intervals at 95 %. Hollow marks on a thin dotted line: unreliable, see
      <a href="#modern">the modern evaluation</a>. Networks without classes for nonsense reject it when their
      largest output is at most 0.5.
    </p>`,
    await curvesOf(data, paper, "As the paper measured", "nothing was measured by the paper's protocol"),
    await curvesOf(
      data,
      corrected,
      "The same without the released protocol's defects",
      "the corrected twin of the paper's protocol",
    ),
    ...perturbedKinds(paper).flatMap((kind) =>
      inParts(paper, TABLE_NETWORKS).map((results) => numbersTable(results, kind)),
    ),
  ];
  return { id: "accuracy", title, body: html`${parts}` };
}

/** Networks in one table of numbers: more do not fit on paper. */
const TABLE_NETWORKS = 4;

function inParts<Value>(values: readonly Value[], size: number): Value[][] {
  return Array.from({ length: Math.ceil(values.length / size) }, (_, part) =>
    values.slice(part * size, (part + 1) * size),
  );
}

async function curvesOf(
  data: ReproductionData,
  results: readonly ModelResult[],
  title: string,
  missing: string,
): Promise<Html> {
  const measured = results.filter((result) => result.curves.some(({ kind }) => kind !== "clean"));
  if (measured.length === 0)
    return html`<h3 class="gap">${title}</h3>
      ${nothing(missing)}`;
  const networkOf = new Map(data.members.map(({ name, network }) => [name, network]));
  const familyOf = (name: string): string => (networkOf.get(name) ?? name).split("-")[0] as string;
  const rows: Html[] = [];
  for (const group of groupsOf(measured, familyOf)) {
    const panels: Html[] = [];
    for (const kind of perturbedKinds(group.results)) {
      const svg = await renderSvg(accuracyPanelSpec(group.results, kind, PANEL));
      panels.push(panel(KIND_TITLES[kind], svg, curveLabel(group.results, kind)));
    }
    rows.push(
      html`${legend(group.results)}
        <div class="panels">${panels}</div>`,
    );
  }
  return html`<h3 class="gap">${title}</h3>
    ${rows}`;
}

/** The plot in a sentence, for those who do not see it. */
function curveLabel(results: readonly ModelResult[], kind: PerturbationKind): string {
  const last = strengthsOf(results, [kind]).at(-1) ?? 0;
  const ends = results.flatMap((result) => {
    const point = pointAt(result, kind, last);
    return point === undefined ? [] : [`${result.name} ${percent(1 - point.error)} %`];
  });
  return `${KIND_TITLES[kind]}: accuracy against strength; at β = ${strengthText(last)}: ${ends.join("; ")}.`;
}

function imagesSection(data: ReproductionData): Section {
  const classNames = data.dataset === "cifar10" ? CIFAR_CLASSES : [];
  const grids = data.members.map((member) => {
    const samples = member.samples.filter(({ protocol }) => (protocol ?? "paper") === "paper");
    return html`<div class="panel">
      <h3>${member.name}</h3>
      ${samples.length === 0 ? nothing("no images were kept") : sampleGrid(samples, classNames)}
    </div>`;
  });
  const body = html`<p class="muted">
      ✓ and a solid green border: right. ✗ and a dashed red border: wrong. Below each image: the class
      answered ("none": taken for nonsense) and the size of the largest output. Shown clipped to the pixel
      range.
    </p>
    <div class="grids">${grids}</div>`;
  return { id: "images", title: "What the networks saw", body };
}

async function featuresSection(data: ReproductionData): Promise<Section> {
  const shown = data.members.filter(({ features }) => features !== undefined);
  const id = "features";
  const title = "Feature channels, clean against nonsense";
  if (shown.length === 0) return { id, title, body: nothing("set evaluate.features to true and evaluate") };
  const parts: Html[] = [];
  for (const member of shown) parts.push(await featuresOf(member));
  const body = html`<p class="muted">
      The values that enter each activation (without one: that leave the convolution and its batch norm), on
      ${shown[0]?.features?.images} test images and as many of the nonsense images that an evaluation starts
      from. Channels are spread evenly over all. Filled blue: clean. Orange, dashed: nonsense. Dotted: where
      an mReLU (−1, 1) or a ReLU (0) begins to answer. Values beyond an end are counted in its last bin.
    </p>
    ${parts}`;
  return { id, title, body };
}

async function featuresOf({ name, features }: Member): Promise<Html> {
  const rows: Html[] = [];
  for (const place of features?.places ?? []) {
    const after =
      place.activation === null ? "no activation" : `before ${ACTIVATION_TITLES[place.activation]}`;
    const suppressed =
      place.suppressed === null
        ? ""
        : ` Suppressed: ${percent(place.suppressed.clean)} % of clean units, ${percent(place.suppressed.nonsense)} % on nonsense.`;
    const label = `Histograms of ${name}'s ${place.layer}, clean against nonsense.${suppressed}`;
    rows.push(
      html`<h4>${place.layer}, ${after}: ${place.channels} channels</h4>
        <div class="smalls">${await smallPlots(placePlots(place), label)}</div>
        <div class="joints">
          ${place.pairs.map((pair) =>
            trusted(
              inlineSvg(
                jointSvg(pair),
                `Joint histogram of channels ${pair.channels.join(" and ")} of ${name}'s ${place.layer}: clean left, nonsense right.`,
              ),
            ),
          )}
        </div>`,
    );
  }
  return html`<div class="panel features">
    <h3>${name}</h3>
    ${rows}
  </div>`;
}

/** Plots in a grid that follows the width of the page; `label` speaks for the first, the others are named by title. */
async function smallPlots(plots: readonly SmallPlot[], label: string): Promise<Html[]> {
  const figures: Html[] = [];
  for (const [i, { title, spec }] of plots.entries()) {
    const spoken = i === 0 ? label : `${title}: ${label}`;
    figures.push(
      html`<figure>
        <figcaption>${title}</figcaption>
        ${trusted(inlineSvg(await renderSvg(spec), spoken))}
      </figure>`,
    );
  }
  return figures;
}

async function activationsSection(data: ReproductionData): Promise<Section> {
  const label =
    "ReLU is max(0, x), mReLU is max(0, 1 − |x|), RBF is exp(−x²); each with its slope, for x from −3 to 3.";
  const body = html`<p class="muted">
      Solid: f(x). Dotted: its slope. mReLU and RBF answer only near 0 and are silent on both sides: what is
      unusual is suppressed.
    </p>
    <div class="panel smalls wide">${await smallPlots(activationPlots(), label)}</div>
    ${suppressedTable(data.members)}`;
  return { id: "activations", title: "Activations and suppressed units", body };
}

function claimsSection(data: ReproductionData, claims: readonly Claim[], settings: ClaimSettings): Section {
  const unpaired = claims.some(({ comparisons }) =>
    comparisons.some(({ difference, published }) => !difference.paired && published === undefined),
  );
  const body = html`<p>
      The paper's words have no numbers. Here "small" is β = ${strengthText(settings.small)}, "large" β =
      ${strengthText(settings.large)}, attacks are compared at β = ${strengthText(settings.reference)};
      "marginally" is under ${100 * settings.marginal} point${settings.marginal === 0.01 ? "" : "s"}, "far"
      over ${100 * settings.far} points. A comparison is decided when its whole 95 % interval lies on one side
      of the bound (Newcombe's, for the same images image by
      image${unpaired ? "; * for two measurements taken as independent" : ""}). A claim holds when every
      comparison does and fails when one does. By the paper's own protocol: one gradient step.
    </p>
    ${claimsList(claims, data.seeds.length > 1)}`;
  return { id: "claims", title: "The paper's claims", body };
}

async function modernSection(data: ReproductionData, findings: ModernFindings): Promise<Section> {
  const title = "Today's evaluation, and what it changes";
  const sentences = modernSentences(findings);
  const isMeasured = findings.epsilon !== undefined;
  const svg = isMeasured ? await renderSvg(modernSpec(findings, false)) : "";
  const label = findings.rows
    .map(
      ({ name, worst }) => `${name} ${worst === undefined ? NOT_MEASURED : `${percent(1 - worst.error)} %`}`,
    )
    .join("; ");
  const figure = html`<ul class="legend" aria-label="Bars">
      <li><span class="chip paper"></span> paper's attack</li>
      <li><span class="chip modern"></span> worst case</li>
      <li><span class="chip hollow"></span> hollow, dashed: unreliable</li>
    </ul>
    ${panel("Right answers under attack", svg, `Worst case: ${label}.`)}`;
  const body = html`<div class="warning" role="note">
      <p>
        <strong>One gradient step is a weak attack.</strong> The curves above show what 2016 measured; a low
        error there says that this attack failed, not that no attack works. No number here is a guarantee.
      </p>
    </div>
    ${unreliableBox(data.members)}
    ${
      isMeasured
        ? html`<ul class="reading">
              ${sentences.map((sentence) => html`<li>${sentence}</li>`)}
            </ul>
            ${figure}`
        : nothing("no modern attack was run on these networks")
    }
    ${modernTable(findings)} ${nonsenseTable(data.members)} ${distortionTable(data.members)}
    ${checksTable(data.members) ?? nothing("the sanity checks were not run")}`;
  return { id: "modern", title, body };
}

function againSection(data: ReproductionData): Section {
  const body = html`<h3>Command</h3>
    <pre>${data.command}</pre>
    <div class="scroll" role="region" tabindex="0" aria-label="Environment">
      <table class="plain">
        <caption>
          <span><strong>Environment</strong> seeds: ${data.seeds.join(", ")}</span>
        </caption>
        <tbody>
          ${Object.entries(data.environment).map(
            ([name, value]) =>
              html`<tr>
                <th scope="row">${name}</th>
                <td>${value}</td>
              </tr>`,
          )}
        </tbody>
      </table>
    </div>`;
  return { id: "again", title: "Do it again", body };
}
