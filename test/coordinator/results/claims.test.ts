import assert from "node:assert/strict";
import { test } from "node:test";
import {
  CLAIM_SETTINGS,
  type Claim,
  type ClaimModel,
  combined,
  isPublished,
  judgeClaims,
  settingsOf,
  verdictOf,
  withoutFlag,
} from "../../../coordinator/results/claims.js";
import type { PerturbationKind } from "../../../shared/results.js";

const MNIST = CLAIM_SETTINGS.mnist;
const N = 1000;

/** Error rates by kind; the first so many images are wrong, so that networks agree as far as they can. */
function model(
  network: string,
  errors: Partial<Record<PerturbationKind, number | ((strength: number) => number)>>,
  seed = 0,
): ClaimModel {
  return {
    network,
    seed,
    outcome: (kind, strength) => {
      const rate = errors[kind];
      if (rate === undefined) return undefined;
      const wrongImages = Math.round(N * (typeof rate === "number" ? rate : rate(strength)));
      return {
        n: N,
        errors: wrongImages,
        wrong: Uint8Array.from({ length: N }, (_, i) => Number(i < wrongImages)),
      };
    },
  };
}

const weak = {
  clean: 0.01,
  adversarial: (s: number) => Math.min(0.95, 0.01 + 4 * s),
  nonsense: 0.9,
  noisy: (s: number) => 0.01 + s,
};
const strong = { clean: 0.012, adversarial: (s: number) => 0.012 + 0.2 * s, nonsense: 0.01, noisy: 0.013 };

function claim(claims: readonly Claim[], id: string): Claim {
  const found = claims.find((candidate) => candidate.id === id);
  assert.ok(found, `claim ${id} is judged`);
  return found;
}

test("claims that the data bear out hold", () => {
  const claims = judgeClaims(MNIST, [
    model("plain", weak),
    model("plain-r", { ...weak, adversarial: 0.5, noisy: 0.02 }),
    model("plain-m", { ...weak, nonsense: 0.1 }),
    model("plain-a", { ...weak, adversarial: 0.9 }),
    model("plain-r-m", { ...weak, nonsense: 0.05, adversarial: 0.4, noisy: 0.015 + 0.02 }),
    model("mrelu-r-m", { ...strong, noisy: 0.002 }),
  ]);
  for (const id of [
    "clean",
    "small-strength",
    "large-adversarial",
    "large-noisy",
    "nonsense",
    "maxout",
    "plain-r-m",
  ])
    assert.equal(claim(claims, id).verdict, "holds", `${id}: ${claim(claims, id).reason}`);
  assert.equal(claim(claims, "adversarial-training").verdict, "holds");
  assert.equal(claim(claims, "best").verdict, "holds");
});

test("claims that the data contradict do not hold", () => {
  const claims = judgeClaims(MNIST, [
    model("plain", strong),
    model("plain-r", { ...strong, adversarial: 0.5 }),
    model("plain-m", { ...strong, nonsense: 0.4 }),
    model("plain-a", { ...strong, adversarial: 0.001 }),
    model("plain-r-m", { ...strong, nonsense: 0.9, noisy: 0.8 }),
    model("mrelu-r-m", { ...weak, clean: 0.08 }),
  ]);
  const failing = ["clean", "large-adversarial", "large-noisy", "nonsense", "maxout", "best", "random-helps"];
  for (const id of [...failing, "mean-helps", "plain-r-m"])
    assert.equal(claim(claims, id).verdict, "does not hold", id);
});

test("adversarial training that helps much contradicts the claim that it helps little", () => {
  const claims = judgeClaims(MNIST, [
    model("plain", { adversarial: 0.9 }),
    model("plain-a", { adversarial: 0.2 }),
  ]);
  const { verdict, comparisons } = claim(claims, "adversarial-training");
  assert.equal(verdict, "does not hold");
  assert.equal(comparisons[0]?.first.model, "plain");
  assert.ok((comparisons[0]?.difference.low ?? 0) > MNIST.far);
});

test("what was not measured cannot be judged, and the reason says what is missing", () => {
  const claims = judgeClaims(MNIST, [model("plain", { clean: 0.01 }), model("mrelu-r-m", { clean: 0.011 })]);
  const nonsense = claim(claims, "nonsense");
  assert.equal(nonsense.verdict, "cannot be judged");
  assert.match(nonsense.reason ?? "", /plain was not measured: nonsense at β = 0/);
  assert.match(claim(claims, "plain-r-m").reason ?? "", /plain-r-m was not trained/);
  assert.match(claim(claims, "random-helps").reason ?? "", /no pair of networks/);
  assert.deepEqual(claim(judgeClaims(MNIST, []), "maxout").comparisons, []);
});

test("an interval that holds both answers decides nothing", () => {
  const few = (network: string, wrongImages: number): ClaimModel => ({
    network,
    seed: 0,
    outcome: () => ({ n: 40, errors: wrongImages }),
  });
  const clean = claim(judgeClaims(MNIST, [few("plain", 2), few("mrelu-r-m", 3)]), "clean");
  assert.equal(clean.verdict, "cannot be judged");
  assert.match(clean.reason ?? "", /more images or seeds/);
  assert.equal(clean.comparisons[0]?.verdict, "cannot be judged");
});

test("a claim must hold for every seed", () => {
  const claims = judgeClaims(MNIST, [
    model("plain", weak, 0),
    model("mrelu-r-m", strong, 0),
    model("plain", weak, 1),
    model("mrelu-r-m", { ...strong, nonsense: 0.99 }, 1),
  ]);
  const { verdict, comparisons } = claim(claims, "nonsense");
  assert.equal(verdict, "does not hold");
  assert.deepEqual(comparisons.map((comparison) => [comparison.seed, comparison.verdict]).sort(), [
    [0, "holds"],
    [0, "holds"],
    [1, "does not hold"],
    [1, "does not hold"],
  ]);
});

test("a bound is passed only by the whole interval", () => {
  assert.equal(verdictOf({ low: -0.3, high: -0.11 }, -0.1), "holds");
  assert.equal(verdictOf({ low: -0.3, high: -0.1 }, -0.1), "cannot be judged");
  assert.equal(verdictOf({ low: -0.1, high: 0.2 }, -0.1), "does not hold");
  assert.equal(combined([]), "cannot be judged");
  assert.equal(combined(["holds", "cannot be judged"]), "cannot be judged");
  assert.equal(combined(["cannot be judged", "does not hold"]), "does not hold");
});

test("names of networks are read by their flags", () => {
  assert.equal(withoutFlag("mrelu-r-m", "r"), "mrelu-m");
  assert.equal(withoutFlag("mrelu-m", "r"), undefined);
  assert.equal(withoutFlag("r", "r"), undefined);
  assert.deepEqual(["plain", "rbf-r-m", "plain-bn", "mrelu-pgd"].map(isPublished), [
    true,
    true,
    false,
    false,
  ]);
});

test("maxout is a number for MNIST, the clean gain a claim about CIFAR-10", () => {
  const ids = (dataset: string): string[] => judgeClaims(settingsOf(dataset), []).map(({ id }) => id);
  assert.ok(ids("mnist").includes("maxout") && !ids("mnist").includes("clean-gain"));
  assert.ok(!ids("cifar10").includes("maxout") && ids("cifar10").includes("clean-gain"));
  const undecided = judgeClaims(CLAIM_SETTINGS.cifar10, []).slice(-2);
  assert.ok(undecided.every(({ verdict, reason }) => verdict === "cannot be judged" && reason !== undefined));
});
