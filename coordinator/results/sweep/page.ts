/** The results of a sweep as one page that needs nothing else: no network, no script, no font. */
import { stringify } from "yaml";
import type { SweepSpec } from "../../../shared/config/sweep.js";
import { claimsList } from "../reproduction/claims-section.js";
import { count } from "../report/format.js";
import { type Html, html } from "../report/html.js";
import { type Section, framed } from "../report/page-frame.js";
import { dateText } from "../report/page-parts.js";
import type { Analysis } from "./analysis.js";
import { isoOf } from "./document.js";
import { boardSection } from "./sections/board-section.js";
import { failedSection, learningSection, paretoSection, stoppedSection } from "./sections/course-sections.js";
import { readingSection, winnerCards, winnersSection } from "./sections/overview.js";
import {
  importanceSection,
  parallelSection,
  slicesSection,
  strengthSection,
} from "./sections/parameter-sections.js";
import { SWEEP_STYLE } from "./sections/style.js";

/** Self-contained, readable without scripts, in light and dark, on a phone and on paper; below 3 MB for 10,000 trials. */
export function renderSweepPage(analysis: Analysis): string {
  const { results } = analysis;
  const sections = [
    readingSection(analysis),
    boardSection(analysis),
    winnersSection(analysis),
    paretoSection(analysis),
    claimsSection(analysis),
    importanceSection(analysis),
    slicesSection(analysis),
    parallelSection(analysis),
    strengthSection(analysis),
    learningSection(analysis),
    stoppedSection(analysis),
    failedSection(analysis),
    specSection(analysis),
  ];
  return framed({
    title: results.spec.title ?? results.spec.name,
    lead: leadOf(analysis),
    overview: winnerCards(analysis),
    sections: sections.filter((section) => section !== undefined),
    style: SWEEP_STYLE,
    footer: html`Made by saf. The same numbers for other programs: <code>results.json</code>,
      <code>trials.csv</code>, <code>trials.jsonl</code>, <code>trials.parquet</code>; what happened, line by
      line: <code>sweep.jsonl</code>.`,
  });
}

function leadOf({ results }: Analysis): Html {
  const trials = results.rows.length;
  const until = isoOf(results.until);
  return html`<p class="muted">
    Sweep <code>${results.spec.name}</code> · ${trials === 1 ? "1 trial" : `${count(trials)} trials`}
    ${until === null ? undefined : html`· <time datetime="${until}">${dateText(until)}</time>`}
  </p>`;
}

function specSection({ results }: Analysis): Section {
  const body = html`<p class="muted">
      Directory <code>${results.directory}</code>; version <code>${results.code}</code> of the code that
      decides results.
    </p>
    <pre>${specText(results.spec)}</pre>`;
  return { id: "spec", title: "The spec", body };
}

function claimsSection({ claims }: Analysis): Section | undefined {
  if (claims.length === 0) return undefined;
  return { id: "claims", title: "The paper's claims", body: claimsList(claims, true) };
}

/** A list of ten thousand trials is a spec too. */
const MOST_SPEC = 24_000;

function specText(spec: SweepSpec): string {
  const text = stringify(spec).trimEnd();
  if (text.length <= MOST_SPEC) return text;
  return `${text.slice(0, text.lastIndexOf("\n", MOST_SPEC))}\n# … ${count(text.length)} characters in all: sweep.yaml has them`;
}
