/**
 * Kernels of the tensorflow backend that refuse explicit paddings, or pools that TensorFlow has no padding for.
 * Replaced so that the same call gives the same result on every engine.
 */
import type * as tfjs from "@tensorflow/tfjs-core";
import type { NodeBackend, OpAttribute } from "./node-backend.js";
import { type TensorFlow, replaceKernel } from "./tfjs.js";
import {
  convGeometry,
  poolGeometry,
  type ConvAttributes,
  type Geometry,
  type PoolAttributes,
  type Shape4D,
} from "./kernel-shapes.js";
import { cellsInside, paddingName } from "../window-geometry.js";

const BACKEND = "tensorflow";

export function registerTensorflowKernels(tf: TensorFlow): void {
  replaceKernel(tf, BACKEND, "Conv2D", conv(tf));
  replaceKernel(tf, BACKEND, "Conv2DBackpropFilter", convFilterGradient(tf));
  replaceKernel(tf, BACKEND, "Conv2DBackpropInput", convInputGradient(tf));
  replaceKernel(tf, BACKEND, "MaxPool", maxPool(tf));
  replaceKernel(tf, BACKEND, "MaxPoolGrad", maxPoolGradient(tf));
  replaceKernel(tf, BACKEND, "AvgPool", averagePool(tf));
  replaceKernel(tf, BACKEND, "AvgPoolGrad", averagePoolGradient(tf));
}

/** Attributes that convolutions and pools share; explicit paddings are listed for batch, rows, columns and channels. */
function commonAttributes({ binding }: NodeBackend, geometry: Geometry, explicit: boolean): OpAttribute[] {
  const { top, bottom, left, right } = geometry.padding;
  const padding = paddingName(geometry);
  const strides = [1, geometry.strideHeight, geometry.strideWidth, 1];
  return [
    { name: "T", type: binding.TF_ATTR_TYPE, value: binding.TF_FLOAT },
    { name: "strides", type: binding.TF_ATTR_INT, value: strides },
    { name: "padding", type: binding.TF_ATTR_STRING, value: padding },
    { name: "data_format", type: binding.TF_ATTR_STRING, value: "NHWC" },
    ...(explicit && padding === "EXPLICIT"
      ? [
          {
            name: "explicit_paddings",
            type: binding.TF_ATTR_INT,
            value: [0, 0, top, bottom, left, right, 0, 0],
          },
        ]
      : []),
  ];
}

function convAttributes(backend: NodeBackend, geometry: Geometry): OpAttribute[] {
  const { binding } = backend;
  return [
    ...commonAttributes(backend, geometry, true),
    { name: "use_cudnn_on_gpu", type: binding.TF_ATTR_BOOL, value: true },
    { name: "dilations", type: binding.TF_ATTR_INT, value: [1, 1, 1, 1] },
  ];
}

function poolAttributes(backend: NodeBackend, geometry: Geometry, explicit: boolean): OpAttribute[] {
  const window = [1, geometry.windowHeight, geometry.windowWidth, 1];
  return [
    { name: "ksize", type: backend.binding.TF_ATTR_INT, value: window },
    ...commonAttributes(backend, geometry, explicit),
  ];
}

/** The stock kernel refuses a number for `pad`. Dilated convolutions, which need no such padding here, stay with it. */
function conv(tf: TensorFlow) {
  const stock = tf.getKernel("Conv2D", BACKEND).kernelFunc;
  return (
    { x, filter }: { x: tfjs.TensorInfo; filter: tfjs.TensorInfo },
    attributes: ConvAttributes & { dilations?: number | [number, number] },
    backend: NodeBackend,
  ): tfjs.TensorInfo => {
    if ([attributes.dilations ?? 1].flat().some((dilation) => dilation !== 1)) {
      const attrs = attributes as unknown as tfjs.NamedAttrMap;
      return stock({ inputs: { x, filter }, backend, attrs }) as tfjs.TensorInfo;
    }
    const geometry = convGeometry(tf, x.shape, filter.shape, attributes);
    return backend.executeSingleOutput("Conv2D", convAttributes(backend, geometry), [x, filter]);
  };
}

function convFilterGradient(tf: TensorFlow) {
  return (
    { x, dy }: { x: tfjs.TensorInfo; dy: tfjs.TensorInfo },
    attributes: ConvAttributes & { filterShape: Shape4D },
    backend: NodeBackend,
  ): tfjs.TensorInfo => {
    const geometry = convGeometry(tf, x.shape, attributes.filterShape, attributes);
    const sizes = tf.tensor1d(attributes.filterShape, "int32");
    const gradient = backend.executeSingleOutput("Conv2DBackpropFilter", convAttributes(backend, geometry), [
      x,
      sizes,
      dy,
    ]);
    sizes.dispose();
    return gradient;
  };
}

