import assert from "node:assert/strict";
import { test } from "node:test";
import { InferenceSession, Tensor } from "onnxruntime-web";
import { onnxFormat } from "../../../../coordinator/results/export/onnx.js";
import type { ExportedModel } from "../../../../coordinator/results/export/export-format.js";
import { onnx } from "../../../../shared/proto/generated/onnx.js";
import {
  type Example,
  changedExamples,
  differenceOf,
  headsOf,
  mnistExample,
  referenceExamples,
} from "../../../support/exported-nets.js";

/** Worst found: 2e-5. Batch norms that divide by a small deviation make float32's rounding larger. */
const TOLERANCE = 1e-4;
const OPERATORS = [
  ...["Sub", "Transpose", "Conv", "BatchNormalization", "Abs", "Relu", "Mul", "Div", "Neg", "Exp"],
  ...["MaxPool", "AveragePool", "Flatten", "Identity", "Softmax"],
];

async function render(model: ExportedModel): Promise<Uint8Array> {
  assert.ok(onnxFormat.of === "model" && onnxFormat.makes === "file");
  return (await onnxFormat.render(model, { perImage: false })) as Uint8Array;
}

async function run(file: Uint8Array, { model, pixels, count }: Example): Promise<Record<string, Tensor>> {
  const session = await InferenceSession.create(file);
  const { height, width, channels } = model.network.input;
  const found = await session.run({
    pixels: new Tensor("float32", pixels, [count, height, width, channels]),
  });
  await session.release();
  return found;
}

const examples = [
  ...["plain", "mrelu", "rbf", "mrelu-r-m"].map((name) => mnistExample(name, 11)),
  ...changedExamples(11),
  ...referenceExamples(),
];

for (const example of examples) {
  test(`onnxruntime gives the outputs of ${example.what}`, async () => {
    const { logits, confidences } = await run(await render(example.model), example);
    const expected = headsOf(example);
    assert.deepEqual(logits?.dims, [example.count, example.model.network.outputs]);
    assert.ok(differenceOf(logits.data as Float32Array, expected.logits) < TOLERANCE);
    assert.ok(differenceOf(confidences?.data as Float32Array, expected.confidences) < TOLERANCE);
  });
}

test("the graph is of stock operators at the opset that it states, and says where its weights come from", async () => {
  const example = mnistExample("rbf", 3, 1, { activation_width: 2 });
  const model = onnx.ModelProto.decode(await render(example.model));
  assert.deepEqual(
    model.opsetImport?.map(({ domain, version }) => [domain, Number(version)]),
    [["", 17]],
  );
  const types = model.graph?.node?.map(({ opType }) => opType ?? "") ?? [];
  assert.ok(types.includes("Exp") && types.includes("BatchNormalization"));
  assert.deepEqual(
    types.filter((type) => !OPERATORS.includes(type)),
    [],
  );
  assert.deepEqual(
    new Map(model.metadataProps?.map(({ key, value }) => [key, value])),
    new Map(Object.entries(example.model.facts)),
  );
});

test("a network of the paper's width divides by nothing, and says of its network nothing but the name", async () => {
  const example = mnistExample("rbf", 3, 1);
  const model = onnx.ModelProto.decode(await render(example.model));
  assert.ok(!model.graph?.node?.some(({ opType }) => opType === "Div"));
  assert.ok(!model.metadataProps?.some(({ key }) => key === "network_settings"));
});

test("a weight that is changed changes the outputs that onnxruntime gives", async () => {
  const example = mnistExample("mrelu", 5, 1);
  const parameters = example.model.parameters.map((weight, i) => (i === 0 ? weight + 0.5 : weight));
  const { logits } = await run(await render({ ...example.model, parameters }), example);
  assert.ok(differenceOf(logits?.data as Float32Array, headsOf(example).logits) > TOLERANCE);
});
