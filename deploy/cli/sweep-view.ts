/** How far a sweep is, and one trial of it, as lines for a terminal. Pure. */
import { metricPhrase } from "../../coordinator/results/sweep/metric-text.js";
import { shortNames } from "../../coordinator/results/sweep/parameters.js";
import type { Objective } from "../../shared/config/objectives.js";
import {
  type DecisionLine,
  type FailedLine,
  type MetricValues,
  type TrialRow,
  type TrialState,
  type Values,
  stateWord,
} from "../../shared/records/sweep-line.js";
import { trialName } from "../../shared/trial-name.js";
import { duration } from "./progress-state.js";
import { thousands, valuesText } from "./sweep-progress-view.js";
import { type Terminal, hanging, plainWords } from "./terminal.js";

/** What `saf sweep status --json` prints. */
export interface SweepStatus {
  name: string;
  directory: string;
  is_cancelled: boolean;
  /** Number of the process that works on it, of this machine or another; null while none does. */
  process: number | null;
  live_page: string | null;
  /** Seconds since 1970. */
  began: number | null;
  /** Null where nobody can say. */
  planned: number | null;
  /** In words, the limit without which more trials would begin; null where none is reached. */
  limit: string | null;
  /** By state; `interrupted` in place of `running` while no process works on it. */
  counts: Readonly<Record<string, number>>;
  rungs: readonly { rung: number; samples: number; count: number }[];
  samples: number;
  /** Images that flag M adds to an epoch, of the trials that have it: those are among `samples`. */
  synthetic_per_epoch: readonly number[];
  objectives: readonly Objective[];
  best: readonly {
    trial: string;
    number: number;
    state: TrialState | "interrupted";
    values: Values;
    metrics: MetricValues;
    samples: number;
    /** Constraints that it misses. */
    unmet: readonly string[];
  }[];
}

export function statusLines(status: SweepStatus, terminal: Terminal): string[] {
  const { name, directory, counts, planned, rungs, samples } = status;
  const created = Object.values(counts).reduce((sum, count) => sum + count, 0);
  const parts = Object.entries(counts).flatMap(([state, count]) =>
    count === 0 ? [] : [`${count} ${state}`],
  );
  const of = planned === null ? "" : ` of ${thousands(planned)}`;
  const page = status.live_page === null ? [] : labelled("live page", status.live_page, terminal);
  return [
    terminal.palette.bold(plainWords(`${name}  ${directory}`)),
    ...labelled("state", stateText(status), terminal),
    ...labelled(
      "trials",
      `${thousands(created)}${of}: ${parts.length === 0 ? "none yet" : parts.join(", ")}`,
      terminal,
    ),
    ...(status.limit === null ? [] : labelled("limit", status.limit, terminal)),
    ...(rungs.length > 1 ? labelled("rungs", rungs.map(rungText).join(", "), terminal) : []),
    ...labelled("images", `${thousands(samples)} seen in training${syntheticText(status)}`, terminal),
    ...page,
    ...bestLines(status, terminal),
  ];
}

function stateText({ process, is_cancelled: isCancelled, counts }: SweepStatus): string {
  if (process !== null) return `process ${process} works on it`;
  if (isCancelled) return "cancelled: saf sweep resume goes on";
  const open = (counts["interrupted"] ?? 0) + (counts["waiting"] ?? 0);
  return open > 0 ? "nothing works on it: saf sweep resume goes on" : "nothing works on it";
}

function syntheticText({ synthetic_per_epoch: counts }: SweepStatus): string {
  if (counts.length === 0) return "";
  return `, with the synthetic ones of flag M (${counts.map(thousands).join(" or ")} an epoch)`;
}

function rungText({ samples, count }: SweepStatus["rungs"][number], i: number): string {
  return `${thousands(samples)}${i === 0 ? " images" : ""}: ${count}`;
}

