/** Which refusals were told: all chunks of a push may be refused for one reason, and one line says it. */
import type { ChunkHeader } from "../shared/core/chunk.js";
import type { Refusal } from "../shared/metrics.js";

/** More than a pool has workers. */
const MOST_WORKERS = 1000;

interface ToldPush {
  push: string;
  reasons: Set<Refusal>;
}

export class RefusedPushes {
  /** The newest refused push of each worker. */
  readonly #told = new Map<string, ToldPush>();

  /** Is this the first chunk of its push that is refused for this reason? */
  isFirst(workerId: string, header: ChunkHeader, why: Refusal): boolean {
    const push = [header.runHash, header.kind, header.step, header.node, header.attempt].join(" ");
    const known = this.#told.get(workerId);
    if (known?.push === push) {
      const isNew = !known.reasons.has(why);
      known.reasons.add(why);
      return isNew;
    }
    if (known === undefined && this.#told.size >= MOST_WORKERS) this.#told.clear();
    this.#told.set(workerId, { push, reasons: new Set([why]) });
    return true;
  }
}
