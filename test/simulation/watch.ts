/** Looks on and says what must never happen: the first violation ends the simulation. */
import { hashOf } from "../../shared/io/hash.js";
import type { TaskRecord } from "../../shared/records/task.js";
import type { LeaseBook } from "../../coordinator/leases/book.js";
import type { CommittedStep } from "../../coordinator/training/training-types.js";
import { decodeChunk, roundedInChunk, valuesOfChunk } from "../../shared/core/chunk.js";
import { codecOf, encodedLength, readBody } from "../../shared/core/codec.js";
import { stepImages } from "../../shared/core/schedule.js";
import { runHashOf } from "../../shared/run-hash.js";
import { printOf } from "./arithmetic.js";
import { problemOf } from "./book-problems.js";
import type { Reference } from "./reference.js";
import type { SimulatedDisk } from "./disk.js";

/** From the decision that a run has diverged to its end: journals are closed in between. */
const LONE_MS = 2000;

export class Watch {
  violation: string | undefined;
  readonly now: () => number;
  /** Workers whose values are not finite now and then. */
  readonly spoilers: number;
  /** When anything was last committed, measured or ended. */
  progressMs = 0;
  committed = 0;
  measured = 0;
  readonly commitsMs: number[] = [];
  leased = 0;
  needed = 0;
  /** How many times as much as usual there may be of anything. */
  readonly crowd: number;
  /** Of the coordinators that live, by their names. */
  readonly witnesses = new Map<string, Witness>();

  constructor(now: () => number, { spoilers, crowd }: { spoilers: number; crowd: number }) {
    this.now = now;
    this.spoilers = spoilers;
    this.crowd = crowd;
  }

  violate(text: string): void {
    this.violation ??= text;
  }

  check(holds: boolean, text: () => string): void {
    if (!holds) this.violate(text());
  }

  /** After each event: nothing is leased to nobody, and nobody holds what the book does not know. */
  leases(): void {
    for (const witness of this.witnesses.values()) witness.leases();
  }
}

/** One run, as the simulation looks at it. */
interface Watched {
  reference: Reference;
  /** A checkpoint of so many steps was written: nothing may be lost of those. */
  safeStep: number;
}

/** The runs of one directory, whichever coordinator conducts them. */
export class WatchedRuns {
  readonly #watch: Watch;
  readonly #runs = new Map<string, Watched>();
  /** Runs that are at their end, and those whose weights were found to be right there. */
  readonly #over = new Set<string>();
  readonly #right = new Set<string>();

  constructor(watch: Watch, references: ReadonlyMap<string, Reference>) {
    this.#watch = watch;
    for (const [runId, reference] of references) this.#runs.set(runId, { reference, safeStep: 0 });
  }

  get isComplete(): boolean {
    return this.#over.size === this.#runs.size && this.#right.size === this.#runs.size;
  }

  get unfinished(): string[] {
    return [...this.#runs.keys()].filter((runId) => !this.#over.has(runId));
  }

  of(runId: string): Watched {
    return this.#runs.get(runId) as Watched;
  }

  named(runHash: string): string | undefined {
    return [...this.#runs.keys()].find((runId) => runHashOf(runId) === runHash);
  }

  ended(runId: string): void {
    this.#over.add(runId);
  }

  /** What the results say of the weights in the end. */
  weights(runId: string, weightsSha256: string | undefined): void {
    const { reference } = this.of(runId);
    this.#right.add(runId);
    this.#watch.check(
      weightsSha256 === hashOf(reference.weights(reference.steps)),
      () => `${runId} ended with other weights than without faults`,
    );
  }

  /** A journal in the end: what was appended behind a torn line must not have joined it. */
  journal(runId: string, disk: SimulatedDisk, file: string): void {
    for (const line of linesOf(disk, file))
      this.#watch.check(
        isJson(line),
        () => `${runId}: ${file} holds a line that is none: ${line.slice(0, 200)}`,
      );
  }

  /** What the coordinator's disk holds in the end. */
  ledger(runId: string, disk: SimulatedDisk, file: string): void {
    const { reference } = this.of(runId);
    const steps = linesOf(disk, file).map((line) => (JSON.parse(line) as { step: number }).step);
    this.#watch.check(
      steps.length === reference.steps && steps.every((step, i) => step === i),
      () => `${runId}: the ledger holds steps ${steps.join(", ")}, expected 0 to ${reference.steps - 1}`,
    );
  }
}

/** What one coordinator tells, from its start to its end. */
export class Witness {
  readonly #watch: Watch;
  readonly #runs: WatchedRuns;
  readonly #isEvaluating: boolean;
  /** By run: the step to be committed next; also how many steps its weights have. */
  readonly #nextStep = new Map<string, number>();
  book: (() => LeaseBook) | undefined;
  #seenBook: LeaseBook | undefined;
  /** Leases that it was seen to give. */
  #leased = 0;
  /** When the pool last held less than two workers. */
  #loneMs = 0;

  /** `isEvaluating`: it trains nothing, so its end is not that of a run. */
  constructor(watch: Watch, runs: WatchedRuns, isEvaluating: boolean) {
    this.#watch = watch;
    this.#runs = runs;
    this.#isEvaluating = isEvaluating;
  }

