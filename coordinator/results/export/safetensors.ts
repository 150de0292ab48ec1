/** Named tensors in their shapes, the mean image among them: what `saf evaluate --weights` and Python read. */
import { encodeSafetensors } from "../../../shared/core/safetensors.js";
import type { ExportFormat, ExportedModel } from "./export-format.js";
import { tensorsOf } from "../../../shared/records/checkpoint.js";

export const safetensorsFormat: ExportFormat = {
  of: "model",
  makes: "file",
  name: "safetensors",
  suffix: ".safetensors",
  render: safetensorsFile,
};

/** Weights as in a checkpoint, [height, width, in, out] for filters, then `mean_image` [height, width, channels]. */
function safetensorsFile({ network, layout, parameters, mean, facts }: ExportedModel): Uint8Array {
  const { height, width, channels } = network.input;
  return encodeSafetensors({
    tensors: [
      ...tensorsOf(layout, parameters),
      { name: "mean_image", shape: [height, width, channels], values: mean },
    ],
    metadata: { format: "saf-1", ...facts, input: "pixels 0..255 minus mean_image", head: network.head.kind },
  });
}