function bestLines({ best, objectives }: SweepStatus, terminal: Terminal): string[] {
  const names = shortNames(best.flatMap(({ values }) => Object.keys(values)));
  return best.flatMap((trial, i) => {
    const figures = objectives.map(
      ({ metric }) => `${metric} ${metricPhrase(metric, trial.metrics[metric])}`,
    );
    const state = trial.state === "done" ? [] : [trial.state];
    const words = [
      trialName(trial.number, trial.trial),
      ...state,
      ...figures,
      valuesText(trial.values, names),
      ...trial.unmet.map((text) => `× misses ${text}`),
    ].join("  ");
    return labelled(i === 0 ? "best" : "", words, terminal);
  });
}

export interface ShownTrial {
  row: TrialRow;
  decisions: readonly DecisionLine[];
  /** Attempts that came to nothing. */
  failures: readonly FailedLine[];
  objectives: readonly Objective[];
  /** How to train it again; undefined while it has no weights. */
  command: string | undefined;
  /** A process works on the sweep. */
  isAtWork: boolean;
}

export function trialLines(
  { row, decisions, failures, objectives, command, isAtWork }: ShownTrial,
  terminal: Terminal,
): string[] {
  const { palette } = terminal;
  const settings = Object.entries(row.values).map(([path, value]) => `${path}=${JSON.stringify(value)}`);
  return [
    palette.bold(`trial ${row.number}  ${row.trial}`),
    ...labelled(
      "state",
      `${stateWord(row.state, isAtWork)}${row.reason === undefined ? "" : `: ${row.reason}`}`,
      terminal,
    ),
    ...(row.outside === undefined ? [] : labelled("outside", row.outside, terminal)),
    ...labelled("settings", settings.length === 0 ? "the base's" : settings.join("  "), terminal),
    ...(row.parent === undefined
      ? []
      : labelled("begins", `behind rung ${row.parent.rung} of trial ${row.parent.trial}`, terminal)),
    ...labelled("attempts", String(row.attempt), terminal),
    ...courseLines({ row, decisions, failures, objectives }, terminal),
    ...(row.unreliable ?? []).flatMap((reason) => labelled("beware", reason, terminal).map(palette.yellow)),
    ...Object.entries(row.metrics).flatMap(([metric, value], i) =>
      labelled(i === 0 ? "metrics" : "", `${metric} ${metricPhrase(metric, value)}`, terminal),
    ),
    ...(row.weights === undefined ? [] : labelled("weights", `sha256 ${row.weights}`, terminal)),
    ...(command === undefined ? [] : labelled("again", command, terminal)),
  ];
}

/** What happened, in its order: failed attempts, rungs, and what was decided at each. */
function courseLines(
  { row, decisions, failures, objectives }: Pick<ShownTrial, "row" | "decisions" | "failures" | "objectives">,
  terminal: Terminal,
): string[] {
  const failed = failures.map(({ rung, attempt, reason }) => ({
    place: [rung, 0, attempt],
    lines: labelled("failed", `attempt ${attempt}, before rung ${rung}: ${reason}`, terminal),
  }));
  const reached = row.rungs.map((rung) => ({
    place: [rung.rung, 1, 0],
    lines: labelled(`rung ${rung.rung}`, rungWords(rung, objectives), terminal),
  }));
  const decided = decisions.map(({ rung, decision, reason }) => ({
    place: [rung, 2, 0],
    lines: labelled(decision, reason, terminal),
  }));
  const order = (a: readonly number[], b: readonly number[]): number =>
    a.reduce((difference, value, i) => difference || value - (b[i] ?? 0), 0);
  return [...failed, ...reached, ...decided]
    .sort((a, b) => order(a.place, b.place))
    .flatMap(({ lines }) => lines);
}

function rungWords(rung: TrialRow["rungs"][number], objectives: readonly Objective[]): string {
  const figures = objectives.map(({ metric }) => `${metric} ${metricPhrase(metric, rung.metrics[metric])}`);
  return [`${thousands(rung.samples)} images`, ...figures, `in ${duration(rung.seconds)}`].join(", ");
}

const LABEL = 11;

/** Words behind their label, folded to the width. */
function labelled(label: string, words: string, { width, palette }: Terminal): string[] {
  const { first, more } = hanging(LABEL, plainWords(words), width);
  return [`${palette.dim(label.padEnd(LABEL))}${first}`, ...more];
}
