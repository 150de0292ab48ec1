import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type EngineFingerprint, fingerprintDifferences, fingerprintId } from "../../shared/fingerprint.js";
import { TENSORFLOW, WASM } from "../support/fingerprints.js";

const differences = (change: Partial<EngineFingerprint>, of = TENSORFLOW): string[] =>
  fingerprintDifferences({ ...of, ...change }, of);

describe("two fingerprints", () => {
  test("are equal in whatever order their lists stand, and have one id of 12 hex digits", () => {
    const turned = {
      ...TENSORFLOW,
      flags: [...TENSORFLOW.flags].reverse(),
      cpu: [...TENSORFLOW.cpu].reverse(),
    };
    assert.deepEqual(fingerprintDifferences(turned, TENSORFLOW), []);
    assert.equal(fingerprintId(turned), fingerprintId(TENSORFLOW));
    assert.match(fingerprintId(TENSORFLOW), /^[0-9a-f]{12}$/);
  });

  const changes: [string, Partial<EngineFingerprint>, string[]][] = [
    [
      "another version",
      { version: "TensorFlow 2.22.0" },
      ["TensorFlow 2.22.0, not TensorFlow 2.21.0 with oneDNN"],
    ],
    ["another device", { device: "H200" }, ["device H200, not cpu"]],
    [
      "another flag",
      { flags: ["TF_NUM_INTRAOP_THREADS=2", "TF_ENABLE_ONEDNN_OPTS=1"] },
      ["with TF_NUM_INTRAOP_THREADS=2", "without TF_NUM_INTRAOP_THREADS=1"],
    ],
    ["fewer instruction sets", { cpu: ["x64", "avx2"] }, ["a processor without avx512f"]],
    [
      "another result of the same computation",
      { sample: "0123456789abcdef" },
      [
        "a fixed training step comes to 0123456789ab, not e642a01e4cba, though version, flags and instruction sets agree",
      ],
    ],
  ];
  for (const [what, change, words] of changes) {
    test(`differ by ${what}, and the words say so`, () => {
      assert.deepEqual(differences(change), words);
      assert.notEqual(fingerprintId({ ...TENSORFLOW, ...change }), fingerprintId(TENSORFLOW));
    });
  }

  test("of two engines differ by the engine, and the rest is not worth a word", () => {
    assert.deepEqual(fingerprintDifferences(WASM, TENSORFLOW), [
      "engine wasm (tfjs-backend-wasm 4.22.0), not tensorflow (TensorFlow 2.21.0 with oneDNN)",
    ]);
  });

  test("of wasm agree on every processor", () => {
    assert.deepEqual(differences({ cpu: ["arm64", "asimd"] }, WASM), []);
    assert.equal(fingerprintId({ ...WASM, cpu: ["arm64"] }), fingerprintId(WASM));
  });
});
