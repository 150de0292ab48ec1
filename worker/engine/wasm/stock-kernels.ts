/** The kernels that the wasm backend has of its own, for those of ours that lean on them. */
import type * as tfjs from "@tensorflow/tfjs-core";
import type { BackendWasm } from "@tensorflow/tfjs-backend-wasm";
import type { TensorFlow } from "../eager/tfjs.js";

/** The backend's own kernels as functions. They bypass the engine, so what they return is not on any tape or in any scope. */
export interface StockKernels {
  conv2d(
    backend: BackendWasm,
    x: tfjs.TensorInfo,
    filter: tfjs.TensorInfo,
    attributes: object,
  ): tfjs.TensorInfo;
  matMul(
    backend: BackendWasm,
    a: tfjs.TensorInfo,
    b: tfjs.TensorInfo,
    transposeA?: boolean,
    transposeB?: boolean,
  ): tfjs.TensorInfo;
  transpose(backend: BackendWasm, x: tfjs.TensorInfo, perm: number[]): tfjs.TensorInfo;
  sum(backend: BackendWasm, x: tfjs.TensorInfo, attributes: object): tfjs.TensorInfo;
}

export function stockKernels(tf: TensorFlow): StockKernels {
  const call = (name: string) => {
    const kernel = tf.getKernel(name, "wasm").kernelFunc;
    return (backend: BackendWasm, inputs: Record<string, tfjs.TensorInfo>, attrs: object): tfjs.TensorInfo =>
      kernel({ inputs, backend, attrs: attrs as tfjs.NamedAttrMap }) as tfjs.TensorInfo;
  };
  const [conv2d, matMul, transpose, sum] = [
    call("Conv2D"),
    call("BatchMatMul"),
    call("Transpose"),
    call("Sum"),
  ];
  return {
    conv2d: (backend, x, filter, attributes) => conv2d(backend, { x, filter }, attributes),
    matMul: (backend, a, b, transposeA = false, transposeB = false) =>
      matMul(backend, { a, b }, { transposeA, transposeB }),
    transpose: (backend, x, perm) => transpose(backend, { x }, { perm }),
    sum: (backend, x, attributes) => sum(backend, { x }, attributes),
  };
}
