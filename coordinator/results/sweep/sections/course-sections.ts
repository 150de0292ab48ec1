/** How the sweep went: learning from rung to rung, who was stopped and why, who failed and why. */
import { count } from "../../report/format.js";
import { type Html, html, trusted } from "../../report/html.js";
import { inlineSvg } from "../../report/inline-svg.js";
import { type Section, scrolling } from "../../report/page-frame.js";
import { panel } from "../../report/page-parts.js";
import type { TrialRow } from "../../../../shared/records/sweep-line.js";
import type { Analysis } from "../analysis.js";
import { failuresOf } from "../failures.js";
import { metricHeading, metricLabel, metricText } from "../metric-text.js";
import { learningSvg } from "../plots/learning.js";
import { paretoSvg } from "../plots/pareto.js";
import { plottedTrials } from "../plots/plotted.js";
import { type Standing, rungOf } from "../standings.js";
import { toneLegend } from "./parameter-sections.js";

/** Lines of the lists of stopped and of failed trials. */
const MOST_LISTED = 50;
const MOST_PROMOTIONS = 15;
const MOST_NUMBERS = 12;
const RETRY = "npx saf sweep retry --failed";

export function learningSection({ results }: Analysis): Section | undefined {
  const [objective] = results.objectives;
  if (objective === undefined) return undefined;
  const trials = plottedTrials(results.rows, objective);
  const svg = learningSvg(trials, objective);
  if (svg === undefined) return undefined;
  const heading = metricHeading(objective.metric);
  const cheap =
    results.spec.stopping?.evaluate === undefined
      ? ""
      : " Below the last rung it is measured by other settings of `evaluate` (a cheaper attack): a step at the last rung may come from that.";
  const body = html`<p class="muted">
      ${heading} at each rung; a line ends where the trial was stopped.${cheap}
      ${trials.length > 250 ? ` Drawn are 250 of ${count(trials.length)} trials, the best among them.` : undefined}
    </p>
    ${toneLegend(trials)}
    <figure class="panel">
      ${trusted(inlineSvg(svg, `${heading} against training images seen, a line for each trial.`))}
    </figure>`;
  return { id: "learning", title: "Learning, rung by rung", body };
}

/** Every pair of objectives as a plane. */
export function paretoSection(analysis: Analysis): Section | undefined {
  const [{ objectives, standings }] = analysis.boards;
  if (objectives.length < 2) return undefined;
  const panels: Html[] = [];
  for (let across = 0; across < objectives.length; across++) {
    for (let up = across + 1; up < objectives.length; up++) {
      const svg = paretoSvg(standings, objectives, across, up);
      const title = [across, up].map((i) => metricLabel(objectives[i]?.metric ?? "")).join(" against ");
      if (svg !== undefined)
        panels.push(panel(title, svg, `${title}: a dot for each setting, the front marked.`));
    }
  }
  if (panels.length === 0) return undefined;
  const body = html`<p class="muted">
      ${frontText(standings)} ${goalsText(objectives)} The leaderboard has the front first.
    </p>
    <div class="panels">${panels}</div>`;
  return { id: "pareto", title: "Pareto front", body };
}

/** What the colours are that are there. */
function frontText(standings: readonly Standing[]): string {
  const front = standings.filter(({ isOnFront }) => isOnFront);
  const rest = standings.filter(({ isOnFront }) => !isOnFront);
  const nobodyMeets = front.some(({ unmet }) => unmet.length > 0);
  const has = (misses: boolean): boolean => rest.some(({ unmet }) => unmet.length > 0 === misses);
  return [
    "On the front (orange): no other is at least as good in every objective and better in one.",
    ...(nobodyMeets ? ["No trial meets all constraints, so the front is that of all."] : []),
    ...(has(false) ? ["Blue: not on it."] : []),
    ...(has(true) ? [`Grey: ${nobodyMeets ? "not on it" : "misses a constraint"}.`] : []),
  ].join(" ");
}

function goalsText(objectives: readonly { metric: string; goal: string }[]): string {
  return `Wanted: ${objectives.map(({ metric, goal }) => `${goal} ${metricLabel(metric)}`).join(", ")}.`;
}

/** By rung how many went on; then the newest stops with their reasons, and the newest promotions with theirs. */
export function stoppedSection({ results, counts }: Analysis): Section | undefined {
  const { rows, decisions, spec, objectives } = results;
  if (counts.stopped === 0 && decisions.length === 0) return undefined;
  const metric = spec.stopping?.metric ?? objectives[0]?.metric ?? "";
  const byTrial = new Map(rows.map((row) => [row.trial, row]));
  const stops = rows
    .filter(({ state }) => state === "stopped")
    .map((row) => ({ row, rung: rungOf(row), reason: row.reason ?? "", time: row.rungs.at(-1)?.time ?? 0 }))
    .sort((a, b) => b.time - a.time);
  const promotions = decisions
    .filter(({ decision }) => decision === "go on")
    .map(({ trial, rung, reason }) => ({ row: byTrial.get(trial), rung, reason }))
    .reverse();
  const body = html`${rungTable(rows)} ${reasonTable("Stopped", stops, metric, MOST_LISTED)}
  ${reasonTable("Went on", promotions, metric, MOST_PROMOTIONS)}`;
  return { id: "stopped", title: "Who was stopped, who went on", body };
}

