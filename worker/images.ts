/** The images of data sets in memory that the engine shares: runs on one data set share them. */
import { ClusterError } from "../shared/errors.js";
import type { saf } from "../shared/messages.js";
import type { SharedImages } from "./engine/messages.js";
import type { DataParts } from "./parts.js";

export type Split = "train" | "test";

interface ImagePart {
  sha256: string;
  images: number;
  byteLength: number;
}

const MAX_SPLIT_BYTES = 4 * 2 ** 30;

export class ImageSplits {
  readonly #parts: DataParts;
  /** By the hashes of their parts. */
  readonly #splits = new Map<string, Promise<SharedImages>>();

  constructor(parts: DataParts) {
    this.#parts = parts;
  }

  /** Throws ClusterError("data") when the description or the parts cannot be right, and as `DataParts.fetch`. */
  load(data: saf.v1.DataManifest.$Properties, split: Split): Promise<SharedImages> {
    const parts = (data[split] ?? []).map((part) => ({
      sha256: part.sha256 ?? "",
      images: part.images ?? 0,
      byteLength: part.byteLength ?? 0,
    }));
    const key = parts.map((part) => part.sha256).join(" ");
    let images = this.#splits.get(key);
    if (images === undefined) {
      images = this.#assemble(data, parts);
      this.#splits.set(key, images);
      images.catch(() => this.#splits.delete(key));
    }
    return images;
  }

  async #assemble(data: saf.v1.DataManifest.$Properties, parts: ImagePart[]): Promise<SharedImages> {
    const imageSize = (data.height ?? 0) * (data.width ?? 0) * (data.channels ?? 0);
    const count = parts.reduce((sum, part) => sum + part.images, 0);
    // Before memory is taken for them.
    const wrong = parts.find((part) => part.byteLength !== part.images * (1 + imageSize));
    if (wrong !== undefined || !(count * imageSize <= MAX_SPLIT_BYTES)) {
      throw new ClusterError(
        "data",
        `The coordinator describes data that cannot be: ${count} images of ${imageSize} bytes`,
      );
    }
    const pixels = new SharedArrayBuffer(count * imageSize);
    const labels = new SharedArrayBuffer(count);
    let first = 0;
    for (const part of parts) {
      const bytes = await this.#parts.fetch(part);
      if (bytes.byteLength !== part.images * (1 + imageSize)) {
        throw new ClusterError(
          "data",
          `Data part ${part.sha256} holds ${bytes.byteLength} bytes, expected ${part.images * (1 + imageSize)}`,
        );
      }
      new Uint8Array(labels).set(bytes.subarray(0, part.images), first);
      new Uint8Array(pixels).set(bytes.subarray(part.images), first * imageSize);
      first += part.images;
    }
    return { pixels, labels, count };
  }
}
