/** What workers pull by its hash: the data sets of all runs, each read once and when its first run begins, and more. */
import { createHash } from "node:crypto";
import type { saf } from "../../shared/messages.js";
import type { PartitionedDataset } from "./datasets/dataset.js";
import { type DataSetting, loadAside } from "./datasets/load-aside.js";

const MAX_RANGE_BYTES = 1024 * 1024;

export type LoadData = (setting: DataSetting) => Promise<PartitionedDataset>;

export class DataShelf {
  readonly #load: LoadData;
  readonly #reading = new Map<string, Promise<PartitionedDataset>>();
  readonly #read: PartitionedDataset[] = [];
  readonly #others = new Map<string, Uint8Array>();

  constructor(load: LoadData = (setting) => loadAside(setting, process.env)) {
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

  /** Serves these bytes too; returns their SHA-256. */
  hold(bytes: Uint8Array): string {
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    this.#others.set(sha256, bytes);
    return sha256;
  }

  /** Answers a worker's request for a range. */
  range({ sha256, offset, length }: saf.v1.DataRequest): saf.v1.DataRange.$Properties {
    const bytes = this.#others.get(sha256) ?? this.#part(sha256);
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
