/** What a task needs beside its run: a second network's weights, another data set's pictures; pulled by hash, kept a while. */
import type { Measure } from "../shared/measures.js";
import { type Network, layoutOf } from "../shared/networks/network.js";
import { networkNamed } from "../shared/networks/registry.js";
import { withSettings } from "../shared/networks/settings.js";
import type { DataParts } from "./parts.js";

export interface TaskAssets {
  source?: { network: Network; sha256: string; parameters: SharedArrayBuffer };
  pictures?: SharedArrayBuffer;
}

/** The one used last comes last. */
const KEPT = 4;

export class AssetCache {
  readonly #parts: DataParts;
  readonly #kept = new Map<string, SharedArrayBuffer>();

  constructor(parts: DataParts) {
    this.#parts = parts;
  }

  /** Throws ClusterError: "config" for a model that there is not, "data" and "dependency" as `DataParts.fetch`. */
  async of(measure: Measure, { dataset, input }: Network): Promise<TaskAssets> {
    if (measure.how === "attack" && measure.source !== undefined) {
      const { model, settings, weights_sha256: sha256 } = measure.source;
      const network = withSettings(networkNamed(dataset, model), settings);
      return { source: { network, sha256, parameters: await this.#get(sha256, 4 * layoutOf(network).size) } };
    }
    if (measure.how === "foreign") {
      const imageSize = input.height * input.width * input.channels;
      return { pictures: await this.#get(measure.pixels_sha256, measure.images * imageSize) };
    }
    return {};
  }

  async #get(sha256: string, byteLength: number): Promise<SharedArrayBuffer> {
    const memory = this.#kept.get(sha256) ?? (await this.#fetch(sha256, byteLength));
    this.#kept.delete(sha256);
    this.#kept.set(sha256, memory);
    for (const oldest of [...this.#kept.keys()].slice(0, -KEPT)) this.#kept.delete(oldest);
    return memory;
  }

  async #fetch(sha256: string, byteLength: number): Promise<SharedArrayBuffer> {
    const bytes = await this.#parts.fetch({ sha256, byteLength });
    const memory = new SharedArrayBuffer(bytes.byteLength);
    new Uint8Array(memory).set(bytes);
    return memory;
  }
}