  violate(text: string): void {
    this.#watch.violate(text);
  }

  leases(): void {
    const book = this.book?.();
    if (book === undefined || book === this.#seenBook) return;
    this.#seenBook = book;
    if (book.members.size < 2) this.#loneMs = this.#watch.now();
    this.#watch.leased += book.nextLease - (this.#leased + 1);
    this.#leased = book.nextLease - 1;
    const problem = problemOf(book, this.#watch.crowd);
    if (problem !== undefined) this.violate(problem);
  }

  /** It begins or goes on with a run. */
  opened(runId: string, step: number): void {
    const { safeStep } = this.#runs.of(runId);
    this.#watch.check(
      step >= safeStep,
      () => `${runId} goes on at step ${step}, though a checkpoint of step ${safeStep} was written`,
    );
    this.#nextStep.set(runId, step);
  }

  /** Of the weights as they are now. */
  checkpointWritten(runId: string): void {
    const run = this.#runs.of(runId);
    run.safeStep = Math.max(run.safeStep, this.#stepOf(runId));
  }

  #stepOf(runId: string): number {
    return this.#nextStep.get(runId) ?? 0;
  }

  commit(runId: string, step: CommittedStep): void {
    const watch = this.#watch;
    const { reference } = this.#runs.of(runId);
    const expected = this.#stepOf(runId);
    watch.progressMs = watch.now();
    watch.committed++;
    watch.commitsMs.push(watch.now());
    watch.needed += step.blocks.length;
    watch.check(step.step === expected, () => `${runId} committed step ${step.step}, expected ${expected}`);
    this.#nextStep.set(runId, step.step + 1);
    const sums = reference.sums(step.step);
    const images = stepImages(reference.plan, step.step);
    const [told, right] = [
      [step.samples, step.hits, step.loss * step.samples, step.firstImage, step.endImage],
      [sums.samples, sums.hits, sums.loss, images.first, images.end],
    ].map((values) => values.map((value) => value?.toFixed(3)).join(", "));
    watch.check(
      told === right,
      () => `${runId} step ${step.step} came to ${told} (samples, hits, loss, images), expected ${right}`,
    );
    this.#slotsOnce(runId, step, reference.plan.slots);
  }

  #slotsOnce(runId: string, { step, blocks }: CommittedStep, slots: number): void {
    const counts = new Array<number>(slots).fill(0);
    for (const { first, count, worker } of blocks) {
      this.#watch.check(worker !== "", () => `${runId} step ${step}: nobody computed slots from ${first} on`);
      for (let slot = first; slot < first + count; slot++) counts[slot] = (counts[slot] ?? 0) + 1;
    }
    this.#watch.check(
      counts.length === slots && counts.every((count) => count === 1),
      () => `${runId} step ${step}: its slots counted ${counts.join(", ")} times`,
    );
  }

  /** Every frame of parameters that is broadcast holds the weights of its version. */
  broadcast(frame: Uint8Array): void {
    const decoded = decodeChunk(frame);
    if (!decoded.ok) return this.violate(`A broadcast frame is broken: ${decoded.reason}`);
    const { header, body } = decoded;
    const runId = this.#runs.named(header.runHash);
    if (runId === undefined) return this.violate("A broadcast frame is of no run");
    const { reference } = this.#runs.of(runId);
    const right = valuesOfChunk(reference.trainedWith(header.step), header.chunk);
    const rounded = roundedInChunk(header.totalBytes, header.chunk, reference.rounded);
    const found = new Float32Array(right.length);
    const isWhole = body.byteLength === encodedLength(right.length, rounded);
    if (isWhole) readBody(found, body, rounded);
    this.#watch.check(
      isWhole && header.codec === codecOf(reference.rounded) && printOf(found) === printOf(right),
      () => `${runId}: chunk ${header.chunk} of version ${header.step} is broadcast with wrong weights`,
    );
  }

  /** A run ends because values are not finite: two workers must agree on that, or nobody else could be asked. */
  diverged(runId: string): void {
    const { spoilers, now } = this.#watch;
    const isAgreed = spoilers > 1 || (spoilers === 1 && now() - this.#loneMs < LONE_MS);
    this.#watch.check(isAgreed, () => `${runId} ended as diverged, though others could be asked`);
  }

  task(runId: string, { task, outcomes, diagnostics }: TaskRecord): void {
    this.#watch.progressMs = this.#watch.now();
    this.#watch.measured++;
    this.#watch.needed++;
    const right = this.#runs.of(runId).reference.findings(this.#stepOf(runId), task);
    const told = textOf(outcomes, diagnostics);
    const expected = textOf(right.outcomes, right.diagnostics);
    this.#watch.check(
      told === expected,
      () => `${runId} task ${task.id} of ${task.measure.how} came to ${told}, expected ${expected}`,
    );
  }

  ended(runId: string): void {
    this.#watch.progressMs = this.#watch.now();
    if (!this.#isEvaluating) this.#runs.ended(runId);
  }

  /** What its results say of the weights. */
  weights(runId: string, weightsSha256: string | undefined): void {
    if (!this.#isEvaluating) this.#runs.weights(runId, weightsSha256);
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
