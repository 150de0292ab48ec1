/** Looks on and says what must never happen: the first violation ends the simulation. */
import { hashOf } from "../../shared/io/hash.js";
import type { TaskRecord } from "../../shared/records/task.js";
import type { LeaseBook } from "../../coordinator/leases/book.js";
import type { CommittedStep } from "../../coordinator/training/training-types.js";
import { decodeChunk } from "../../shared/core/chunk.js";
import { stepImages } from "../../shared/core/schedule.js";
import { runHashOf } from "../../shared/run-hash.js";
import { problemOf } from "./book-problems.js";
import type { Reference } from "./reference.js";
import type { SimulatedDisk } from "./disk.js";

/** One run, as the simulation looks at it. */
interface Watched {
  runId: string;
  reference: Reference;
  /** The step that must be committed next by the coordinator of now; also how many steps its weights have. */
  nextStep: number;
  /** A checkpoint of so many steps was written: nothing may be lost of those. */
  safeStep: number;
}

/** From the decision that a run has diverged to its end: journals are closed in between. */
const LONE_MS = 2000;

export class Watch {
  violation: string | undefined;
  /** The book of the coordinator of now. */
  book: (() => LeaseBook) | undefined;
  #seenBook: LeaseBook | undefined;
  /** When the pool last held less than two workers. */
  #loneMs = 0;
  readonly #runs = new Map<string, Watched>();
  readonly #now: () => number;
  /** Workers whose values are not finite now and then. */
  readonly spoilers: number;
  /** When anything was last committed, measured or ended. */
  progressMs = 0;
  committed = 0;
  measured = 0;
  /** Runs that are at their end, and those whose weights were found to be right there. */
  readonly over = new Set<string>();
  readonly #right = new Set<string>();

  constructor(now: () => number, spoilers: number) {
    this.#now = now;
    this.spoilers = spoilers;
  }

  add(runId: string, reference: Reference): void {
    this.#runs.set(runId, { runId, reference, nextStep: 0, safeStep: 0 });
  }

  get isComplete(): boolean {
    return this.over.size === this.#runs.size && this.#right.size === this.#runs.size;
  }

  violate(text: string): void {
    this.violation ??= text;
  }

