/** The report of a reproduction as one page that needs nothing else, in the paper's order. */
import { type Claim, type ClaimSettings, settingsOf } from "../claims.js";
import type { ModelResult, PerturbationKind } from "../../../shared/results.js";
import { perturbedKinds, pointAt, strengthsOf, underProcedure } from "../report/curves.js";
import { NOT_MEASURED } from "../report/data.js";
import { activationsSection, featuresSection } from "../report/features-section.js";
import { percent, strengthText } from "../report/format.js";
import { html } from "../report/html.js";
import type { Html } from "../report/html.js";
import { imagesSection } from "../report/images-section.js";
import { type ModernFindings, modernFindings, modernSentences } from "../report/modern.js";
import {
  checksTable,
  distortionTable,
  modernSpec,
  modernTable,
  nonsenseTable,
  unreliableBox,
} from "../report/modern-section.js";
import { numbersTable } from "../report/numbers-table.js";
import { type Section, framed, nothing, plainTable } from "../report/page-frame.js";
import { dateText, legend, panel } from "../report/page-parts.js";
import { KIND_TITLES } from "../report/plots.js";
import { renderSvg } from "../report/render-plot.js";
import { accuracyPanelSpec, groupsOf } from "./accuracy.js";
import { claimsList, verdictBadge } from "./claims-section.js";
import { cleanTable } from "./clean-table.js";
import { type ReproductionData, measuredResults } from "./data.js";
import { type Structured, structuresTable } from "./structures.js";
import { at } from "../../../shared/core/at.js";

const PANEL = { width: 300, height: 220 };

/** Self-contained, without scripts; all text from outside is escaped. */
export async function renderReproduction(data: ReproductionData, claims: readonly Claim[]): Promise<string> {
  const settings = settingsOf(data.dataset);
  const sections: Section[] = [
    { id: "structures", title: "Structures", body: structuresTable(data.dataset, structuredOf(data)) },
    { id: "clean", title: "Clean error", body: cleanTable(data) },
    await accuracySection(data),
    imagesSection(data.dataset, data.members),
    await featuresSection(data.members),
    await activationsSection(data.members),
    claimsSection(data, claims, settings),
    await modernSection(data, modernFindings(data.members, settings.reference)),
    againSection(data),
  ];
  const measured = data.members.filter(({ result }) => result !== undefined).length;
  return framed({
    title: data.title,
    lead: html`<p class="muted">
      Zhao and Griffin 2016, arXiv:1603.05145 · ${measured} of
      ${data.networks.length * Math.max(1, data.seeds.length)} networks measured ·
      <time datetime="${data.created}">${dateText(data.created)}</time>
    </p>`,
    overview: claimsSummary(claims),
    sections,
    footer: html`Numbers for other programs: <code>claims.json</code>, <code>clean.csv</code>,
      <code>eval/curves.csv</code>; plots as files: <code>plots/</code>.`,
  });
}

/** One that nobody has trained yet is shown as the paper has it. */
function structuredOf({ networks, members }: ReproductionData): Structured[] {
  return networks.map((name) => ({
    name,
    settings: members.find(({ network }) => network === name)?.settings,
  }));
}

function claimsSummary(claims: readonly Claim[]): Html {
  return html`<ul class="summary" aria-label="The paper's claims">
    ${claims.map(
      ({ id, statement, verdict }) =>
        html`<li>${verdictBadge(verdict)} <a href="#claim-${id}">${statement}</a></li>`,
    )}
  </ul>`;
}

async function accuracySection(data: ReproductionData): Promise<Section> {
  const title = "Accuracy against strength";
  const results = measuredResults(data.members);
  const paper = underProcedure(results, "paper");
  const corrected = underProcedure(results, "corrected");
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
    ...perturbedKinds(paper).map((kind) => numbersTable(paper, kind)),
  ];
  return { id: "accuracy", title, body: html`${parts}` };
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
  const familyOf = (name: string): string => at((networkOf.get(name) ?? name).split("-"), 0);
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
    ${plainTable("Environment", `seeds: ${data.seeds.join(", ")}`, data.environment)}`;
  return { id: "again", title: "Do it again", body };
}
