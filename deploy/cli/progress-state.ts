/** What is known of the progress, from the events so far. Pure: time comes in as an argument, ms since any origin. */
import {
  type Finished,
  type Note,
  type NoteLevel,
  type Phase,
  type Progress,
  type ProgressEvent,
  type WorkerRow,
  noteLevel,
} from "../../shared/events.js";
import { type SweepProgress, sweepOf } from "../../shared/sweep-progress.js";

export interface ProgressState {
  /** There is one run: its error is that of the command, which tells it when it ends. */
  isOneRun: boolean;
  startMs: number;
  /** When the last event came. */
  heardMs: number;
  /** Runs that are not finished, oldest first; the one with an empty id is the cluster as a whole. */
  runs: readonly RunProgress[];
  workers: readonly WorkerLine[];
  /** Of a sweep: its runs come and go by the thousand, and are not told one by one. */
  sweep: SweepProgress | undefined;
}

/** A row of the workers' table with every field that the table shows. */
type WorkerLine = {
  [Key in Exclude<keyof WorkerRow, "$unknowns" | "silentSeconds" | "note">]-?: NonNullable<WorkerRow[Key]>;
};

export interface RunProgress {
  runId: string;
  model: string;
  /** One of `PHASES`. */
  phase: string;
  detail: string;
  phaseSinceMs: number;
  done: number;
  total: number;
  epoch: number;
  epochs: number;
  loss: number;
  accuracy: number;
  samplesPerSecond: number;
  etaSeconds: number;
  /** When `done` last grew. */
  advancedMs: number;
}

export type Level = NoteLevel | "done";

/** Words that stay above the live region, or a line of their own in a log. */
export interface Said {
  level: Level;
  text: string;
}

export interface Applied {
  state: ProgressState;
  said: Said[];
  /** Runs that began a phase or an epoch with this event: a log says so at once. */
  milestones: string[];
}

export function initialProgress(nowMs: number, isOneRun = false): ProgressState {
  return { isOneRun, startMs: nowMs, heardMs: nowMs, runs: [], workers: [], sweep: undefined };
}

export function applyEvent(before: ProgressState, event: ProgressEvent, nowMs: number): Applied {
  const state = { ...before, heardMs: nowMs };
  if (event.sweep) return applySweep(state, sweepOf(event.sweep));
  if (state.sweep !== undefined && isOfTrial(event)) return { state, said: [], milestones: [] };
  if (event.phase) return applyPhase(state, event.phase, nowMs);
  if (event.progress) return applyProgress(state, event.progress, nowMs);
  if (event.workers)
    return {
      state: { ...state, workers: (event.workers.workers ?? []).map(wholeRow) },
      said: [],
      milestones: [],
    };
  if (event.note) return { state, said: [saidBy(event.note)], milestones: [] };
  if (event.finished) return applyFinished(state, event.finished);
  return { state, said: [], milestones: [] };
}

function applySweep(state: ProgressState, sweep: SweepProgress): Applied {
  const runs = state.runs.filter(({ runId }) => runId === "");
  return { state: { ...state, runs, sweep }, said: [], milestones: [] };
}

function isOfTrial({ phase, progress, finished }: ProgressEvent): boolean {
  const told = phase ?? progress ?? finished;
  return told != null && (told.runId ?? "") !== "";
}

function applyFinished(state: ProgressState, { runId, ok, message, code }: Finished): Applied {
  const ended = state.runs.find((run) => run.runId === (runId ?? ""));
  const text = [ended?.model, message].filter((part) => part != null && part !== "").join(": ");
  const level = code === "interrupted" ? "warning" : ok === true ? "done" : "error";
  // What ends the whole work is the command's own error.
  const isEndOfAll = level === "error" && (state.isOneRun || (runId ?? "") === "");
  const said: Said[] = [{ level, text: text === "" ? (ok === true ? "done" : "failed") : text }];
  return {
    state: { ...state, runs: state.runs.filter((run) => run !== ended) },
    said: isEndOfAll ? [] : said,
    milestones: [],
  };
}

function saidBy({ level, message }: Note): Said {
  return { level: noteLevel(level), text: message ?? "" };
}

function wholeRow(row: WorkerRow): WorkerLine {
  return {
    workerId: row.workerId ?? "",
    state: row.state ?? "",
    engine: row.engine ?? "",
    leaseMs: row.leaseMs ?? 0,
    samplesPerSecond: row.samplesPerSecond ?? 0,
    samples: row.samples ?? 0,
    rssBytes: row.rssBytes ?? 0,
    retries: row.retries ?? 0,
  };
}

