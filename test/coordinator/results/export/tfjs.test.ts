import assert from "node:assert/strict";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import type * as tfjs from "@tensorflow/tfjs";
import { tfjsFormat } from "../../../../coordinator/results/export/tfjs.js";
import type { ExportedModel, FolderContent } from "../../../../coordinator/results/export/export-format.js";
import { ClusterError } from "../../../../shared/errors.js";
import type { Layer } from "../../../../shared/networks/network.js";
import { startEngine } from "../../../../worker/engine/eager/backend.js";
import { EagerPrograms } from "../../../../worker/engine/eager/programs.js";
import {
  type Example,
  changedExamples,
  differenceOf,
  headsOf,
  mnistExample,
  modelOf,
  referenceExamples,
} from "../../../support/exported-nets.js";

/** Worst found: 6e-5. Batch norms that divide by a small deviation make float32's rounding larger. */
const TOLERANCE = 1e-4;

const engine = await startEngine("wasm");
/** The package as users have it; none of its classes are ours. */
const tf = createRequire(import.meta.url)("@tensorflow/tfjs") as typeof tfjs;

function render(model: ExportedModel): FolderContent {
  assert.ok(tfjsFormat.of === "model" && tfjsFormat.makes === "folder");
  return tfjsFormat.render(model);
}

/** Loads it as a browser does, over HTTP. */
async function load(files: FolderContent): Promise<tfjs.LayersModel> {
  const server = createServer(({ url = "" }, response) => {
    const content = files[url.slice(1)];
    response.writeHead(content === undefined ? 404 : 200).end(content);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    return await tf.loadLayersModel(`http://127.0.0.1:${(server.address() as AddressInfo).port}/model.json`);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

function predict(loaded: tfjs.LayersModel, { model, pixels, count }: Example): [Float32Array, Float32Array] {
  const { height, width, channels } = model.network.input;
  return tf.tidy(() => {
    const outputs = loaded.predict(tf.tensor4d(pixels, [count, height, width, channels])) as tfjs.Tensor[];
    return outputs.map((output) => output.dataSync<"float32">()) as [Float32Array, Float32Array];
  });
}

const mnist = [
  ...["plain", "mrelu", "rbf", "mrelu-r-m"].map((name) => mnistExample(name, 11)),
  ...changedExamples(11),
];

for (const example of [...mnist, ...referenceExamples()]) {
  test(`plain TensorFlow.js loads and predicts ${example.what}`, async () => {
    const tensors = tf.memory().numTensors;
    const loaded = await load(render(example.model));
    const [logits, confidences] = predict(loaded, example);
    const expected = headsOf(example);
    assert.ok(differenceOf(logits, expected.logits) < TOLERANCE);
    assert.ok(differenceOf(confidences, expected.confidences) < TOLERANCE);
    loaded.dispose();
    assert.equal(tf.memory().numTensors, tensors);
  });
}

for (const example of mnist) {
  test(`the exported ${example.what} answers as our own engine does`, async () => {
    const { model, pixels } = example;
    const { network, layout, parameters, mean } = model;
    const program = new EagerPrograms(engine).create(network, layout);
    program.load(parameters);
    const z = Float64Array.from(
      program.predict(pixels.map((pixel, i) => pixel - (mean[i % mean.length] as number))),
    );
    program.dispose();
    const loaded = await load(render(model));
    const [logits, confidences] = predict(loaded, example);
    loaded.dispose();
    const expected = headsOf({ ...example, z });
    assert.ok(differenceOf(logits, expected.logits) < TOLERANCE);
    assert.ok(differenceOf(confidences, expected.confidences) < TOLERANCE);
  });
}

test("weights of more than 4 MiB come in several shards", async () => {
  const { model, pixels, count } = mnistExample("plain", 2, 1);
  const wide = model.network.layers.map((layer): Layer =>
    layer.kind === "convolution" && layer.name === "conv3" ? { ...layer, channels: 1500 } : layer,
  );
  const network = { ...model.network, layers: wide };
  const size = modelOf(network, new Float32Array(), model.mean).layout.size;
  const files = render(modelOf(network, new Float32Array(size).fill(0.01), model.mean));
  assert.deepEqual(Object.keys(files), ["group1-shard1of2.bin", "group1-shard2of2.bin", "model.json"]);
  const loaded = await load(files);
  const [logits] = predict(loaded, {
    what: "",
    model: { ...model, network },
    pixels,
    count,
    z: new Float64Array(),
  });
  assert.ok(logits.every((logit) => logit === logits[0] && Number.isFinite(logit)));
  loaded.dispose();
});

test("a pool whose padding no stock layer has is refused, and says what to do", () => {
  const [{ model }] = referenceExamples() as [Example];
  const layers = model.network.layers.map((layer) =>
    layer.kind === "max-pool" ? { ...layer, padding: [1, 0, 1, 0] as const } : layer,
  );
  assert.throws(
    () => render({ ...model, network: { ...model.network, layers } }),
    (error) => error instanceof ClusterError && error.code === "config" && /onnx/.test(error.hint ?? ""),
  );
});
