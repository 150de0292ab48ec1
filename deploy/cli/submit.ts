/** What `saf submit`, `list`, `logs` and `cancel` do. */
import { randomBytes } from "node:crypto";
import { kindOf } from "../../coordinator/queue/work.js";
import { nameOf } from "../../coordinator/runs/run-names.js";
import { isMap } from "../../shared/config/laid-settings.js";
import { NAME_PATTERN } from "../../shared/config/run.js";
import { ClusterError } from "../../shared/errors.js";
import { realClock } from "../../shared/io/real-clock.js";
import { pause } from "../../shared/clock.js";
import { readMessage, type saf, wire } from "../../shared/messages.js";
import type { WorkKind } from "../../shared/records/queue-line.js";
import { loadConfig, parseFile } from "./config-file.js";
import { printResult } from "./output.js";
import { type Entry, type Line, type QueueClient, withQueue } from "./queue-client.js";
import type { QueuePlace } from "./queue-options.js";
import { entryDocument, logLines, queueLines } from "./queue-view.js";
import { checkPlans } from "./run-local.js";
import { createProgress } from "./progress.js";
import type { ProgressMode } from "./run-options.js";
import type { Interruption } from "./signals.js";
import { plainWords, terminalOf } from "./terminal.js";

export interface SubmitFlags extends QueuePlace {
  set: string[];
  name?: string;
  share?: number;
  priority?: number;
  evaluate?: string;
  resume?: string;
  wait?: true;
  progress: ProgressMode;
}

export interface LogFlags extends QueuePlace {
  follow?: true;
}

/** How often somebody who follows asks. */
const ASK_MS = 1000;
/** Behind the last line there can be. */
const NO_LINES = 0xffff_ffff;
const ENDED: readonly string[] = ["done", "failed", "cancelled"];

// ---- saf submit -------------------------------------------------------------------------------------------------

/** Throws ClusterError: "config" with file, line and column before anything is sent, "dependency", "usage". */
export async function submit(
  file: string | undefined,
  flags: SubmitFlags,
  stop: Interruption,
): Promise<void> {
  const request = await requestOf(file, flags);
  await withQueue(flags, async (queue) => {
    const entry = await queue.change(request);
    tell(entry, flags);
    if (flags.wait === true) await waitFor(queue, entry, flags, stop);
  });
}

async function requestOf(
  file: string | undefined,
  { resume, evaluate, set, share, priority, name }: SubmitFlags,
): Promise<Pick<saf.v1.SubmitRequest.$Properties, "submission" | "resume">> {
  if ((resume !== undefined) === ((file ?? evaluate) !== undefined))
    throw new ClusterError(
      "usage",
      "Say what to submit: a run's or a sweep's file, --evaluate and whose weights, or --resume and what was submitted before",
    );
  if (resume !== undefined) return { resume };
  const { kind, spec } =
    evaluate === undefined
      ? await specIn(file ?? "", [...(name === undefined ? [] : [`name=${name}`]), ...set])
      : await evaluationOf(evaluate, file, { set, name });
  const key = randomBytes(16).toString("hex");
  return {
    submission: {
      ...{ key, kind, specJson: JSON.stringify(spec) },
      ...(share === undefined ? {} : { share }),
      ...(priority === undefined ? {} : { priority }),
    },
  };
}

/** A run or a sweep, told apart by its keys; checked as if it were to begin here. */
async function specIn(file: string, set: readonly string[]): Promise<{ kind: WorkKind; spec: object }> {
  const parsed = await parseFile(file);
  // What cannot be read is said by whoever reads it below.
  const keys = parsed.ok && parsed.tree.kind === "map" ? [...parsed.tree.entries.keys()] : [];
  if (kindOf(keys) === "sweep") {
    const { loadSweep } = await import("./sweep-file.js");
    return { kind: "sweep", spec: (await loadSweep(file, set)).spec };
  }
  const { value: config, sources } = await loadConfig({ files: [file], set });
  if (config.data.dir !== undefined) {
    throw new ClusterError(
      "config",
      `${sources.get("data.dir") ?? file}: data.dir: what is submitted names no files of the coordinator's machine`,
      { hint: "the coordinator finds data sets by its own SAF_DATA_DIR" },
    );
  }
  checkPlans([config]);
  return { kind: "run", spec: { ...config, name: nameOf(config) } };
}

/** `given`: SUBMISSION, or SUBMISSION/TRIAL. Of a file's settings only those of `evaluate` count. */
async function evaluationOf(
  given: string,
  file: string | undefined,
  { set, name }: Pick<SubmitFlags, "set"> & { name: string | undefined },
): Promise<{ kind: WorkKind; spec: object }> {
  const [of = "", trial, ...more] = given.split("/");
  if (!NAME_PATTERN.test(of) || trial === "" || more.length > 0)
    throw new ClusterError("usage", `Expected the id of a submission or SWEEP/TRIAL, got "${given}"`);
  const wrong = set.find((assignment) => !/^\s*evaluate\./.test(assignment));
  if (wrong !== undefined)
    throw new ClusterError(
      "usage",
      `Cannot set ${wrong}: the weights are there; --set takes evaluate.KEY here`,
    );
  const { given: said } = await loadConfig({ files: file === undefined ? [] : [file], set });
  const evaluate = isMap(said) ? (said["evaluate"] ?? {}) : {};
  const spec = {
    of,
    ...(trial === undefined ? {} : { trial }),
    ...(name === undefined ? {} : { name }),
    evaluate,
  };
  return { kind: "evaluation", spec };
}