function newRun(runId: string, nowMs: number): RunProgress {
  return {
    runId,
    model: "",
    phase: "",
    detail: "",
    phaseSinceMs: nowMs,
    done: 0,
    total: 0,
    epoch: 0,
    epochs: 0,
    loss: 0,
    accuracy: 0,
    samplesPerSecond: 0,
    etaSeconds: -1,
    advancedMs: nowMs,
  };
}

function applyPhase(state: ProgressState, phase: Phase, nowMs: number): Applied {
  const { before, runs } = findRun(state, phase.runId ?? "", nowMs);
  const name = phase.name ?? "";
  // The same phase told again is another piece of work: a bar that was full must not stay so.
  const begun = begin(before.done > 0 ? { ...before, phase: "" } : before, name, nowMs);
  const after = { ...begun, model: phase.model || before.model, detail: phase.detail ?? "" };
  return {
    state: { ...state, runs: runs.map((run) => (run === before ? after : run)) },
    said: summary(before, nowMs),
    milestones: before.phase === name && before.done === 0 ? [] : [after.runId],
  };
}

function applyProgress(state: ProgressState, progress: Progress, nowMs: number): Applied {
  const { before, runs } = findRun(state, progress.runId ?? "", nowMs);
  const phase = progress.phase || before.phase || "training";
  const begun = begin(before, phase, nowMs);
  const done = progress.done ?? 0;
  const after: RunProgress = {
    ...begun,
    model: progress.model || before.model,
    detail: progress.detail || begun.detail,
    done,
    total: progress.total ?? 0,
    epoch: progress.epoch ?? 0,
    epochs: progress.epochs ?? 0,
    loss: progress.loss ?? 0,
    accuracy: progress.accuracy ?? 0,
    samplesPerSecond: progress.samplesPerSecond ?? 0,
    etaSeconds: progress.etaSeconds ?? -1,
    advancedMs: done === begun.done ? begun.advancedMs : nowMs,
  };
  const began = before.phase !== phase;
  const crossed = Math.floor(after.epoch) > Math.floor(begun.epoch);
  return {
    state: { ...state, runs: runs.map((run) => (run === before ? after : run)) },
    said: began ? summary(before, nowMs) : [],
    milestones: began || crossed ? [after.runId] : [],
  };
}

/** The run of that id, added if it is new. Once a run speaks, what was said of the cluster is over. */
function findRun(
  state: ProgressState,
  runId: string,
  nowMs: number,
): { before: RunProgress; runs: readonly RunProgress[] } {
  const known = state.runs.find((run) => run.runId === runId);
  const others = state.runs.filter((run) => run === known || run.runId !== "");
  if (known !== undefined) return { before: known, runs: others };
  const before = newRun(runId, nowMs);
  return { before, runs: [...others, before] };
}

/** A new phase starts counting from nothing. */
function begin(run: RunProgress, phase: string, nowMs: number): RunProgress {
  return run.phase === phase ? run : { ...newRun(run.runId, nowMs), model: run.model, phase };
}

/** One line about a phase that ended after real work. */
function summary(run: RunProgress, nowMs: number): Said[] {
  if (run.done === 0 || run.total === 0) return [];
  const seconds = (nowMs - run.phaseSinceMs) / 1000;
  if (run.phase === "training") {
    const figures = `loss ${figure(run.loss)}, accuracy ${percent(run.accuracy)}`;
    return [
      { level: "done", text: `${run.model}: trained ${run.done} steps in ${duration(seconds)}, ${figures}` },
    ];
  }
  if (run.phase === "evaluating")
    return [{ level: "done", text: `${run.model}: evaluated in ${duration(seconds)}` }];
  return [];
}

/** 48 s · 1 min 48 s · 2 h 05 min */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, "0")} s`;
  return `${Math.floor(whole / 3600)} h ${String(Math.floor((whole % 3600) / 60)).padStart(2, "0")} min`;
}

/** 0.2134 · 12.31 · 1.2e-5 */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (size !== 0 && size < 0.001) return value.toExponential(1);
  return value.toFixed(size < 10 ? 4 : 2);
}

/** A share in [0, 1] as 97.1 % */
export function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}
