/**
 * What the measures find on a network in plain arithmetic, pinned by hash for each version of them: whoever changes what is
 * found must raise the version, or results of before would pass for results of today.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { attackDefinition, attackNames } from "../../../shared/attacks.js";
import {
  CORRECTED,
  CORRUPTIONS,
  MEASURES_VERSION,
  type Measure,
  NONSENSE_STARTS,
  RELEASED,
  measureSchema,
} from "../../../shared/measures.js";
import { RandomStream } from "../../../shared/random.js";
import { linearPrograms } from "../../support/linear-programs.js";
import { PIXELS, SEED, linearVictim } from "../attacks/nets.js";
import { evaluateTask } from "../../../worker/measures/evaluate.js";

/** Of version 1. */
const PINNED: Readonly<Record<string, string>> = {
  clean: "cb81349e1c56",
  "paper adversarial": "b2691489d9a1",
  "corrected adversarial": "4b926b57e460",
  "paper nonsense": "0fedc7b5918b",
  "corrected nonsense": "8ec806edd394",
  "paper noisy": "fd1fdde57e2b",
  "corrected noisy": "b02af37aac89",
  "fgsm linf": "1558c324b395",
  "fgsm l2": "67bc94a08a55",
  "pgd linf": "12ac4fca39e7",
  "pgd l2": "1dc140b10db5",
  "pgd-targeted linf": "77331612a4d6",
  "pgd-targeted l2": "9a02b1afe892",
  "apgd-ce linf": "aeac06c70b66",
  "apgd-ce l2": "093d8315396d",
  "apgd-dlr linf": "ca8436a49702",
  "apgd-dlr l2": "dcec34b53429",
  "apgd-t linf": "36f977e4b8a7",
  "apgd-t l2": "5c3c0b5eedfe",
  "fab-t linf": "733f7626bb38",
  "fab-t l2": "73d519cbbbab",
  "ddn l2": "fcb59dd7cf66",
  "square linf": "c91ba50c5218",
  "square l2": "b23417e28809",
  "hop-skip-jump linf": "a214c4cd69e9",
  "hop-skip-jump l2": "a1c619471009",
  "random-search linf": "a49c29023c48",
  "random-search l2": "d2fc853a903a",
  "transfer linf": "8889962a3fe3",
  "transfer l2": "b1d253c9422d",
  "surrogate-pgd linf": "6c2f5afdc82d",
  "surrogate-pgd l2": "949d13cabc28",
  "walk-back linf": "5150785cab07",
  "walk-back l2": "b86f49fb1563",
  "autoattack linf": "aeac06c70b66",
  "autoattack l2": "093d8315396d",
  "nonsense-pgd linf": "2d5eed07aabf",
  "nonsense-pgd l2": "27a05149cb93",
  "start gaussian": "97c240801d84",
  "start uniform": "148f190ddeec",
  "start constant": "b0da02d090eb",
  "start shuffled": "d46b5369136b",
  nonsense: "50e339cf03b4",
  "gaussian-noise": "c4e4c25c2970",
  "shot-noise": "eaef0c8ea814",
  "gaussian-blur": "b92ca6e756a0",
  contrast: "434aefda9ca0",
  brightness: "f6e00a1ada67",
  rotation: "86c0edb4bd27",
  translation: "3f828faa0f60",
  diagnostics: "0c122fb45663",
};

const COUNT = 6;
const OUTPUTS = 5;

const { program } = linearVictim(linearPrograms, OUTPUTS);
const stream = new RandomStream(SEED, "nonsense", 1);
const pixels = Uint8Array.from({ length: COUNT * PIXELS }, () => stream.below(256));
const mean = new Float32Array(PIXELS).fill(120);
const inputs = Float32Array.from(pixels, (value, i) => value - mean[i % PIXELS]!);
const outputs = program.predict(inputs);
const labels = Uint8Array.from({ length: COUNT }, (_, i) => {
  const row = [...outputs.subarray(i * OUTPUTS, (i + 1) * OUTPUTS)];
  return row.indexOf(Math.max(...row));
});
const subject = { program, source: program, mean, test: { pixels, labels, count: COUNT, imageSize: PIXELS } };

function measures(): [string, Measure][] {
  const all: [string, unknown][] = [["clean", { how: "clean" }]];
  for (const kind of ["adversarial", "nonsense", "noisy"])
    for (const [protocol, switches] of Object.entries({ paper: RELEASED, corrected: CORRECTED }))
      all.push([`${protocol} ${kind}`, { how: "paper", protocol, kind, switches, attack_batch: 3 }]);
  for (const attack of attackNames()) {
    for (const norm of attackDefinition(attack).norms) {
      const members = [{ attack }];
      all.push([`${attack} ${norm}`, { how: "attack", name: attack, norm, members, carry: false }]);
    }
  }
  for (const start of NONSENSE_STARTS) all.push([`start ${start}`, { how: "nonsense", name: start, start }]);
  const member = { attack: "nonsense-pgd" };
  all.push(["nonsense", { how: "nonsense", name: "pgd", start: "gaussian", member }]);
  for (const corruption of CORRUPTIONS) all.push([corruption, { how: "corruption", corruption }]);
  all.push(["diagnostics", { how: "diagnostics", members: [{ attack: "pgd" }] }]);
  return all.map(([name, measure]) => [name, measureSchema.parse(measure)]);
}

function hashOfFindings(measure: Measure): string {
  const strengths = measure.how === "clean" ? [0] : measure.how === "corruption" ? [0.4] : [0.01, 0.1];
  const task = { measure, strengths, firstImage: 0, imageCount: COUNT, seed: SEED, sampleCount: 1 };
  const found = evaluateTask(subject, task);
  const text = JSON.stringify(found, (_key, value: unknown) =>
    ArrayBuffer.isView(value) ? [...(value as Uint8Array)] : value,
  );
  return createHash("sha256").update(text).digest("hex").slice(0, 12);
}

test("what a measure finds does not change without a new version of the measures", () => {
  const found: Record<string, string> = {};
  for (const [name, measure] of measures()) found[name] = hashOfFindings(measure);
  const changed = Object.keys({ ...found, ...PINNED }).filter((name) => found[name] !== PINNED[name]);
  assert.deepEqual(
    found,
    PINNED,
    [
      `Not as in version ${MEASURES_VERSION} of the measures: ${changed.join(", ")}.`,
      "If what is found has changed, raise MEASURES_VERSION in shared/measures.ts: results of before are then measured again.",
      "A new measure needs no new version. Then set PINNED here to what was found.",
    ].join("\n"),
  );
});