/** The id alone on stdout, for scripts; the rest for people. */
function tell(entry: Entry, { json, wait, resume }: SubmitFlags): void {
  const { id = "", kind = "", folder = "" } = entry;
  if (json === true && wait !== true) printResult(entryDocument(entry));
  else if (json !== true) printResult(id ?? "");
  const verb = resume === undefined ? "is taken in" : "goes on";
  process.stderr.write(`${kind} ${id} ${verb}; its folder there is ${folder}\n`);
  if (wait !== true) process.stderr.write(`follow it by: npx saf logs -f ${id}\n`);
}

/** Until it has ended; its exit code is ours. A signal ends the waiting, not the work. */
async function waitFor(
  queue: QueueClient,
  { id }: Entry,
  { json, progress: mode }: SubmitFlags,
  stop: Interruption,
): Promise<void> {
  const progress = createProgress({ mode, isOneRun: false });
  const events = queue.bus.subscribe(queue.subjects.eventPattern, ({ data }) => {
    const event = readMessage(wire.Event, data);
    if (event !== undefined && isOf(id ?? "", event)) progress.update(event);
  });
  try {
    let { entry } = await queue.log(id ?? "", 0, true);
    while (!isOver(entry) && !stop.signal.aborted) {
      await pause(realClock, ASK_MS, stop.signal);
      ({ entry } = await queue.log(id ?? "", NO_LINES, true));
    }
    progress.stop();
    if (!isOver(entry)) {
      process.stderr.write(`${id} goes on; follow it by: npx saf logs -f ${id}\n`);
      process.exitCode = stop.exitCode();
      return;
    }
    process.exitCode = entry.exitCode ?? 0;
    if (json === true) printResult(entryDocument(entry));
    process.stderr.write(`${id}: ${plainWords(entry.message ?? "")}\n`);
  } finally {
    progress.stop();
    events.unsubscribe();
  }
}

/** Runs are called `<submission>-<run>`, sweeps as their submission; workers are everybody's. */
function isOf(id: string, { phase, progress, finished, sweep, note, workers }: saf.v1.Event): boolean {
  if (workers != null) return true;
  if (sweep != null) return sweep.name === id;
  if (note != null) return note.message?.startsWith(`${id}: `) === true;
  const runId = phase?.runId ?? progress?.runId ?? finished?.runId;
  return runId === `${id}-${id}`;
}

function isOver({ state }: Entry): boolean {
  return ENDED.includes(state ?? "");
}

// ---- saf list, logs, cancel -------------------------------------------------------------------------------------

export async function list(place: QueuePlace): Promise<void> {
  const found = await withQueue(place, (queue) => queue.list());
  if (place.json === true)
    printResult({ submissions: found.entries.map(entryDocument), left_out: found.leftOut });
  else printResult(queueLines(found, Date.now(), terminalOf(process.stdout)).join("\n"));
}

/** Prints what a submission told, and with `follow` what it tells, until its end. */
export async function logs(id: string, place: LogFlags, stop: Interruption): Promise<void> {
  await withQueue(place, async (queue) => {
    let after = 0;
    for (;;) {
      const { entry, lines } = await queue.log(id, after, place.follow === true);
      for (const line of lines) print(line, place.json === true);
      after = lines.at(-1)?.number ?? after;
      // An answer holds so many lines: there may be more.
      if (lines.length > 0) continue;
      if (isOver(entry) || place.follow !== true || stop.signal.aborted) {
        if (isOver(entry)) process.stderr.write(`${id}: ${plainWords(entry.message ?? "")}\n`);
        break;
      }
      await pause(realClock, ASK_MS, stop.signal);
    }
    if (stop.signal.aborted) process.exitCode = stop.exitCode();
  });
}

function print(line: Line, isJson: boolean): void {
  const { number, time, level, message } = line;
  if (isJson) {
    const at = new Date(1000 * (time ?? 0)).toISOString();
    process.stdout.write(`${JSON.stringify({ number, time: at, level, message })}\n`);
    return;
  }
  printResult(logLines(line, terminalOf(process.stdout)).join("\n"));
}

export async function cancel(id: string, place: QueuePlace): Promise<void> {
  const entry = await withQueue(place, (queue) => queue.change({ cancel: id }));
  if (place.json === true) printResult(entryDocument(entry));
  else printResult(`${id} ${entry.state}`);
  process.stderr.write(
    `what it has done stays in ${entry.folder}; it goes on by: npx saf submit --resume ${id}\n`,
  );
}
