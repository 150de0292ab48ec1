/** The export formats by name, each with its title for people. */
export const FORMAT_TITLES = {
  safetensors: "named tensors and the mean image, for any program that reads safetensors",
  tfjs: "TensorFlow.js layers model of stock layers",
  onnx: "ONNX model of stock operators, opset 17",
  csv: "what was measured, a row a point (--per-image: a row an image)",
  parquet: "the same rows as Parquet",
  card: "JSON card with RobustBench's field names",
  tensorboard: "TensorBoard event files",
} as const;

export type FormatName = keyof typeof FORMAT_TITLES;
