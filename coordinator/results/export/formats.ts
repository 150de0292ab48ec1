/** Every export format. A new one is a file beside this and an entry here. */
import { cardFormat } from "./card.js";
import { csvFormat } from "./csv.js";
import type { ExportFormat } from "./export-format.js";
import { onnxFormat } from "./onnx.js";
import { parquetFormat } from "./parquet.js";
import { safetensorsFormat } from "./safetensors.js";
import { tensorboardFormat } from "./tensorboard.js";
import { tfjsFormat } from "./tfjs.js";

export const EXPORT_FORMATS: readonly ExportFormat[] = [
  safetensorsFormat,
  tfjsFormat,
  onnxFormat,
  csvFormat,
  parquetFormat,
  cardFormat,
  tensorboardFormat,
];
