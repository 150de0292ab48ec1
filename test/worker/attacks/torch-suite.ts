/** FGSM, PGD, APGD and Square step by step against PyTorch (test/fixtures/torch-attacks), which shares no code with them. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { type AttackName, attackNamed } from "../../../shared/attacks.js";
import { layoutOf } from "../../../shared/networks/network.js";
import { networkNamed } from "../../../shared/networks/registry.js";
import { RandomStream } from "../../../shared/random.js";
import { answerOf, largestBut } from "../../../worker/core/attack-losses.js";
import { distance } from "../../../worker/core/perturbation.js";
import { attackedModel } from "../../../worker/attacks/attacked-model.js";
import type { AttackedModel } from "../../../worker/attacks/attack.js";
import { runAttack } from "../../../worker/attacks/registry.js";
import type { Program, Programs } from "../../../worker/engine/program.js";
import { loadedProgram } from "../../support/programs.js";
import { image, initialTensor, meanImage } from "../../support/reference-inputs.js";

const SIZE = 28 * 28;

interface Walk {
  image: number;
  label: number;
  losses?: number[];
  margins: number[];
  distance: number;
  places: number[];
  pixels: number[];
}

interface Case {
  attack: string;
  norm: "linf" | "l2";
  epsilon: number;
  loss?: string;
  steps?: number;
  step?: number;
  queries?: number;
  net: string;
  outputs: number;
  seed: number;
  images: Walk[];
}

interface Reference {
  seed: number;
  words: number[];
  cases: Case[];
}

function loadReference(): Reference {
  const path = new URL("../../fixtures/torch-attacks/reference.json", import.meta.url);
  return JSON.parse(readFileSync(path, "utf8")) as Reference;
}

/**
 * Margins and losses relative to the largest of the walk. PyTorch's own float32 stays within 1e-5, but for one case of
 * 2e-4, where one pixel's gradient is next to nothing; a wrong step, loss or projection is off by 1e-2 and more.
 */
const TOLERANCE = 1e-3;

/** Added to the true class's logit where the attack looks for success: it walks to the end, wherever it gets. */
const HANDICAP = 8;

/** The same network, which an attack never sees broken; notes what it is shown. Gradients are those of the true logits. */
function unbreakable(
  model: AttackedModel,
  label: number,
): AttackedModel & { losses: number[]; margins: number[]; shown: Float32Array } {
  const watched = {
    ...model,
    losses: [] as number[],
    margins: [] as number[],
    shown: new Float32Array(),
    logits(images: Float32Array) {
      return look(images, model.logits(images));
    },
    gradient(...args: Parameters<AttackedModel["gradient"]>) {
      const found = model.gradient(...args);
      watched.losses.push(...found.losses);
      return { ...found, logits: look(args[0], found.logits) };
    },
  };
  function look(images: Float32Array, logits: Float32Array): Float32Array {
    watched.shown = images.slice();
    const rival = largestBut(logits, 0, model.outputs, label);
    watched.margins.push((logits[rival] as number) - (logits[label] as number));
    return logits.map((value, j) => (j === label ? value + HANDICAP : value));
  }
  return watched;
}

function modelOf(
  programs: Programs,
  { net, outputs, seed }: Case,
): { model: AttackedModel; program: Program } {
  const network = networkNamed("mnist", net);
  const layout = layoutOf(network);
  const vector = new Float32Array(layout.size);
  for (const { name, offset } of layout.tensors)
    vector.set(initialTensor(name, { outputs, seed, usedMoments: true }), offset);
  const program = loadedProgram(programs, network, vector);
  return { model: attackedModel(program, meanImage()), program };
}

function optionsOf({ attack, norm, loss, steps, step, queries }: Case): Record<string, unknown> {
  if (attack === "fgsm") return { loss };
  if (attack === "pgd") return { loss, steps, step_size: step, random_start: norm === "linf" };
  return attack === "square" ? { queries } : { steps };
}

function assertNear(what: string, found: readonly number[], expected: readonly number[]): void {
  assert.equal(found.length, expected.length, `${what}: ${found.length} of ${expected.length}`);
  const scale = Math.max(...expected.map(Math.abs));
  found.forEach((value, k) => {
    const error = Math.abs(value - (expected[k] as number)) / scale;
    assert.ok(error <= TOLERANCE, `${what}[${k}]: ${value}, expected ${expected[k]}`);
  });
}

export function torchSuite(engineName: string, programs: Programs): void {
  const { seed, words, cases } = loadReference();
  test("the reference draws the same words as RandomStream", () => {
    const stream = new RandomStream(seed, "attack-start", 7, 3);
    assert.deepEqual(
      words.map(() => stream.uint32()),
      words,
    );
  });

  for (const reference of cases) {
    const { net, norm, loss, epsilon } = reference;
    const name: AttackName = attackNamed(reference.attack);
    test(`${engineName}: ${name} (${norm}${loss === undefined ? "" : `, ${loss}`}) on ${net} takes PyTorch's steps`, () => {
      const { model, program } = modelOf(programs, reference);
      for (const { image: n, label, losses, margins, ...expected } of reference.images) {
        const images = Float32Array.from(image(n), (pixel) => pixel / 255);
        assert.equal(answerOf(model.logits(images), 0, model.outputs), label);
        const watched = unbreakable(model, label);
        runAttack(name, {
          model: watched,
          images,
          labels: Uint8Array.of(label),
          indices: Uint32Array.of(n),
          seed,
          norm,
          epsilon,
          options: optionsOf(reference),
        });

        const walked = watched.margins.slice(1); // the first look is at the clean image
        if (losses === undefined) {
          const best = walked.map((_, query) => Math.max(...walked.slice(0, query + 1)));
          assertNear(`image ${n}: best margins`, best, margins);
          continue;
        }
        assertNear(`image ${n}: losses`, watched.losses, losses);
        assertNear(`image ${n}: margins`, walked, margins);
        const mean = [...images].reduce(
          (sum, pixel, p) => sum + Math.abs((watched.shown[p] as number) - pixel) / SIZE,
          0,
        );
        assert.ok(
          Math.abs(mean / expected.distance - 1) < TOLERANCE,
          `image ${n}: mean distance ${mean}, expected ${expected.distance}`,
        );
        // A sign of a gradient next to zero may differ: of 32 pixels, one.
        const off = expected.places.filter(
          (place, k) =>
            Math.abs((watched.shown[place] as number) - (expected.pixels[k] as number)) > TOLERANCE * epsilon,
        );
        assert.ok(off.length <= 1, `image ${n}: pixels ${off.join(", ")} are not PyTorch's`);
        assert.ok(distance(norm, SIZE, images, watched.shown, 0) <= epsilon);
      }
      program.dispose();
    });
  }
}
