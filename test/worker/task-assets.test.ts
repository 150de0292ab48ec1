import assert from "node:assert/strict";
import { test } from "node:test";
import { type Measure, measureSchema } from "../../shared/measures.js";
import { layoutOf } from "../../shared/networks/network.js";
import { networkNamed } from "../../shared/networks/registry.js";
import { withSettings } from "../../shared/networks/settings.js";
import { DataParts } from "../../worker/parts.js";
import { AssetCache } from "../../worker/task-assets.js";

class AnyParts extends DataParts {
  readonly asked: number[] = [];

  constructor() {
    super(undefined as never);
  }

  override fetch({ byteLength }: { byteLength: number }): Promise<Uint8Array> {
    this.asked.push(byteLength);
    return Promise.resolve(new Uint8Array(byteLength));
  }
}

const transferFrom = (source: object): Measure =>
  measureSchema.parse({
    ...{ how: "attack", name: "transfer", norm: "linf", members: [{ attack: "transfer" }], carry: true },
    source,
  });

test("a second network is the one that its measure describes, settings and all", async () => {
  const parts = new AnyParts();
  const assets = new AssetCache(parts);
  const attacked = networkNamed("mnist", "plain");
  const named = { model: "mrelu", weights_sha256: "a".repeat(64) };
  const paper = networkNamed("mnist", "mrelu");
  const settings = { channels: [1, 1, 1], activation_width: 2 };
  const tiny = withSettings(paper, settings);

  const { source: first } = await assets.of(transferFrom(named), attacked);
  assert.deepEqual(first?.network, paper);
  const other = { ...named, settings, weights_sha256: "b".repeat(64) };
  const { source: second } = await assets.of(transferFrom(other), attacked);
  assert.deepEqual(second?.network, tiny);
  assert.deepEqual(
    parts.asked,
    [paper, tiny].map((network) => 4 * layoutOf(network).size),
  );
});

test("a measure of a network that is the paper's says nothing of settings: its task keeps its id", () => {
  const measure = transferFrom({ model: "mrelu", weights_sha256: "a".repeat(64) });
  assert.ok(measure.how === "attack" && !("settings" in (measure.source ?? {})));
});
