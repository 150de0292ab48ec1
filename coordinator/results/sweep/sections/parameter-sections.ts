/** What the parameters did: how much each matters, the metric along each, all of them at once, and by strength. */
import { count, percent } from "../../report/format.js";
import { type Html, html, trusted } from "../../report/html.js";
import { inlineSvg } from "../../report/inline-svg.js";
import { type Section, nothing, scrolling } from "../../report/page-frame.js";
import type { Analysis } from "../analysis.js";
import { FEWEST, type Importance } from "../importance/importance.js";
import { metricHeading, metricLabel, metricNames, strengthSeries } from "../metric-text.js";
import type { ShownParameter } from "../parameters.js";
import { parallelSvg } from "../plots/parallel.js";
import { type PlottedTrial, plottedTrials } from "../plots/plotted.js";
import { sliceSvg } from "../plots/slices.js";
import { strengthTable } from "../plots/strength-table.js";
import { LEAST_FIT, importanceSentence } from "../reading.js";

const MOST_SLICES = 12;
const MOST_AXES = 8;
const MOST_STRENGTH_PARAMETERS = 4;
const MOST_SERIES = 3;

/** The most important first, the spec's order where nothing is known of that. */
export function byImportance({ parameters, importance }: Analysis): ShownParameter[] {
  if (importance === undefined || importance.fit < LEAST_FIT) return [...parameters];
  const order = importance.parameters.map(({ path }) => path);
  return [...parameters].sort((a, b) => order.indexOf(a.path) - order.indexOf(b.path));
}

export function importanceSection(analysis: Analysis): Section {
  const { importance } = analysis;
  const id = "importance";
  const title = "Which parameters matter";
  if (importance === undefined)
    return {
      id,
      title,
      body: nothing(`at least ${FEWEST} trials at one rung must differ in what they set and what came of it`),
    };
  const body = html`<p class="muted">
      fANOVA (Hutter, Hoos and Leyton-Brown, ICML 2014): a random forest is fitted to
      ${metricLabel(importance.metric)} of ${count(importance.trials)} trials at rung ${importance.rung}
      (after ${count(importance.samples)} training images); shown is the share of its variance over the whole
      space that a parameter explains by itself. What is missing to 100 % are interactions. On trials that its
      trees have not seen the forest reaches R² = ${importance.fit.toFixed(2)}.
    </p>
    ${
      importance.fit < LEAST_FIT
        ? html`<div class="warning" role="note"><p>${importanceSentence(analysis)}</p></div>`
        : undefined
    }
    ${importanceTable(importance)}`;
  return { id, title, body };
}

function importanceTable({ parameters, metric }: Importance): Html {
  return scrolling(
    "Importance of the parameters",
    html`<table class="slim text bars">
      <caption class="hidden">
        Share of the variance of ${metricLabel(metric)} by parameter
      </caption>
      <thead>
        <tr>
          <th scope="col">parameter</th>
          <th scope="col">%</th>
          <th scope="col">by itself</th>
        </tr>
      </thead>
      <tbody>
        ${parameters.map(
          ({ name, share }) =>
            html`<tr>
              <th scope="row">${name}</th>
              <td>${percent(share)}</td>
              <td class="bar"><span style="width:${percent(Math.min(1, share))}%"></span></td>
            </tr>`,
        )}
      </tbody>
    </table>`,
  );
}

/** Dots and lines are told apart by these. */
export function toneLegend(trials: readonly PlottedTrial[]): Html {
  const countOf = (tone: PlottedTrial["tone"]): number =>
    trials.filter((trial) => trial.tone === tone).length;
  const items = (
    [
      ["best", countOf("best") === 1 ? "the best" : `the best ${countOf("best")}`],
      ["done", "trained to the end"],
      ["early", "not trained to the end: the number of its last rung"],
    ] as const
  ).filter(([tone]) => countOf(tone) > 0);
  return html`<ul class="legend tones" aria-label="Trials">
    ${items.map(([tone, text]) => html`<li><span class="dot ${tone}"></span> ${text}</li>`)}
  </ul>`;
}

export function slicesSection(analysis: Analysis): Section | undefined {
  const [objective] = analysis.results.objectives;
  const parameters = byImportance(analysis);
  if (objective === undefined || parameters.length === 0) return undefined;
  const trials = plottedTrials(analysis.results.rows, objective);
  const figures = parameters.slice(0, MOST_SLICES).flatMap((parameter) => {
    const svg = sliceSvg(trials, parameter, objective);
    const label = `${metricHeading(objective.metric)} against ${parameter.path}, a dot for each trial.`;
    return svg === undefined
      ? []
      : [
          html`<figure>
            <figcaption>${parameter.name}</figcaption>
            ${trusted(inlineSvg(svg, label))}
          </figure>`,
        ];
  });
  if (figures.length === 0) return undefined;
  const left = parameters.length - MOST_SLICES;
  const body = html`<p class="muted">
      ${metricHeading(objective.metric)} against each parameter. Dashed: the median.
      ${left > 0 ? `The ${MOST_SLICES} most important parameters of ${parameters.length}.` : undefined}
      ${thinnedNote(trials.length, 600)}
    </p>
    ${toneLegend(trials)}
    <div class="smalls slices">${figures}</div>`;
  return { id: "slices", title: "Along each parameter", body };
}

function thinnedNote(trials: number, most: number): string | undefined {
  return trials > most
    ? `Drawn are ${most} of ${count(trials)} trials, the best among them; medians are of all.`
    : undefined;
}

export function parallelSection(analysis: Analysis): Section | undefined {
  const [objective] = analysis.results.objectives;
  const parameters = byImportance(analysis).slice(0, MOST_AXES);
  if (objective === undefined || parameters.length < 2) return undefined;
  const trials = plottedTrials(analysis.results.rows, objective);
  if (trials.length < 2) return undefined;
  // The spec's order is the one that its author has in mind.
  const axes = analysis.parameters.filter((parameter) => parameters.includes(parameter));
  const label = `Parallel coordinates: ${axes.map(({ path }) => path).join(", ")}, and ${metricHeading(objective.metric)}.`;
  const body = html`<p class="muted">
      A line is a trial: through what it sets to ${metricLabel(objective.metric)} at the right.
      ${trials.length > 300 ? `Drawn are 300 of ${count(trials.length)} trials, the best among them.` : undefined}
    </p>
    ${toneLegend(trials)}
    <div class="scroll wide-plot" role="region" tabindex="0" aria-label="Parallel coordinates">
      ${trusted(inlineSvg(parallelSvg(trials, axes, objective), label))}
    </div>`;
  return { id: "parallel", title: "All parameters at once", body };
}

/** Where accuracies at several strengths were measured. */
export function strengthSection(analysis: Analysis): Section | undefined {
  const done = analysis.boards[0].standings.flatMap(({ members }) => members);
  const series = strengthSeries(metricNames(done.map(({ metrics }) => metrics)));
  const parameters = byImportance(analysis).filter(({ isRepeated }) => !isRepeated);
  const tables = parameters
    .slice(0, MOST_STRENGTH_PARAMETERS)
    .flatMap((parameter) =>
      series.slice(0, MOST_SERIES).flatMap((one) => strengthTable(done, parameter, one) ?? []),
    );
  if (tables.length === 0) return undefined;
  const body = html`<p class="muted">
      Over the trials that are ranked (${count(done.length)}). The stronger the shade, the more images are
      answered right.
    </p>
    <div class="heats">${tables}</div>`;
  return { id: "strength", title: "Strength × parameter", body };
}
