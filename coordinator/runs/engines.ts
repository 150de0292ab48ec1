/** Which engines computed a run's committed steps, and on which workers (engines.json); ledger.jsonl names them by id. */
import { type EngineFingerprint, fingerprintId } from "../../shared/fingerprint.js";
import type { CommittedStep } from "../training/training-types.js";
import type { RunStorage } from "./storage.js";

export const ENGINES = "engines.json";

/** An entry of engines.json. */
export interface EngineRecord extends EngineFingerprint {
  id: string;
  workers: string[];
}

type Documents = Pick<RunStorage, "readJson" | "writeJson">;

/**
 * In the order in which they came; none where no checkpoint was written yet, or by a version before November 2026. What is no
 * record is left out.
 */
export async function recordedEngines(storage: Pick<Documents, "readJson">): Promise<EngineRecord[]> {
  const found = await storage.readJson<unknown>(ENGINES).catch(() => []);
  return Array.isArray(found) ? found.filter(isRecord) : [];
}

function isRecord(value: unknown): value is EngineRecord {
  if (typeof value !== "object" || value === null) return false;
  const { id, engine, version, device, flags, cpu, sample, workers } = value as Partial<EngineRecord>;
  return (
    [id, engine, version, device, sample].every((text) => typeof text === "string") &&
    [flags, cpu, workers].every((list) => Array.isArray(list))
  );
}

export class RunEngines {
  readonly #storage: Documents;
  readonly #records: Map<string, EngineRecord>;
  #isWritten = true;
  #writing: Promise<void> = Promise.resolve();

  private constructor(storage: Documents, records: readonly EngineRecord[]) {
    this.#storage = storage;
    this.#records = new Map(records.map((record) => [record.id, record]));
  }

  /** `isFresh`: nothing that was computed before is kept. */
  static async open(storage: Documents, isFresh: boolean): Promise<RunEngines> {
    return new RunEngines(storage, isFresh ? [] : await recordedEngines(storage));
  }

  committed({ blocks }: Pick<CommittedStep, "blocks">): void {
    for (const { engine, worker } of blocks) {
      const id = fingerprintId(engine);
      const record = this.#records.get(id) ?? { id, ...engine, workers: [] };
      if (record.workers.includes(worker)) continue;
      this.#records.set(id, { ...record, workers: [...record.workers, worker].sort() });
      this.#isWritten = false;
    }
  }

  /** Resolves when all that committed so far are on the disk, whoever writes them. Throws ClusterError("storage"). */
  flush(): Promise<void> {
    const turn = this.#writing.then(() => this.#write());
    this.#writing = turn.catch(() => undefined);
    return turn;
  }

  async #write(): Promise<void> {
    if (this.#isWritten) return;
    // Of one that commits meanwhile, the next turn writes.
    this.#isWritten = true;
    try {
      await this.#storage.writeJson(ENGINES, [...this.#records.values()]);
    } catch (error) {
      this.#isWritten = false;
      throw error;
    }
  }
}
