/** Pooling, padded or not: padded cells are never the greatest, and an average divides by the cells inside the image. */
import type { Padding } from "../../../../shared/networks/network.js";
import {
  type Pool,
  averagePool as averagePoolOf,
  averagePoolGradient,
  maxPool as maxPoolOf,
  maxPoolGradient,
} from "../pooling.js";
import type { Operator } from "./operator.js";
import type { TensorFlow } from "../tfjs.js";
import type { Tensor4D } from "@tensorflow/tfjs-core";

export interface PoolOptions {
  size: number;
  stride: number;
  padding: Padding;
}

function poolOf({ size, stride, padding }: PoolOptions): Pool {
  const [top, bottom, left, right] = padding;
  const pad: Pool["pad"] = padding.every((extent) => extent === 0)
    ? "valid"
    : [
        [0, 0],
        [top, bottom],
        [left, right],
        [0, 0],
      ];
  return { window: size, stride, pad };
}

export function maxPool(tf: TensorFlow, options: PoolOptions): Operator {
  const pool = poolOf(options);
  return {
    forward: (_parameters, input) => ({ output: maxPoolOf(tf, input as Tensor4D, pool), saved: [] }),
    backward: (_parameters, at, gradient, wantInput) =>
      wantInput
        ? maxPoolGradient(tf, gradient as Tensor4D, at.input as Tensor4D, at.output as Tensor4D, pool)
        : undefined,
  };
}

export function averagePool(tf: TensorFlow, options: PoolOptions): Operator {
  const pool = poolOf(options);
  return {
    forward: (_parameters, input) => ({ output: averagePoolOf(tf, input as Tensor4D, pool), saved: [] }),
    backward: (_parameters, at, gradient, wantInput) =>
      wantInput ? averagePoolGradient(tf, gradient as Tensor4D, at.input as Tensor4D, pool) : undefined,
  };
}
