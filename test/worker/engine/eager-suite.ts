/** What only the engine that runs operation by operation can show of itself. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type * as tfjs from "@tensorflow/tfjs-core";
import type { ActivationName } from "../../../shared/networks/network.js";
import { activation } from "../../../worker/engine/eager/layers/activation.js";
import type { Operator, Parameters } from "../../../worker/engine/eager/layers/operator.js";
import { EagerPrograms } from "../../../worker/engine/eager/programs.js";
import type { Engine } from "../../../worker/engine/eager/tfjs.js";
import type { SurrogateSlope } from "../../../worker/engine/program.js";
import { sampleOf, smallNetwork } from "./program-suite.js";

export function eagerSuite(engineName: string, engine: Engine): void {
  const { tf } = engine;
  const programs = new EagerPrograms(engine);
  const title = (text: string): string => `${engineName}: ${text}`;

  test(title("weight gradients are refused with stored statistics"), () => {
    const sample = sampleOf(smallNetwork("relu"));
    const program = programs.create(sample.network, sample.layout);
    program.load(sample.vector);
    const pass = program.forward(sample.inputs, "stored");
    assert.throws(
      () =>
        pass.backward(new Float32Array(pass.outputs.length).fill(1), {
          emit: () => undefined,
          wantInput: false,
        }),
      RangeError,
    );
    pass.dispose();
    program.dispose();
  });

  const slopesOf = (
    name: ActivationName,
    points: number[],
    width?: number,
    surrogate?: SurrogateSlope,
  ): [y: number[], slope: number[]] =>
    tf.tidy(() => {
      const operator: Operator = activation(tf, name, width);
      const input = tf.tensor1d(points);
      const { output } = operator.forward(undefined as unknown as Parameters, input, "batch", undefined);
      const at = { input, output, saved: [], statistics: "batch", surrogate } as const;
      const slope = operator.backward(
        undefined as unknown as Parameters,
        at,
        tf.onesLike(input),
        true,
        undefined,
      );
      return [[...output.dataSync()], [...(slope as tfjs.Tensor).dataSync()].map((value) => value + 0)];
    });

  test(title("activations and their slopes, at their kinks too"), () => {
    const points = [-3, -1, -0.5, 0, 0.5, 1, 3];
    assert.deepEqual(slopesOf("relu", points), [
      [0, 0, 0, 0, 0.5, 1, 3],
      [0, 0, 0, 0, 1, 1, 1],
    ]);
    assert.deepEqual(slopesOf("mrelu", points), [
      [0, 0, 0.5, 1, 0.5, 0, 0],
      [0, 0, 1, 0, -1, 0, 0],
    ]);
    const [values, slopes] = slopesOf("rbf", points);
    points.forEach((x, i) => {
      // A few ulps of float32: engines have exponentials of their own.
      assert.ok(Math.abs((values[i] as number) - Math.exp(-x * x)) < 5e-7);
      assert.ok(Math.abs((slopes[i] as number) + 2 * x * Math.exp(-x * x)) < 1e-6);
    });
  });

  test(title("an activation of width w is f(x / w), and its slope f'(x / w) / w, an attacker's too"), () => {
    const points = [-3, -1.5, -1, -0.5, -0.25, 0, 0.25, 0.5, 1, 1.25, 3];
    const surrogates = [
      undefined,
      ...(["tent", "rbf"] as const).map((kind) => ({ kind, width: 3, headFloor: 0 })),
    ];
    for (const name of ["mrelu", "rbf"] as const) {
      for (const surrogate of surrogates) {
        const [values, slopes] = slopesOf(name, points, undefined, surrogate);
        // A power of two scales without rounding, so the kinks lie where they should.
        for (const width of [0.5, 4]) {
          const scaled = points.map((x) => width * x);
          const [y, dy] = slopesOf(name, scaled, width, surrogate);
          assert.deepEqual(y, values, `${name} of width ${width}`);
          dy.forEach((slope, i) => {
            const expected = (slopes[i] as number) / width;
            assert.ok(
              Math.abs(slope - expected) < 1e-6,
              `${name} of width ${width}: ${slope} is not ${expected}`,
            );
          });
        }
      }
    }
    assert.deepEqual(slopesOf("relu", points, 4), slopesOf("relu", points));
  });

  test(title("an activation of width 1 costs no operation more"), async () => {
    const kernelsOf = async (name: ActivationName, width?: number): Promise<string[]> => {
      const found = await tf.profile(() => {
        slopesOf(name, [-1, 0.5], width);
      });
      return found.kernels.map(({ name: kernel }) => kernel);
    };
    for (const name of ["relu", "mrelu", "rbf"] as const) {
      const paper = await kernelsOf(name);
      assert.ok(paper.length > 0 && !paper.includes("RealDiv"), paper.join());
      assert.deepEqual(await kernelsOf(name, 1), paper);
    }
    assert.equal((await kernelsOf("mrelu", 2)).filter((kernel) => kernel === "RealDiv").length, 2);
    assert.equal((await kernelsOf("rbf", 2)).filter((kernel) => kernel === "RealDiv").length, 1);
  });
}
