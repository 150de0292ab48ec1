import assert from "node:assert/strict";
import { test } from "node:test";
import { safetensorsFormat } from "../../../../coordinator/results/export/safetensors.js";
import { decodeSafetensors } from "../../../../shared/core/safetensors.js";
import { mnistExample } from "../../../support/exported-nets.js";
import { vectorOf } from "../../../../shared/records/checkpoint.js";

for (const name of ["plain", "rbf-r-m"]) {
  test(`the weights of ${name} come back to the bit, with the mean image and where they come from`, async () => {
    const { model } = mnistExample(name, 13, 1);
    assert.ok(safetensorsFormat.of === "model" && safetensorsFormat.makes === "file");
    const file = (await safetensorsFormat.render(model, { perImage: false })) as Uint8Array;

    const { tensors, metadata } = decodeSafetensors(file, "the export");
    assert.deepEqual(vectorOf(model.layout, tensors, "the export"), model.parameters);
    const mean = tensors.find((tensor) => tensor.name === "mean_image");
    assert.deepEqual(mean?.shape, [28, 28, 1]);
    assert.deepEqual(mean?.values, model.mean);
    assert.deepEqual(
      tensors.map((tensor) => tensor.name),
      [...model.layout.tensors.map((tensor) => tensor.name), "mean_image"],
    );
    const { format, input, head, ...facts } = metadata;
    assert.deepEqual(facts, { ...model.facts });
    assert.deepEqual(
      [format, input, head],
      ["saf-1", "pixels 0..255 minus mean_image", name === "plain" ? "softmax" : "rbf"],
    );
  });
}