interface Reasoned {
  row: TrialRow | undefined;
  rung: number;
  reason: string;
}

/** `all`: the newest first. */
function reasonTable(
  title: string,
  all: readonly Reasoned[],
  metric: string,
  most: number,
): Html | undefined {
  if (all.length === 0) return undefined;
  const which =
    all.length > most
      ? `the newest ${most} of ${count(all.length)}; all stand in sweep.jsonl`
      : `all ${count(all.length)}, the newest first`;
  return scrolling(
    `${title}, and why`,
    html`<table class="slim fit">
      <caption>
        <span><strong>${title}</strong> ${which}</span>
      </caption>
      <thead>
        <tr>
          <th scope="col">trial</th>
          <th scope="col">rung</th>
          <th scope="col">${metricHeading(metric)}</th>
          <th scope="col" class="reason">reason</th>
        </tr>
      </thead>
      <tbody>
        ${all.slice(0, most).map(
          ({ row, rung, reason }) =>
            html`<tr>
              <th scope="row">${row?.number}</th>
              <td>${rung}</td>
              <td>${metricText(metric, row?.rungs.find((one) => one.rung === rung)?.metrics[metric])}</td>
              <td class="reason">${reason}</td>
            </tr>`,
        )}
      </tbody>
    </table>`,
  );
}

interface RungCount {
  samples: number;
  measured: number;
  wentOn: number;
  stopped: number;
}

function rungCounts(rows: readonly TrialRow[]): [number, RungCount][] {
  const rungs = new Map<number, RungCount>();
  for (const row of rows) {
    const newest = rungOf(row);
    for (const { rung, samples } of row.rungs) {
      const known = rungs.get(rung) ?? { samples: 0, measured: 0, wentOn: 0, stopped: 0 };
      rungs.set(rung, {
        samples: Math.max(known.samples, samples),
        measured: known.measured + 1,
        wentOn: known.wentOn + Number(rung < newest),
        stopped: known.stopped + Number(rung === newest && row.state === "stopped"),
      });
    }
  }
  return [...rungs].sort(([a], [b]) => a - b);
}

function rungTable(rows: readonly TrialRow[]): Html | undefined {
  const rungs = rungCounts(rows);
  if (rungs.length < 2) return undefined;
  return scrolling(
    "Rungs",
    html`<table class="slim fit">
      <caption>
        <span><strong>Rungs</strong> how many trials were measured there, and what became of them</span>
      </caption>
      <thead>
        <tr>
          <th scope="col">rung</th>
          <th scope="col">images seen</th>
          <th scope="col">measured</th>
          <th scope="col">went on</th>
          <th scope="col">stopped</th>
        </tr>
      </thead>
      <tbody>
        ${rungs.map(
          ([rung, { samples, measured, wentOn, stopped }]) =>
            html`<tr>
              <th scope="row">${rung}</th>
              <td>${count(samples)}</td>
              <td>${count(measured)}</td>
              <td>${count(wentOn)}</td>
              <td>${count(stopped)}</td>
            </tr>`,
        )}
      </tbody>
    </table>`,
  );
}

/** Gathered by reason, the most frequent first. */
export function failedSection({ results }: Analysis): Section | undefined {
  const reasons = failuresOf(results.rows);
  if (reasons.length === 0) return undefined;
  const shown = reasons.slice(0, MOST_LISTED);
  const body = html`<p class="muted">
      A failed trial has no attempt left; <code>${RETRY}</code> gives it another.
    </p>
    ${scrolling(
      "Failed trials",
      html`<table class="slim fit">
        <caption>
          <span
            ><strong>Failed</strong> ${
              reasons.length > shown.length
                ? `the ${shown.length} most frequent of ${count(reasons.length)} reasons`
                : "by reason"
            }</span
          >
        </caption>
        <thead>
          <tr>
            <th scope="col">trials</th>
            <th scope="col" class="reason">reason</th>
            <th scope="col" class="left">numbers</th>
          </tr>
        </thead>
        <tbody>
          ${shown.map(
            ({ reason, numbers }) =>
              html`<tr>
                <th scope="row">${count(numbers.length)}</th>
                <td class="reason">${reason}</td>
                <td class="left">${numbersText(numbers)}</td>
              </tr>`,
          )}
        </tbody>
      </table>`,
    )}`;
  return { id: "failed", title: "Failed trials", body };
}

function numbersText(numbers: readonly number[]): string {
  const left = numbers.length - MOST_NUMBERS;
  return `${numbers.slice(0, MOST_NUMBERS).join(", ")}${left > 0 ? ` and ${count(left)} more` : ""}`;
}
