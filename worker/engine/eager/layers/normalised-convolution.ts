/**
 * Convolution and the batch norm behind it as one operator: with stored moments batch norm is only a scaling of the
 * filter, and with batch statistics the convolution's bias cancels: its gradient is exactly zero, and only the stored mean
 * has to know it.
 */
import type { Tensor } from "@tensorflow/tfjs-core";
import type { TensorFlow } from "../tfjs.js";
import { batchNorm } from "./batch-norm.js";
import type { ConvolutionOptions, Linear } from "./linear.js";
import { type Emit, type Forward, type Operator, type Parameters, emitAndDispose } from "./operator.js";

/** One kind of statistics. */
interface Half {
  forward(parameters: Parameters, input: Tensor, emitMoment: Emit | undefined): Forward;
  backward(
    parameters: Parameters,
    at: { input: Tensor; saved: readonly Tensor[] },
    gradient: Tensor,
    wantInput: boolean,
    emit: Emit | undefined,
  ): Tensor | undefined;
}

/** `norm`: the name of the batch-norm layer. */
export function normalisedConvolution(
  tf: TensorFlow,
  options: ConvolutionOptions,
  norm: string,
  linear: Linear,
): Operator {
  const halves = {
    batch: withBatch(tf, options, norm, linear),
    stored: withStored(tf, options, norm, linear),
  };
  return {
    forward: (parameters, input, statistics, emitMoment) =>
      halves[statistics].forward(parameters, input, emitMoment),
    backward: (parameters, at, gradient, wantInput, emit) =>
      halves[at.statistics].backward(parameters, at, gradient, wantInput, emit),
  };
}

/** Stored moments are folded into the filter, once a version. */
function withStored(tf: TensorFlow, { name }: ConvolutionOptions, norm: string, linear: Linear): Half {
  const filter = (parameters: Parameters): Tensor =>
    parameters.derived(`${name}/folded-weight`, () =>
      tf.mul(
        parameters.get(`${name}/weight`),
        tf.div(parameters.get(`${norm}/scale`), parameters.get(`${norm}/deviation`)),
      ),
    );
  const bias = (parameters: Parameters): Tensor =>
    parameters.derived(`${name}/folded-bias`, () => {
      const scale = tf.div(parameters.get(`${norm}/scale`), parameters.get(`${norm}/deviation`));
      const offset = tf.sub(parameters.get(`${name}/bias`), parameters.get(`${norm}/mean`));
      return tf.add(parameters.get(`${norm}/shift`), tf.mul(offset, scale));
    });
  return {
    forward: (parameters, input) => ({
      output: tf.tidy(() => tf.add(linear.apply(input, filter(parameters)), bias(parameters))),
      saved: [],
    }),
    backward(parameters, _at, gradient, wantInput, emit) {
      if (emit !== undefined) throw new RangeError("Weight gradients need batch statistics");
      return wantInput ? tf.tidy(() => linear.inputGradient(gradient, filter(parameters))) : undefined;
    },
  };
}

function withBatch(
  tf: TensorFlow,
  { name, channels }: ConvolutionOptions,
  norm: string,
  linear: Linear,
): Half {
  const normalise = batchNorm(tf);
  return {
    forward(parameters, input, emitMoment) {
      const images = input.shape[0] ?? 0;
      const raw: Tensor = tf.tidy(() => linear.apply(input, parameters.get(`${name}/weight`)));
      const { output, mean, deviation, saved } = normalise.forward(
        raw,
        parameters.get(`${norm}/scale`),
        parameters.get(`${norm}/shift`),
      );
      if (emitMoment !== undefined) {
        const stored: Tensor = tf.tidy(() => tf.mul(tf.add(mean, parameters.get(`${name}/bias`)), images));
        emitAndDispose(emitMoment, `${norm}/mean`, stored);
        emitAndDispose(emitMoment, `${norm}/deviation`, tf.mul(deviation, images));
      }
      mean.dispose();
      deviation.dispose();
      return { output, saved };
    },
    backward(parameters, at, gradient, wantInput, emit) {
      const gradients = normalise.backward(at.saved, gradient, parameters.get(`${norm}/scale`));
      if (emit !== undefined) {
        emit(`${norm}/shift`, gradients.shift);
        emit(`${norm}/scale`, gradients.scale);
        emitAndDispose(emit, `${name}/bias`, tf.zeros([channels]));
        const filter: Tensor = tf.tidy(() => linear.filterGradient(at.input, gradients.input));
        emitAndDispose(emit, `${name}/weight`, filter);
      }
      gradients.shift.dispose();
      gradients.scale.dispose();
      const result: Tensor | undefined = wantInput
        ? tf.tidy(() => linear.inputGradient(gradients.input, parameters.get(`${name}/weight`)))
        : undefined;
      gradients.input.dispose();
      return result;
    },
  };
}