function convInputGradient(tf: TensorFlow) {
  return (
    { dy, filter }: { dy: tfjs.TensorInfo; filter: tfjs.TensorInfo },
    attributes: ConvAttributes & { inputShape: Shape4D },
    backend: NodeBackend,
  ): tfjs.TensorInfo => {
    const geometry = convGeometry(tf, attributes.inputShape, filter.shape, attributes);
    const sizes = tf.tensor1d(attributes.inputShape, "int32");
    const gradient = backend.executeSingleOutput("Conv2DBackpropInput", convAttributes(backend, geometry), [
      sizes,
      filter,
      dy,
    ]);
    sizes.dispose();
    return gradient;
  };
}

function maxPool(tf: TensorFlow) {
  return (
    { x }: { x: tfjs.TensorInfo },
    attributes: PoolAttributes,
    backend: NodeBackend,
  ): tfjs.TensorInfo => {
    const geometry = poolGeometry(tf, x.shape, attributes);
    return backend.executeSingleOutput("MaxPool", poolAttributes(backend, geometry, true), [x]);
  };
}

function maxPoolGradient(tf: TensorFlow) {
  return (
    { dy, input, output }: { dy: tfjs.TensorInfo; input: tfjs.TensorInfo; output: tfjs.TensorInfo },
    attributes: PoolAttributes,
    backend: NodeBackend,
  ): tfjs.TensorInfo => {
    const geometry = poolGeometry(tf, input.shape, attributes);
    return backend.executeSingleOutput("MaxPoolGrad", poolAttributes(backend, geometry, true), [
      input,
      output,
      dy,
    ]);
  };
}

/** TensorFlow's average pool knows no explicit padding: then zeros are added, and the mean over the whole window corrected. */
function averagePool(tf: TensorFlow) {
  return (
    { x }: { x: tfjs.TensorInfo },
    attributes: PoolAttributes,
    backend: NodeBackend,
  ): tfjs.TensorInfo => {
    const geometry = poolGeometry(tf, x.shape, attributes);
    if (paddingName(geometry) !== "EXPLICIT") {
      return backend.executeSingleOutput("AvgPool", poolAttributes(backend, geometry, false), [x]);
    }
    const padded = tf.tidy(() => tf.pad(x as tfjs.Tensor4D, paddings(geometry)));
    const means = backend.executeSingleOutput("AvgPool", poolAttributes(backend, unpadded(geometry), false), [
      padded,
    ]);
    const factor = clippingFactor(tf, geometry);
    const result = tf.mul(means, factor);
    tf.dispose([padded, means, factor]);
    return result;
  };
}

function averagePoolGradient(tf: TensorFlow) {
  return (
    { dy, input }: { dy: tfjs.TensorInfo; input: tfjs.TensorInfo },
    attributes: PoolAttributes,
    backend: NodeBackend,
  ): tfjs.TensorInfo => {
    const geometry = poolGeometry(tf, input.shape, attributes);
    if (paddingName(geometry) !== "EXPLICIT") {
      const shape = tf.tensor1d(input.shape, "int32");
      const gradient = backend.executeSingleOutput("AvgPoolGrad", poolAttributes(backend, geometry, false), [
        shape,
        dy,
      ]);
      shape.dispose();
      return gradient;
    }
    const inner = unpadded(geometry);
    const shape = tf.tensor1d([inner.batch, inner.inHeight, inner.inWidth, inner.inChannels], "int32");
    const factor = clippingFactor(tf, geometry);
    const scaled = tf.mul(dy as tfjs.Tensor4D, factor);
    const padded = backend.executeSingleOutput("AvgPoolGrad", poolAttributes(backend, inner, false), [
      shape,
      scaled,
    ]);
    const { top, left } = geometry.padding;
    const result = tf.slice(padded as tfjs.Tensor4D, [0, top, left, 0], input.shape);
    tf.dispose([shape, factor, scaled, padded]);
    return result;
  };
}

function paddings({ padding }: Geometry): [number, number][] {
  return [
    [0, 0],
    [padding.top, padding.bottom],
    [padding.left, padding.right],
    [0, 0],
  ];
}

/** The same pool over an image that has its padding already. */
function unpadded(geometry: Geometry): Geometry {
  const { top, bottom, left, right } = geometry.padding;
  return {
    ...geometry,
    inHeight: geometry.inHeight + top + bottom,
    inWidth: geometry.inWidth + left + right,
    padding: { top: 0, bottom: 0, left: 0, right: 0 },
  };
}

/** [1, outHeight, outWidth, 1]: window area ÷ cells inside the image. */
function clippingFactor(tf: TensorFlow, geometry: Geometry): tfjs.Tensor4D {
  const area = geometry.windowHeight * geometry.windowWidth;
  const factors = cellsInside(geometry).map((count) => area / count);
  return tf.tensor4d(factors, [1, geometry.outHeight, geometry.outWidth, 1]);
}
