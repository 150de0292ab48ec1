/** A compiled graph in TensorFlow, ready to be called. */
import type { Tensor } from "@tensorflow/tfjs-core";
import type { NodeBackend } from "../eager/node-backend.js";
import { type GraphCall, TAG } from "./graph-builder.js";

export class GraphSession {
  readonly #backend: NodeBackend;
  readonly #id: number;

  /** Loads `saved_model.pb` of a folder. Throws Error where this TensorFlow refuses it. */
  constructor(backend: NodeBackend, folder: string) {
    this.#backend = backend;
    this.#id = backend.loadSavedModelMetaGraph(`${folder}/`, TAG);
  }

  /** The outputs of one call, in the order of its fetches; the caller disposes them. `fed` says what each input is. */
  run({ feeds, fetches }: GraphCall, fed: (name: string) => Tensor): Tensor[] {
    return this.#backend.runSavedModel(
      this.#id,
      feeds.map(fed),
      feeds.map((name) => ({ name: `${name}:0` })),
      fetches.map((ref) => (ref.includes(":") ? ref : `${ref}:0`)),
    );
  }

  dispose(): void {
    this.#backend.deleteSavedModel(this.#id);
  }
}
