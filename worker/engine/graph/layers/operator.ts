/** What a layer writes into a graph: its forward pass, and its walk back. */
import type { Statistics } from "../../program.js";
import type { Ref } from "../graph-builder.js";
import type { Operations } from "../operations.js";

/** The parameters of the graph by name, as they are handed in; `folded`: those with stored moments in them. */
export interface ParameterRefs {
  get(name: string): Ref;
  folded(layer: string, part: "weight" | "bias"): Ref;
}

/** What a place of the network keeps for the walk back. What is not read need not be kept. */
export interface Kept {
  readonly input: Ref;
  readonly output: Ref;
  saved(index: number): Ref;
}

/** An attacker's slope: program.ts. `width` (a scalar) comes with each call. */
export interface SurrogateRef {
  kind: "tent" | "rbf";
  width: Ref;
}

/** Where a walk back stands. */
export interface Walk {
  statistics: Statistics;
  /** int32 [1]: how many images there are. */
  images: Ref;
  surrogate?: SurrogateRef;
  wantInput: boolean;
  /** Takes a gradient of the weights; undefined where nobody wants any. */
  emit: ((name: string, values: Ref) => void) | undefined;
}

export interface Forward {
  output: Ref;
  saved: readonly Ref[];
  /** Batch moments times the number of images, by name. */
  moments: readonly (readonly [name: string, values: Ref])[];
}

/** Images are [images, height, width, channels]. */
export interface GraphOperator {
  /** True: `backward` gives the gradient with the other sign. Walks are linear in it: who turns it back, does so once. */
  negates?: boolean;
  forward(o: Operations, parameters: ParameterRefs, input: Ref, statistics: Statistics, images: Ref): Forward;
  /** From ∂L/∂output to ∂L/∂input; undefined where nobody wants it. */
  backward(o: Operations, parameters: ParameterRefs, kept: Kept, gradient: Ref, walk: Walk): Ref | undefined;
}

export const onlyOutput = (output: Ref): Forward => ({ output, saved: [], moments: [] });
