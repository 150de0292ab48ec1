/**
 * A coordinator's queue: it takes work in while it runs, conducts it side by side on the one pool, and goes on after a
 * restart with what had not ended. What a submitter was told is on the disk.
 */
import { ClusterError, EXIT_CODES, exitCodeOf, wordsOf } from "../../shared/errors.js";
import type { Outcome, QueueLine, SubmittedLine, WorkKind } from "../../shared/records/queue-line.js";
import { redact } from "../../shared/redact.js";
import type { RunFailure } from "../runs/source.js";
import type { QueueBook, Submission } from "./book.js";
import { type Work, wantedName, workOf } from "./work.js";

/** How conducted work ended: what failed while the rest went on. */
export interface WorkEnd {
  failed: Readonly<Record<string, RunFailure>>;
  interrupted: boolean;
}

export interface QueueJournal {
  /** Not safe yet. */
  append(line: QueueLine): void;
  /** Resolves when all of it is safe. Throws ClusterError("storage"). */
  flush(): Promise<void>;
}

export interface QueueEdges {
  /** As the journal has it. */
  book: QueueBook;
  journal: QueueJournal;
  /** Is there something of this name beside the submissions' folders? */
  isThere: (name: string) => boolean;
  /** Its workers are emulated, and so is the work that it takes. */
  isEmulated: boolean;
  /** Milliseconds since 1970. */
  wallClock: () => number;
  /** Until it ends, or the signal comes. Throws ClusterError. `others`: how many are conducted besides. */
  conduct: (id: string, work: Work, how: { signal: AbortSignal; others: () => number }) => Promise<WorkEnd>;
  note: (level: "info" | "warning", message: string) => void;
}

/** What somebody hands in. */
export interface Request {
  key: string;
  work: WorkKind;
  spec: Record<string, unknown>;
  share?: number | undefined;
  priority?: number | undefined;
}

function refuseUnknown(book: QueueBook, id: string): void {
  if (book.get(id) !== undefined) return;
  throw new ClusterError("usage", `There is no submission "${id}" whose weights could be measured`, {
    hint: "saf list shows all of them",
  });
}

/** Its exit code, as if a signal had ended it. */
const CANCELLED = 130;
/** Of a message that is kept and shown. */
const LONGEST_MESSAGE = 1000;

export class Queue {
  readonly #edges: QueueEdges;
  /** By id: what ends one that is conducted, and resolves when it has ended. */
  readonly #active = new Map<string, { end: AbortController; ended: Promise<void> }>();
  #signal: AbortSignal | undefined;

  constructor(edges: QueueEdges) {
    this.#edges = edges;
  }

  get book(): QueueBook {
    return this.#edges.book;
  }

