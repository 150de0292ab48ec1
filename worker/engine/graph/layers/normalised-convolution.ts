/**
 * Convolution and the batch norm behind it as one operator, as in the eager engine: with stored moments batch norm is only
 * a scaling of the filter; with batch statistics the convolution's bias cancels, its gradient is exactly zero, and only the
 * stored mean has to know it.
 */
import type { Ref } from "../graph-builder.js";
import type { Operations } from "../operations.js";
import { batchNorm, batchNormGradient, normalisedChannels } from "./batch-norm.js";
import { linearPart } from "./linear.js";
import type { ConvolutionOptions, Linear } from "./linear-part.js";
import type { NormInputs } from "./norm-part.js";
import {
  type Forward,
  type GraphOperator,
  type Kept,
  type ParameterRefs,
  type Walk,
  onlyOutput,
} from "./operator.js";

/** `norm`: the name of the batch-norm layer. */
export function normalisedConvolution(
  options: ConvolutionOptions,
  norm: string,
  linear: Linear,
): GraphOperator {
  const { name } = options;
  const batch = new BatchHalf(options, norm);
  return {
    forward(o, parameters, input, statistics, images) {
      if (statistics === "batch") return batch.forward(o, parameters, input, images);
      const filtered = linear.apply(o, input, parameters.folded(name, "weight"));
      return onlyOutput(o.biased(filtered, parameters.folded(name, "bias")));
    },
    backward(o, parameters, kept, gradient, walk) {
      if (walk.statistics === "batch") return batch.backward(o, parameters, kept, gradient, walk);
      if (walk.emit !== undefined) throw new RangeError("Weight gradients need batch statistics");
      return walk.wantInput
        ? linear.inputGradient(o, gradient, parameters.folded(name, "weight"), walk.images)
        : undefined;
    },
  };
}

/** With batch statistics: convolution and batch norm have as many channels, some of them of zeros, as the library likes. */
class BatchHalf {
  readonly #options: ConvolutionOptions;
  readonly #norm: string;
  readonly #channels: number;
  readonly #linear: Linear;

  constructor(options: ConvolutionOptions, norm: string) {
    this.#options = options;
    this.#norm = norm;
    this.#channels = normalisedChannels(options.channels, options.device);
    const { channels } = this.#isProduct ? options : { channels: this.#channels };
    this.#linear = linearPart({ ...options, channels });
  }

  /** The filter of a product is larger than what it gives: there the outputs get the zeros, else the filter. */
  get #isProduct(): boolean {
    return this.#options.output.height === 1 && this.#options.output.width === 1;
  }

  forward(o: Operations, parameters: ParameterRefs, input: Ref, images: Ref): Forward {
    const { name } = this.#options;
    const filtered = this.#linear.apply(o, input, this.#filter(o, parameters));
    const raw = this.#isProduct ? this.#wide(o, filtered) : filtered;
    const count = o.asFloat(o.scalarOf(images), "int32");
    const made = batchNorm(o, raw, {
      scale: this.#ofChannels(o, parameters.get(`${this.#norm}/scale`)),
      shift: this.#ofChannels(o, parameters.get(`${this.#norm}/shift`)),
      ...this.#size(o, count),
    });
    const mean = o.binary("AddV2", this.#narrow(o, made.mean, 1), parameters.get(`${name}/bias`));
    return {
      output: this.#narrow(o, made.output, 4),
      saved: made.saved,
      moments: [
        [`${this.#norm}/mean`, o.binary("Mul", mean, count)],
        [`${this.#norm}/deviation`, o.binary("Mul", this.#narrow(o, made.deviation, 1), count)],
      ],
    };
  }

  backward(
    o: Operations,
    parameters: ParameterRefs,
    kept: Kept,
    gradient: Ref,
    { images, wantInput, emit }: Walk,
  ): Ref | undefined {
    const { name } = this.#options;
    const scale = this.#ofChannels(o, parameters.get(`${this.#norm}/scale`));
    const back = batchNormGradient(o, (index) => kept.saved(index), this.#wide(o, gradient), {
      scale,
      ...this.#size(o, o.asFloat(o.scalarOf(images), "int32")),
    });
    const through = this.#isProduct ? this.#narrow(o, back.input, 4) : back.input;
    emit?.(`${this.#norm}/shift`, this.#narrow(o, back.shift, 1));
    emit?.(`${this.#norm}/scale`, this.#narrow(o, back.scale, 1));
    if (emit !== undefined) {
      const filter = this.#linear.filterGradient(o, kept.input, through);
      emit(`${name}/weight`, this.#isProduct ? filter : this.#narrow(o, filter, 4));
    }
    return wantInput
      ? this.#linear.inputGradient(o, through, this.#filter(o, parameters), images)
      : undefined;
  }

  /** Of what is normalised; `images`: a scalar, how many there are. */
  #size(o: Operations, images: Ref): Omit<NormInputs, "scale" | "shift"> {
    const { output, device } = this.#options;
    const { height, width } = output;
    return {
      values: o.binary("Mul", images, height * width),
      device,
      height,
      width,
      channels: this.#channels,
    };
  }

  #filter(o: Operations, parameters: ParameterRefs): Ref {
    const filter = parameters.get(`${this.#options.name}/weight`);
    const { kernel, input, channels } = this.#options;
    return this.#isProduct ? filter : this.#widened(o, filter, [...kernel, input.channels, channels]);
  }

  /** Images with the channels of zeros. */
  #wide(o: Operations, x: Ref): Ref {
    const more = this.#channels - this.#options.channels;
    return more === 0 ? x : o.padChannels(x, more);
  }

  /** The same for values of this shape. */
  #widened(o: Operations, x: Ref, shape: readonly number[]): Ref {
    const more = this.#channels - this.#options.channels;
    return more === 0 ? x : o.widened(x, shape, more);
  }

  #ofChannels(o: Operations, x: Ref): Ref {
    return this.#widened(o, x, [this.#options.channels]);
  }

  /** Without the zeros; `axes`: of which the channels are the last. */
  #narrow(o: Operations, x: Ref, axes: number): Ref {
    return this.#channels === this.#options.channels ? x : o.firstChannels(x, axes, this.#options.channels);
  }
}
