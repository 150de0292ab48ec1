/**
 * What a coordinator was given to do, and what became of it: the lines of its journal, applied. It decides what is
 * conducted next, after a restart too, and what is refused. Pure.
 */
import type { Outcome, QueueLine, SubmittedLine } from "../../shared/records/queue-line.js";
import { distinctName } from "../runs/run-names.js";

/** What a name of a submission must not be: the coordinator's own folders stand beside theirs. */
export const RESERVED_FOLDERS: readonly string[] = ["checkpoints", "eval", "latest", "logs", "plots"];
/** Conducted at the same time; the next begins when one ends. */
export const MOST_AT_ONCE = 32;
/** That have not ended. */
export const MOST_OPEN = 1000;
/** In one folder, ended ones included: all of them stay in memory, without the settings of those that are done. */
export const MOST_EVER = 20_000;
/** Characters of all settings that stay in memory. */
export const MOST_SETTINGS = 64 * 1024 * 1024;

/** waiting: for its turn; cancelling: it comes to its end. */
export type SubmissionState = "waiting" | "running" | "cancelling" | Outcome;

export interface Submission {
  /** Once it is done, without its settings. */
  line: SubmittedLine;
  /** It is on the disk: nobody conducts what a restart would not know of. */
  isSafe: boolean;
  /** Somebody wants it to end. */
  isCancelled: boolean;
  /** It is conducted now; no journal says that. */
  isActive: boolean;
  end: { outcome: Outcome; exitCode: number; message: string; time: number } | undefined;
}

export function stateOf({ end, isActive, isCancelled }: Submission): SubmissionState {
  if (end !== undefined) return end.outcome;
  if (isCancelled) return "cancelling";
  return isActive ? "running" : "waiting";
}

export class QueueBook {
  readonly #all = new Map<string, Submission>();
  readonly #byKey = new Map<string, Submission>();
  #settings = 0;

  /** In the order in which they came. */
  get submissions(): Submission[] {
    return [...this.#all.values()];
  }

  get(id: string): Submission | undefined {
    return this.#all.get(id);
  }

  /** The submission that a request with this key has made before. */
  withKey(key: string, user: string): Submission | undefined {
    const found = this.#byKey.get(key);
    return found?.line.user === user ? found : undefined;
  }

  /** Returns why a line does not count; undefined where it does. */
  apply(line: QueueLine): string | undefined {
    if (line.kind === "opened") return undefined;
    if (line.kind === "submitted") return this.#submitted(line);
    const found = this.#all.get(line.id);
    if (found === undefined) return `there is no submission ${line.id}`;
    if (line.kind === "resumed") return this.#resumed(found);
    if (found.end !== undefined) return `${line.id} has ended: ${found.end.outcome}`;
    if (line.kind === "cancelled") found.isCancelled = true;
    else {
      const { outcome, exit_code: exitCode, message, time } = line;
      found.end = { outcome, exitCode, message, time };
      found.isActive = false;
      if (outcome === "done") this.#forgetSettings(found);
    }
    return undefined;
  }

  #submitted(line: SubmittedLine): string | undefined {
    if (this.#all.has(line.id)) return `there is a submission ${line.id} already`;
    const submission: Submission = {
      line,
      isSafe: true,
      isCancelled: false,
      isActive: false,
      end: undefined,
    };
    this.#all.set(line.id, submission);
    this.#byKey.set(line.key, submission);
    this.#settings += sizeOf(line);
    return undefined;
  }

  /** Nobody resumes it. */
  #forgetSettings(submission: Submission): void {
    this.#settings -= sizeOf(submission.line);
    submission.line = { ...submission.line, spec: {} };
  }

  #resumed(submission: Submission): string | undefined {
    const { id } = submission.line;
    if (submission.end === undefined) return `${id} has not ended`;
    if (submission.end.outcome === "done") return `${id} is done`;
    submission.end = undefined;
    submission.isCancelled = false;
    return undefined;
  }

  /** Why no more is taken in; undefined where it is. */
  get isFull(): string | undefined {
    const open = this.submissions.filter(({ end }) => end === undefined).length;
    if (open >= MOST_OPEN) return `${open} submissions have not ended: no more are taken in before one has`;
    if (this.#all.size >= MOST_EVER)
      return `this queue has had ${this.#all.size} submissions: start the coordinator with a new folder`;
    if (this.#settings >= MOST_SETTINGS)
      return "the settings of what has not ended well fill the memory that is for them: no more are taken in before some has";
    return undefined;
  }

  /** Its own name among all that there ever were. `isThere`: what else is in the folder. */
  nameFor(wanted: string, isThere: (name: string) => boolean): string {
    const has = (name: string): boolean =>
      this.#all.has(name) || RESERVED_FOLDERS.includes(name) || isThere(name);
    return distinctName(wanted, { has });
  }

  /** What is to be conducted now, and is not yet. */
  next(): Submission[] {
    const open = this.submissions.filter(({ end }) => end === undefined);
    const room = MOST_AT_ONCE - open.filter(({ isActive }) => isActive).length;
    const waiting = open.filter(({ isSafe, isActive, isCancelled }) => isSafe && !isActive && !isCancelled);
    return waiting.slice(0, Math.max(0, room));
  }

  /** Those that somebody has ended while nobody conducted them: before a restart, or before their turn. */
  cancelledIdle(): Submission[] {
    return this.submissions.filter(
      ({ end, isActive, isCancelled }) => end === undefined && isCancelled && !isActive,
    );
  }
}

function sizeOf({ spec }: SubmittedLine): number {
  return JSON.stringify(spec).length;
}