  /** Resolves after the signal, when everything that was conducted has come to a clean end. */
  async conduct(signal: AbortSignal): Promise<void> {
    this.#signal = signal;
    this.#look();
    if (!signal.aborted)
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
    for (const { end } of this.#active.values()) end.abort();
    await Promise.all([...this.#active.values()].map(({ ended }) => ended));
    await this.#edges.journal.flush();
  }

  /** Have it the same again for the same key. Throws ClusterError: "config", "usage" (the queue is full), "storage". */
  async submit(user: string, { key, work, spec, share, priority }: Request): Promise<Submission> {
    const { book, isThere, isEmulated } = this.#edges;
    const known = book.withKey(key, user);
    if (known !== undefined) {
      await this.#edges.journal.flush();
      return known;
    }
    if (book.isFull !== undefined) throw new ClusterError("usage", book.isFull);
    const wanted = workOf({ work, spec, share, priority }, isEmulated);
    if (wanted.kind === "evaluation") refuseUnknown(book, wanted.order.of);
    const id = book.nameFor(wantedName(wanted), isThere);
    const line: SubmittedLine = {
      ...{ kind: "submitted", id, key, user, work, spec, time: this.#nowS() },
      ...(share === undefined ? {} : { share }),
      ...(priority === undefined ? {} : { priority }),
    };
    const submission = this.#apply(line);
    submission.isSafe = false;
    await this.#edges.journal.flush().catch((error: unknown) => {
      // The line may still come to the disk; a restart must not take up what was refused.
      this.#end(submission, "failed", exitCodeOf(error), wordsOf(error));
      throw error;
    });
    submission.isSafe = true;
    this.#edges.note("info", `${user} submitted ${work} ${id}`);
    this.#look();
    return submission;
  }

  /** It comes to a clean end, from which it can go on; a request that is sent again changes nothing. Throws as `resume`. */
  async cancel(user: string, id: string): Promise<Submission> {
    const submission = this.#owned(user, id);
    const { end } = submission;
    if (end !== undefined && end.outcome !== "cancelled")
      throw new ClusterError("usage", `${id} has ended: ${end.outcome}`);
    if (end === undefined && !submission.isCancelled)
      this.#apply({ kind: "cancelled", id, user, time: this.#nowS() });
    this.#active.get(id)?.end.abort();
    this.#look();
    await this.#edges.journal.flush();
    return submission;
  }

  /** It goes on where it ended; a request that is sent again changes nothing. Throws ClusterError: "usage", "storage". */
  async resume(user: string, id: string): Promise<Submission> {
    const submission = this.#owned(user, id);
    const { end, isCancelled } = submission;
    if (end === undefined && isCancelled)
      throw new ClusterError("usage", `${id} is coming to its end; it can go on when it has`);
    if (end !== undefined) this.#apply({ kind: "resumed", id, user, time: this.#nowS() });
    await this.#edges.journal.flush();
    this.#look();
    return submission;
  }

  #owned(user: string, id: string): Submission {
    const found = this.#edges.book.get(id);
    if (found === undefined)
      throw new ClusterError("usage", `There is no submission "${id.slice(0, 64)}"`, {
        hint: "saf list shows all of them",
      });
    if (found.line.user === user) return found;
    throw new ClusterError("usage", `${id} was submitted by ${found.line.user}: nobody else may change it`);
  }

  // ---- Conducting ---------------------------------------------------------------------------------------------

  /** Begins what is to begin now. */
  #look(): void {
    if (this.#signal === undefined || this.#signal.aborted) return;
    for (const submission of this.#edges.book.cancelledIdle()) this.#endCancelled(submission);
    for (const submission of this.#edges.book.next()) this.#begin(submission);
  }

  #begin(submission: Submission): void {
    const { id } = submission.line;
    submission.isActive = true;
    const end = new AbortController();
    const ended = this.#conducted(submission, end.signal).then(() => {
      submission.isActive = false;
      this.#active.delete(id);
      this.#look();
    });
    this.#active.set(id, { end, ended });
  }

  /** Never rejects: what becomes of one concerns no other. */
  async #conducted(submission: Submission, signal: AbortSignal): Promise<void> {
    const { conduct, isEmulated } = this.#edges;
    const { id } = submission.line;
    try {
      const others = (): number => this.#active.size - 1;
      const { failed, interrupted } = await conduct(id, workOf(submission.line, isEmulated), {
        signal,
        others,
      });
      if (!interrupted) this.#endDone(submission, failed);
      else if (submission.isCancelled) this.#endCancelled(submission);
    } catch (error) {
      this.#end(submission, "failed", exitCodeOf(error), wordsOf(error));
    }
  }

  #endDone(submission: Submission, failed: WorkEnd["failed"]): void {
    const [first, ...more] = Object.entries(failed);
    if (first === undefined) {
      this.#end(submission, "done", 0, "done");
      return;
    }
    const others = more.length === 0 ? "" : `, and ${more.length} more`;
    this.#end(
      submission,
      "done",
      EXIT_CODES.trials,
      `done, but ${first[0]} failed: ${first[1].message}${others}`,
    );
  }

  #endCancelled(submission: Submission): void {
    const { id } = submission.line;
    this.#end(submission, "cancelled", CANCELLED, `cancelled; saf submit --resume ${id} goes on with it`);
  }

  /** Safe a moment later: a restart before that conducts it once more, which finds everything done. */
  #end(submission: Submission, outcome: Outcome, exitCode: number, message: string): void {
    const { id } = submission.line;
    const told = redact(message).slice(0, LONGEST_MESSAGE);
    this.#apply({ kind: "ended", id, outcome, exit_code: exitCode, message: told, time: this.#nowS() });
    this.#edges.note(
      outcome === "failed" ? "warning" : "info",
      `${id}: ${outcome === "failed" ? "failed: " : ""}${told}`,
    );
  }

  #apply(line: Exclude<QueueLine, { kind: "opened" }>): Submission {
    const { book, journal } = this.#edges;
    const refused = book.apply(line);
    const submission = book.get(line.id);
    if (refused !== undefined || submission === undefined)
      throw new ClusterError("usage", refused ?? `There is no submission ${line.id}`);
    journal.append(line);
    return submission;
  }

  #nowS(): number {
    return this.#edges.wallClock() / 1000;
  }
}
