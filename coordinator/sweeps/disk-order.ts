/**
 * What a sweep leaves on the disk, in an order that a kill may cut off anywhere: what a line of the journal speaks of is
 * safe before the line is written, and what no line needs any more goes when that is safe in the journal.
 */
import type { SweepLine } from "../../shared/records/sweep-line.js";

export interface DiskOrderEdges {
  /** Lines, in their order; they need not be safe yet. */
  append: (lines: readonly SweepLine[]) => void;
  /** Resolves when everything appended so far is safe. Throws ClusterError("storage"). */
  flush: () => Promise<void>;
  /** The disk refuses lines, or what one speaks of: neither that one nor any behind it is written. Called once. */
  onRefused: (error: unknown) => void;
}

export class DiskOrder {
  readonly #edges: DiskOrderEdges;
  /** Lines come one behind the other. */
  #writing: Promise<void> = Promise.resolve();
  /** Of those, so many have not been appended. */
  #waiting = 0;
  #isRefused = false;
  /** Not under way yet. */
  #removals: (() => Promise<void>)[] = [];
  #removing: Promise<void> | undefined;

  constructor(edges: DiskOrderEdges) {
    this.#edges = edges;
  }

  /** `first` makes safe what the lines speak of. */
  write(lines: readonly SweepLine[], first?: () => Promise<void>): void {
    if (first === undefined && this.#waiting === 0) {
      if (!this.#isRefused && lines.length > 0) this.#edges.append(lines);
      return;
    }
    this.#waiting++;
    this.#writing = this.#writing.then(async () => {
      await this.#writeNext(lines, first);
      this.#waiting--;
    });
  }

  async #writeNext(lines: readonly SweepLine[], first?: () => Promise<void>): Promise<void> {
    if (this.#isRefused) return;
    try {
      await first?.();
      this.#edges.append(lines);
    } catch (error) {
      this.#refuse(error);
    }
  }

  #refuse(error: unknown): void {
    if (this.#isRefused) return;
    this.#isRefused = true;
    this.#edges.onRefused(error);
  }

  /** When all lines written so far are safe. Removals wait for one another, so that a batch of them costs one fsync. */
  remove(removal: () => Promise<void>): void {
    this.#removals.push(removal);
    this.#removing ??= this.#removeAll().finally(() => (this.#removing = undefined));
  }

  async #removeAll(): Promise<void> {
    while (this.#removals.length > 0) {
      const due = this.#removals;
      this.#removals = [];
      await this.#writing;
      if (!this.#isRefused) await this.#edges.flush().catch((error: unknown) => this.#refuse(error));
      // Whoever goes on later finds what is left here, and that nobody wants it.
      if (this.#isRefused) return;
      for (const removal of due) await removal();
    }
  }

  /** Resolves when nothing is under way. */
  async settled(): Promise<void> {
    await this.#writing;
    await this.#removing;
  }
}
