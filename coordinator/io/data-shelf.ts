/** What workers pull by its hash: the data sets of all runs, each read once and when its first run begins, and more. */
import { createHash } from "node:crypto";
import type { saf } from "../../shared/messages.js";
import type { Shelf } from "../runs/surroundings.js";
import type { Dataset, PartitionedDataset } from "./datasets/dataset.js";
import { type DataSetting, loadAside } from "./datasets/load-aside.js";

const MAX_RANGE_BYTES = 1024 * 1024;

export type LoadData = (setting: DataSetting, env?: NodeJS.ProcessEnv) => Promise<PartitionedDataset>;

export class DataShelf implements Shelf {
  readonly #load: LoadData;
  readonly #named: readonly DataSetting[];
  readonly #reading = new Map<string, Promise<PartitionedDataset>>();
  readonly #read: PartitionedDataset[] = [];
  /** What is no part of a data set, and who needs it. */
  readonly #others = new Map<string, { bytes: Uint8Array; holders: Set<string> }>();

  /** `named`: the settings of all runs; `env`: where to look for what none of them names. */
  constructor(
    named: readonly DataSetting[] = [],
    load: LoadData = (setting, env = process.env) => loadAside(setting, env),
  ) {
    this.#named = named;
    this.#load = load;
  }

  /** The data set of a run, shared with other runs on it. Throws ClusterError("data"); the next who asks tries again. */
  dataset(setting: DataSetting): Promise<PartitionedDataset> {
    const key = JSON.stringify([setting.set, setting.dir]);
    const known = this.#reading.get(key);
    if (known !== undefined) return known;
    const reading = this.#load(setting).then((dataset) => {
      this.#read.push(dataset);
      return dataset;
    });
    this.#reading.set(key, reading);
    reading.catch(() => this.#reading.delete(key));
    return reading;
  }

  /**
   * A data set that is no run's own, or another run's. It is not kept: only what `hold` is given of it. Looked for where a
   * run names it, else where SAF_DATA_DIR says, else as if that said nothing: one folder seldom holds two sets. Throws
   * ClusterError("data").
   */
  async other(set: string): Promise<Dataset> {
    const known = this.#read.find(({ dataset }) => dataset.name === set);
    if (known !== undefined) return known.dataset;
    const named = this.#named.find((setting) => setting.set === set && setting.dir !== undefined);
    const read = async (env: NodeJS.ProcessEnv): Promise<Dataset> =>
      (await this.#load(named ?? { set }, env)).dataset;
    const { SAF_DATA_DIR: folder, ...elsewhere } = process.env;
    if (named !== undefined || folder === undefined) return read(process.env);
    try {
      return await read(process.env);
    } catch (error) {
      // What was looked for first is what is told.
      const found = await read(elsewhere).catch(() => undefined);
      if (found === undefined) throw error;
      return found;
    }
  }

  /** Serves these bytes too, until all their holders let go; returns their SHA-256. */
  hold(bytes: Uint8Array, holder: string): string {
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    const known = this.#others.get(sha256);
    if (known === undefined) this.#others.set(sha256, { bytes, holders: new Set([holder]) });
    else known.holders.add(holder);
    return sha256;
  }

  letGo(holder: string): void {
    for (const [sha256, { holders }] of this.#others) {
      if (holders.delete(holder) && holders.size === 0) this.#others.delete(sha256);
    }
  }

  /** Answers a worker's request for a range. */
  range({ sha256, offset, length }: saf.v1.DataRequest): saf.v1.DataRange.$Properties {
    const bytes = this.#others.get(sha256)?.bytes ?? this.#part(sha256);
    if (bytes === undefined) return { error: { message: `no part ${sha256.slice(0, 64)} here` } };
    if (length > MAX_RANGE_BYTES) return { error: { message: "at most 1 MiB a request" } };
    return { body: bytes.subarray(offset, offset + length) };
  }

  #part(sha256: string): Uint8Array | undefined {
    for (const dataset of this.#read) {
      const bytes = dataset.part(sha256);
      if (bytes !== undefined) return bytes;
    }
    return undefined;
  }
}
