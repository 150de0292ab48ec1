import assert from "node:assert/strict";
import { test } from "node:test";
import { checkedCounts } from "../../../coordinator/evaluation/features-job.js";
import { initialParameters } from "../../../shared/core/layout.js";
import { featureTaps } from "../../../shared/features.js";
import { layoutOf } from "../../../shared/networks/network.js";
import { networkNamed } from "../../../shared/networks/registry.js";
import { titleOf, withSettings } from "../../../shared/networks/settings.js";
import { RandomStream } from "../../../shared/random.js";
import { nonsenseImage } from "../../../worker/core/nonsense-images.js";
import { startPrograms } from "../../../worker/engine/start.js";
import { measureFeatures } from "../../../worker/measures/features.js";
import { loadedProgram } from "../../support/programs.js";
import { naiveForward } from "../engine/naive-network.js";

const SEED = 20_160_315;
const IMAGES = 2;
const programs = await startPrograms("wasm");

const NETWORKS = [
  ...["plain", "mrelu", "rbf"].map((name) => networkNamed("mnist", name)),
  withSettings(networkNamed("mnist", "mrelu"), { channels: [20, 50, 30], activation_width: 0.5 }),
];

for (const network of NETWORKS) {
  test(`features of ${titleOf(network)} are those of plain loops over its layers`, () => {
    const layout = layoutOf(network);
    const vector = initialParameters(layout, SEED);
    // Deviations that bring the values to where the activations bend.
    for (const { name: tensor, offset, size } of layout.tensors)
      if (tensor.endsWith("/deviation"))
        vector.fill(tensor.startsWith("bn1") ? 6 : 0.3, offset, offset + size);
    const stream = new RandomStream(SEED, "attack", 0);
    const pixels = Uint8Array.from({ length: IMAGES * 784 }, () => stream.below(256));
    const test = { pixels, labels: new Uint8Array(IMAGES), count: IMAGES, imageSize: 784 };
    const mean = new Float32Array(784).fill(33);

    const before = programs.living().tensors;
    const program = loadedProgram(programs, network, vector);
    const found = measureFeatures(program, test, mean, { seed: SEED, imageCount: 10 });
    program.dispose();
    assert.equal(programs.living().tensors, before);

    assert.equal(found.images, IMAGES, "no more images than there are");
    assert.ok(checkedCounts(JSON.stringify(found), network), "the coordinator takes it");
    const inputs = { clean: new Float64Array(IMAGES * 784), nonsense: new Float64Array(IMAGES * 784) };
    inputs.clean.set(Array.from(pixels, (value) => value - 33));
    for (let i = 0; i < IMAGES; i++) {
      const image = new Float32Array(784);
      nonsenseImage(SEED, i, mean, image);
      inputs.nonsense.set(image, i * 784);
    }
    featureTaps(network).forEach((tap, i) => {
      const place = found.places[i];
      assert.ok(place?.layer === tap.layer && place.activation === tap.activation);
      const saf = place.activation === "mrelu" || place.activation === "rbf";
      assert.equal(place.width, saf ? network.settings?.activation_width : undefined);
      const cut = { ...network, layers: network.layers.slice(0, tap.depth) };
      for (const kind of ["clean", "nonsense"] as const) {
        const values = naiveForward(cut, layout, Float64Array.from(vector), inputs[kind], "stored").outputs;
        assert.equal(values.length, IMAGES * place.units);
        const counts = new Array<number>(place.all[kind].length).fill(0);
        const width = (place.all.high - place.all.low) / counts.length;
        for (const value of values) {
          const bin = Math.max(0, Math.min(counts.length - 1, Math.floor((value - place.all.low) / width)));
          counts[bin] = (counts[bin] as number) + 1;
        }
        // float32 against float64: a value on the edge of a bin may fall into its neighbour.
        const moved = counts.reduce(
          (sum, count, bin) => sum + Math.abs(count - (place.all[kind][bin] as number)),
          0,
        );
        assert.ok(
          moved <= 2 + values.length / 1000,
          `${tap.layer}, ${kind}: ${moved} of ${values.length} moved`,
        );
        if (tap.activation === null) continue;
        const { width: w = 1 } = place;
        const silent = { relu: (x: number) => x <= 0, mrelu: (x: number) => Math.abs(x) >= w, rbf: (x: number) => Math.exp(-x * x) < 0.01 }; // prettier-ignore
        const share = values.filter(silent[tap.activation]).length / values.length;
        const told = place.suppressed?.[kind] ?? NaN;
        assert.ok(Math.abs(share - told) < 0.002, `${tap.layer}, ${kind}: ${told}, expected ${share}`);
        assert.ok(share > 0, `${tap.layer}, ${kind}: there is something to count`);
      }
    });
  });
}
