/** What every attack is. Images and strengths are on the [0, 1] pixel scale, whatever the network's inputs are. */
import type { AttackName, AttackOptions } from "../../shared/attacks.js";
import type { Norm } from "../../shared/results.js";
import type { LogitLoss } from "../core/attack-losses.js";
import type { Program, Statistics, SurrogateSlope } from "../engine/program.js";

/**
 * A network as an attacker sees it. Logits: z of a softmax head; −z² of an RBF head, whose softmax is the normalised
 * confidence. The answer is the largest logit. Rows do not influence each other, to the bit.
 */
export interface AttackedModel {
  readonly input: { readonly height: number; readonly width: number; readonly channels: number };
  /** Values of one image: height x width x channels. */
  readonly imageSize: number;
  readonly outputs: number;
  /** The first outputs; those behind them stand for nonsense. */
  readonly realClasses: number;
  /** Images [count x imageSize] to logits [count x outputs]. */
  logits(images: Float32Array): Float32Array;
  /** Also, per image, the gradient of a loss in the image. `surrogate` changes slopes on the way back, never the outputs. */
  gradient(images: Float32Array, loss: LogitLoss, surrogate?: SurrogateSlope): ImageGradients;
  /** The network's own loss, to be driven up. */
  trainingLoss(labels: Uint8Array): LogitLoss;
  /** How sure the network is of output j of image i: softmax probability, or the RBF value. */
  confidence(logits: Float32Array, i: number, j: number): number;
}

export interface ImageGradients {
  losses: Float64Array;
  logits: Float32Array;
  /** [count x imageSize]. */
  gradient: Float32Array;
}

export interface AttackRequest<Options = unknown> {
  model: AttackedModel;
  /** Clean images [count x imageSize] in [0, 1]; for a nonsense attack, images that show nothing. */
  images: Float32Array;
  /** Their true classes; nonsense attacks do not look. */
  labels: Uint8Array;
  /** Each image's place in its data set: draws are a pure function of (seed, index, attack, restart, iteration). */
  indices: Uint32Array;
  seed: number;
  norm: Norm;
  epsilon: number;
  options: Options;
  /** The network that a transfer attack crafts on. */
  source?: AttackedModel;
  /** Images of all classes that a hard-label or walking-back attack may start from. The same for every request of an evaluation. */
  others?: { images: Float32Array; labels: Uint8Array };
}

export interface AttackResult {
  /** [count x imageSize], inside ball and box; the clean image where nothing was found. */
  images: Float32Array;
  /** 1 where the answer on `images` is wrong (nonsense attacks: is a real class). A clean image answered wrong is broken as it is. */
  broken: Uint8Array;
  /** Images the network was shown, and images walked back, in all. */
  queries: number;
  gradients: number;
  /** What a minimal attack found, whatever ε is: Infinity (and the clean image) where nothing. */
  smallest?: { images: Float32Array; distances: Float64Array };
  /** Of a nonsense attack: how sure the network is of the real class it claims to see, 0 where it sees none. */
  confidences?: Float64Array;
}

/** An attack of that name on a request whose options are complete. */
export type RunAttack<N extends AttackName> = (request: AttackRequest<AttackOptions<N>>) => AttackFinding;

/** An attack's result but for the costs, which are counted around it. */
export type AttackFinding = Omit<AttackResult, "queries" | "gradients">;

export interface AttackContext {
  program: Program;
  /** Batch norm while the gradient is taken; "batch" is what the paper's release did. */
  statistics: Statistics;
}

/** The paper's protocol. Directions with entries −1, 0, +1: the attacked image is input − 255·β·direction. */
export type DirectionAttack = (
  context: AttackContext,
  inputs: Float32Array,
  /** True classes, or null where an image has none (nonsense). */
  labels: Uint8Array | null,
) => Int8Array;
