/** What `saf chaos` found, as a document for programs and as tables for people. */
import Table from "cli-table3";
import type { Chaos, Round } from "../chaos/chaos.js";
import { type KindSummary, type Recovery, summaries } from "../chaos/core/recovery.js";
import type { FaultKind } from "../chaos/core/schedule.js";

export interface Skipped {
  kind: FaultKind;
  why: string;
}

interface InjectedFault {
  fault: FaultKind;
  target: string;
  /** Seconds from the start of the processes. */
  at_s: number;
  after_step: number;
  lasted_s: number;
  messages: number;
  /** To the next commit, from its beginning and from its end; null when none followed. */
  commit_after_s: number | null;
  commit_after_end_s: number | null;
  missed: string | null;
}

/** What `--json` prints. */
export interface ChaosDocument {
  /** So far, where it was interrupted. */
  holds: boolean;
  interrupted: boolean;
  engine: string;
  workers: number;
  steps: number;
  skipped: readonly Skipped[];
  calm: { seconds: number; sha256: string; problems: readonly string[] };
  rounds: {
    seed: number;
    holds: boolean;
    seconds: number;
    sha256: string;
    problems: readonly string[];
    kept: string | null;
    faults: InjectedFault[];
  }[];
  /** To the next commit, from the end of a fault; null when for half of them none followed. */
  recovery: { fault: FaultKind; count: number; median_s: number | null; worst_s: number | null }[];
}

export function chaosDocument(
  { steps, calm, rounds, interrupted }: Chaos,
  ground: { engine: string; workers: number; skipped: readonly Skipped[] },
): ChaosDocument {
  const { seconds, sha256, problems } = calm;
  return {
    holds: problems.length === 0 && rounds.length > 0 && rounds.every((round) => round.problems.length === 0),
    interrupted,
    ...ground,
    steps,
    calm: { seconds: rounded(seconds), sha256, problems },
    rounds: rounds.map(roundDocument),
    recovery: summaries(rounds.flatMap(({ faults }) => faults)).map(summaryDocument),
  };
}

function roundDocument({
  seed,
  seconds,
  sha256,
  problems,
  kept,
  faults,
}: Round): ChaosDocument["rounds"][number] {
  return {
    ...{ seed, holds: problems.length === 0, seconds: rounded(seconds), sha256, problems },
    kept: kept ?? null,
    faults: faults.map(injectedFault),
  };
}

function injectedFault({ fault, atMs, endMs, missed, commitMs, afterEndMs }: Recovery): InjectedFault {
  return {
    ...{ fault: fault.kind, target: fault.target, after_step: fault.atStep, messages: fault.messages },
    at_s: rounded(atMs / 1000),
    lasted_s: rounded((endMs - atMs) / 1000),
    commit_after_s: secondsOf(commitMs),
    commit_after_end_s: secondsOf(afterEndMs),
    missed: missed === "" ? null : missed,
  };
}

function summaryDocument({ kind, count, medianMs, worstMs }: KindSummary): ChaosDocument["recovery"][number] {
  return { fault: kind, count, median_s: secondsOf(medianMs), worst_s: secondsOf(worstMs) };
}

function secondsOf(ms: number | undefined): number | null {
  return ms === undefined || !Number.isFinite(ms) ? null : rounded(ms / 1000);
}

function rounded(seconds: number): number {
  return Math.round(1000 * seconds) / 1000;
}

// ---- For people -------------------------------------------------------------------------------------------------

export function renderChaos(document: ChaosDocument, width: number): string {
  const { engine, workers, steps, calm, rounds, recovery, skipped } = document;
  return [
    `engine ${engine}, ${workers} worker(s), ${steps} steps`,
    ...skipped.flatMap(({ kind, why }) => folded(`left out: ${kind}, ${why}`, width)),
    `calm: ${calm.seconds.toFixed(1)} s, weights ${calm.sha256.slice(0, 16)}…`,
    ...calm.problems.map((problem) => `! ${problem}`),
    ...rounds.flatMap((round) => ["", ...roundLines(round, width)]),
    ...(recovery.length === 0
      ? []
      : ["", "from the end of a fault to the next commit", recoveryTable(recovery)]),
    "",
    verdictOf(document),
  ].join("\n");
}

function verdictOf({ holds, interrupted, rounds }: ChaosDocument): string {
  if (holds) return "The weights are the calm run's, and every image counted exactly once.";
  const isBroken = !interrupted || rounds.some((round) => !round.holds);
  return isBroken ? "Something does not hold." : "Interrupted before a run under faults was over.";
}

function roundLines(
  { seed, seconds, sha256, faults, problems, kept }: ChaosDocument["rounds"][number],
  width: number,
): string[] {
  return [
    `seed ${seed}: ${seconds.toFixed(1)} s, weights ${sha256.slice(0, 16)}…`,
    faultTable(faults),
    ...problems.flatMap((problem) => folded(`! ${problem}`, width)),
    ...(kept === null ? [] : [`its files are in ${kept}`]),
  ];
}

const plain = { style: { head: [], border: [], "padding-left": 0, "padding-right": 2 }, chars: noBorders() };

function faultTable(faults: readonly InjectedFault[]): string {
  const table = new Table({
    ...plain,
    head: ["at", "step", "fault", "target", "lasted", "next commit", "after end"],
  });
  for (const one of faults) {
    const { at_s: at, after_step: step, fault, target, lasted_s: lasted, messages, missed } = one;
    const what = messages === 0 ? fault : `${fault} ${messages}`;
    const times = missed === null ? [one.commit_after_s, one.commit_after_end_s].map(text) : ["missed", ""];
    table.push([text(at), String(step), what, target, lasted < 0.05 ? "" : text(lasted), ...times]);
  }
  return trimmed(table.toString());
}

function recoveryTable(rows: ChaosDocument["recovery"]): string {
  const table = new Table({ ...plain, head: ["fault", "count", "median", "worst"] });
  for (const { fault, count, median_s: median, worst_s: worst } of rows)
    table.push([fault, String(count), text(median), text(worst)]);
  return trimmed(table.toString());
}

function text(seconds: number | null): string {
  return seconds === null ? "none" : `${seconds.toFixed(2)} s`;
}

function trimmed(lines: string): string {
  return lines
    .split("\n")
    .map((line) => line.trimEnd())
    .join("\n");
}

/** Cut between words. */
function folded(words: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of words.split(" ")) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(lines.length === 0 ? word : `  ${word}`);
  }
  return lines;
}

function noBorders(): Record<string, string> {
  const names = [
    "top",
    "top-mid",
    "top-left",
    "top-right",
    "bottom",
    "bottom-mid",
    "bottom-left",
    "bottom-right",
  ];
  const more = ["left", "left-mid", "mid", "mid-mid", "right", "right-mid", "middle"];
  return Object.fromEntries([...names, ...more].map((name) => [name, ""]));
}
