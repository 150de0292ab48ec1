/** Leases that wait to be served, in the order in which they came. */
import type { Lease } from "./lease.js";

export class LeaseQueue {
  readonly #waiting: Lease[] = [];
  readonly #stopping: AbortSignal;
  #newest = { term: 0, leaseId: 0 };
  readonly #listeners = new Set<() => void>();

  constructor(stopping: AbortSignal) {
    this.#stopping = stopping;
    stopping.addEventListener("abort", () => this.#tellAll(), { once: true });
  }

  /** A lease is served once: numbers grow within a term, and a copy of a command comes with a known one. */
  put(lease: Lease): void {
    const { term, leaseId } = lease.order;
    if (term === this.#newest.term && leaseId <= this.#newest.leaseId) return;
    this.#newest = { term, leaseId };
    this.#waiting.push(lease);
    this.#tellAll();
  }

  /** Forgets what waits. */
  clear(): void {
    this.#waiting.length = 0;
  }

  /** False when it does not wait. */
  remove(leaseId: number): boolean {
    const at = this.#waiting.findIndex(({ order }) => order.leaseId === leaseId);
    if (at >= 0) this.#waiting.splice(at, 1);
    return at >= 0;
  }

  /** Takes the first lease, once there is one. Undefined when the worker stops. */
  async next(): Promise<Lease | undefined> {
    while (!this.#stopping.aborted) {
      const lease = this.#waiting.shift();
      if (lease !== undefined) return lease;
      await this.arrival();
    }
    return undefined;
  }

  /** Resolves when a lease waits, and when the worker stops. */
  arrival(): Promise<void> {
    if (this.#waiting.length > 0 || this.#stopping.aborted) return Promise.resolve();
    return new Promise((resolve) => this.#listeners.add(resolve));
  }

  #tellAll(): void {
    const listeners = [...this.#listeners];
    this.#listeners.clear();
    for (const tell of listeners) tell();
  }
}