  #check(holds: boolean, text: () => string): void {
    if (!holds) this.violate(text());
  }

  #of(runId: string): Watched {
    return this.#runs.get(runId) as Watched;
  }

  /** A coordinator begins or goes on with a run. */
  opened(runId: string, step: number): void {
    const run = this.#of(runId);
    this.#check(
      step >= run.safeStep,
      () => `${runId} goes on at step ${step}, though a checkpoint of step ${run.safeStep} was written`,
    );
    run.nextStep = step;
  }

  /** Of the weights as they are now. */
  checkpointWritten(runId: string): void {
    const run = this.#of(runId);
    run.safeStep = Math.max(run.safeStep, run.nextStep);
  }

  commit(runId: string, step: CommittedStep): void {
    const run = this.#of(runId);
    const { reference } = run;
    this.progressMs = this.#now();
    this.committed++;
    this.#check(
      step.step === run.nextStep,
      () => `${runId} committed step ${step.step}, expected ${run.nextStep}`,
    );
    run.nextStep = step.step + 1;
    const sums = reference.sums(step.step);
    const images = stepImages(reference.plan, step.step);
    const [told, right] = [
      [step.samples, step.hits, step.loss * step.samples, step.firstImage, step.endImage],
      [sums.samples, sums.hits, sums.loss, images.first, images.end],
    ].map((values) => values.map((value) => value?.toFixed(3)).join(", "));
    this.#check(
      told === right,
      () => `${runId} step ${step.step} came to ${told} (samples, hits, loss, images), expected ${right}`,
    );
    this.#slotsOnce(runId, step, reference.plan.slots);
  }

  #slotsOnce(runId: string, { step, blocks }: CommittedStep, slots: number): void {
    const counts = new Array<number>(slots).fill(0);
    for (const { first, count, worker } of blocks) {
      this.#check(worker !== "", () => `${runId} step ${step}: nobody computed slots from ${first} on`);
      for (let slot = first; slot < first + count; slot++) counts[slot] = (counts[slot] ?? 0) + 1;
    }
    this.#check(
      counts.length === slots && counts.every((count) => count === 1),
      () => `${runId} step ${step}: its slots counted ${counts.join(", ")} times`,
    );
  }

  /** After each event: nothing is leased to nobody, and nobody holds what the book does not know. */
  leases(): void {
    const book = this.book?.();
    if (book === undefined || book === this.#seenBook) return;
    this.#seenBook = book;
    if (book.members.size < 2) this.#loneMs = this.#now();
    const problem = problemOf(book);
    if (problem !== undefined) this.violate(problem);
  }

  /** Every frame of parameters that is broadcast holds the weights of its version. */
  broadcast(frame: Uint8Array): void {
    const decoded = decodeChunk(frame);
    if (!decoded.ok) return this.violate(`A broadcast frame is broken: ${decoded.reason}`);
    const { header, body } = decoded;
    const run = [...this.#runs.values()].find(({ runId }) => runHashOf(runId) === header.runHash);
    if (run === undefined) return this.violate("A broadcast frame is of no run");
    const right = run.reference.weights(header.step);
    const bytes = new Uint8Array(right.buffer, header.offset, body.byteLength);
    this.#check(
      Buffer.compare(bytes, body) === 0,
      () => `${run.runId}: chunk ${header.chunk} of version ${header.step} is broadcast with wrong weights`,
    );
  }

  /** A run ends because values are not finite: two workers must agree on that, or nobody else could be asked. */
  diverged(runId: string): void {
    const isAgreed = this.spoilers > 1 || (this.spoilers === 1 && this.#now() - this.#loneMs < LONE_MS);
    this.#check(isAgreed, () => `${runId} ended as diverged, though others could be asked`);
  }

  task(runId: string, { task, outcomes, diagnostics }: TaskRecord): void {
    this.progressMs = this.#now();
    this.measured++;
    const { reference, nextStep: version } = this.#of(runId);
    const right = reference.findings(version, task);
    const told = textOf(outcomes, diagnostics);
    const expected = textOf(right.outcomes, right.diagnostics);
    this.#check(
      told === expected,
      () => `${runId} task ${task.id} of ${task.measure.how} came to ${told}, expected ${expected}`,
    );
  }

  ended(runId: string): void {
    this.progressMs = this.#now();
    this.over.add(runId);
  }

  /** What the results say of the weights in the end. */
  weights(runId: string, weightsSha256: string | undefined): void {
    const { reference } = this.#of(runId);
    this.#right.add(runId);
    this.#check(
      weightsSha256 === hashOf(reference.weights(reference.steps)),
      () => `${runId} ended with other weights than without faults`,
    );
  }

  /** A journal in the end: what was appended behind a torn line must not have joined it. */
  journal(runId: string, disk: SimulatedDisk, file: string): void {
    for (const line of linesOf(disk, file))
      this.#check(isJson(line), () => `${runId}: ${file} holds a line that is none: ${line.slice(0, 200)}`);
  }

  /** What the coordinator's disk holds in the end. */
  ledger(runId: string, disk: SimulatedDisk, file: string): void {
    const { reference } = this.#of(runId);
    const steps = linesOf(disk, file).map((line) => (JSON.parse(line) as { step: number }).step);
    this.#check(
      steps.length === reference.steps && steps.every((step, i) => step === i),
      () => `${runId}: the ledger holds steps ${steps.join(", ")}, expected 0 to ${reference.steps - 1}`,
    );
  }
}

/** What was found of each image, and of the network. */
function textOf(outcomes: readonly Told[], diagnostics: TaskRecord["diagnostics"]): string {
  const answers = outcomes.map(({ strength, predictions, confidences, wrong, distances }) =>
    [strength, ...predictions, ...confidences, ...wrong, ...distances].join(" "),
  );
  return JSON.stringify({ answers, diagnostics });
}

type Told = Omit<TaskRecord["outcomes"][number], "origins">;

function linesOf(disk: SimulatedDisk, file: string): string[] {
  const node = disk.find(file);
  const text = node?.kind === "file" ? new TextDecoder().decode(node.bytes) : "";
  return text.split("\n").filter((line) => line !== "");
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
