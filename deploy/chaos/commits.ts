/** When steps are committed, seen on the bus as the workers see it: each commit brings the next version of the weights. */
import type { Clock } from "../../shared/clock.js";
import { type ChunkHeader, decodeChunk } from "../../shared/core/chunk.js";
import type { Bus } from "../../shared/bus.js";
import { connectNats } from "../../shared/io/nats-bus.js";
import { sharedMemoryBus } from "../../shared/io/shared-memory-bus.js";
import { subjectsOf } from "../../shared/subjects.js";
import { shardIndices } from "../../shared/core/shards.js";
import type { LocalCluster } from "../local/cluster.js";

const POOL = "local";
const CONNECT_TIMEOUT_MS = 10_000;

export class Commits {
  readonly #clock: Clock;
  readonly #bus: Bus;
  /** Chunks of the newest version that have not come yet, by shard. */
  readonly #missing = new Map<string, number>();
  #waiting: { step: number; resolve: () => void }[] = [];
  /** The farthest step that was ever committed; a coordinator that resumes computes some again. */
  #farthest = 0;
  /** When each commit came, by the clock. */
  readonly times: number[] = [];

  private constructor(clock: Clock, bus: Bus) {
    this.#clock = clock;
    this.#bus = bus;
    const subjects = subjectsOf(POOL);
    for (const shard of shardIndices())
      bus.subscribe(subjects.parameters(shard), ({ data, inPlace }) => {
        const decoded = decodeChunk(data, inPlace);
        if (decoded.ok && decoded.header.kind === "parameters") this.#onChunk(decoded.header);
      });
  }

  /** Listens with the coordinator's rights, past every link that may be cut. */
  static async of(cluster: LocalCluster, clock: Clock): Promise<Commits> {
    const { server, sharedMemory: directory } = cluster;
    const nats = await connectNats({
      url: server.url,
      identity: "coordinator",
      seedFile: server.credentials.coordinator.seedFile,
      purpose: "chaos",
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
    });
    const bus = directory === undefined ? nats : sharedMemoryBus(nats, { directory, identity: "chaos" });
    return new Commits(clock, bus);
  }

  get farthest(): number {
    return this.#farthest;
  }

  /** Resolves when so many steps are committed. */
  reached(step: number): Promise<void> {
    if (this.#farthest >= step) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ step, resolve }));
  }

  async close(): Promise<void> {
    await this.#bus.close();
  }

  /** A version is there when its last chunk is; of one whose chunks were lost, the next one tells. */
  #onChunk({ step, shard, chunkCount }: ChunkHeader): void {
    const key = `${shard} ${step}`;
    const missing = (this.#missing.get(key) ?? chunkCount) - 1;
    if (missing > 0) {
      this.#missing.set(key, missing);
      return;
    }
    this.#missing.clear();
    this.times.push(this.#clock.now());
    this.#farthest = Math.max(this.#farthest, step);
    const [due, later] = [
      this.#waiting.filter((one) => one.step <= this.#farthest),
      this.#waiting.filter((one) => one.step > this.#farthest),
    ];
    this.#waiting = later;
    for (const { resolve } of due) resolve();
  }
}
