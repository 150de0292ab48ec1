import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { stringify } from "yaml";
import { Checkpoints } from "../../../coordinator/io/checkpoints.js";
import { weightsSettings } from "../../../coordinator/io/foreign-weights.js";
import { readSource } from "../../../coordinator/io/transfer-sources.js";
import type { NetworkSettings } from "../../../shared/config/network.js";
import { configSchema } from "../../../shared/config/run.js";
import { initialParameters } from "../../../shared/core/layout.js";
import { decodeSafetensors, encodeSafetensors } from "../../../shared/core/safetensors.js";
import { ClusterError } from "../../../shared/errors.js";
import { layoutOf } from "../../../shared/networks/network.js";
import { resolveRun } from "../../../shared/resolve.js";
import { temporaryDirectory } from "./storage-support.js";

/** A run directory with a checkpoint of a network with these settings; returns it and its weights file. */
async function trained(
  t: TestContext,
  network: NetworkSettings | undefined,
): Promise<{ run: string; weights: string; parameters: Float32Array }> {
  const run = await temporaryDirectory(t);
  const config = configSchema.parse({ model: "mrelu", ...(network === undefined ? {} : { network }) });
  await writeFile(join(run, "config.yaml"), stringify(config));
  const { network: resolved } = resolveRun(config);
  const layout = layoutOf(resolved);
  const parameters = initialParameters(layout, 4);
  await mkdir(join(run, "checkpoints"));
  const { path } = await new Checkpoints(join(run, "checkpoints"), layout, 1).write(
    { step: 1, parameters, velocity: new Float32Array(layout.size) },
    { model: "mrelu", settings: resolved.settings, identity: "", cleanAccuracy: null, best: false },
  );
  return { run, weights: join(path, "model.safetensors"), parameters };
}

test("a second network keeps its settings, read from a run directory or from a weights file", async (t) => {
  const settings = { channels: [1, 2, 3], activation_width: 2 };
  const { run, weights, parameters } = await trained(t, settings);
  for (const place of [
    { path: run, model: undefined, isRun: true },
    { path: weights, model: undefined, isRun: false },
    { path: weights, model: "mrelu", isRun: false },
  ]) {
    const source = await readSource(place, "mnist");
    assert.deepEqual(source.settings, settings);
    assert.deepEqual(source.parameters, parameters);
  }
  assert.deepEqual(await weightsSettings(weights), settings);
});

test("the weights of a network as the paper has it say nothing but its name", async (t) => {
  const { weights, run } = await trained(t, { activation_width: 1 });
  assert.equal(await weightsSettings(weights), undefined);
  assert.equal((await readSource({ path: run, model: undefined, isRun: true }, "mnist")).settings, undefined);
});

test("a weights file that says of its network what nobody understands is refused", async (t) => {
  const path = join(await temporaryDirectory(t), "model.safetensors");
  for (const network_settings of ["{", '{"channels":"many"}', '{"depth":3}']) {
    const file = encodeSafetensors({ tensors: [], metadata: { model: "mrelu", network_settings } });
    await writeFile(path, file);
    assert.equal(decodeSafetensors(file, path).metadata["network_settings"], network_settings);
    await assert.rejects(
      weightsSettings(path),
      (error) =>
        error instanceof ClusterError && error.code === "data" && error.message.includes(network_settings),
    );
  }
});
