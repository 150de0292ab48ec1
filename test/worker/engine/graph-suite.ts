/** Compiled networks beside the same networks operation by operation, and what happens when one cannot be compiled. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, readdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { layoutOf, type Network } from "../../../shared/networks/network.js";
import { networkNamed, networkNames } from "../../../shared/networks/registry.js";
import { withSettings } from "../../../shared/networks/settings.js";
import { EagerPrograms } from "../../../worker/engine/eager/programs.js";
import type { Engine } from "../../../worker/engine/eager/tfjs.js";
import { GraphProgram } from "../../../worker/engine/graph/program.js";
import { GraphPrograms } from "../../../worker/engine/graph/programs.js";
import type { Program, Statistics } from "../../../worker/engine/program.js";
import { type Sample, pushOf, sampleOf } from "./program-suite.js";

/** Of the largest value of a tensor; worst of all when this was written: 2e-5, behind batch norm of three images. */
const TOLERANCE = 3e-4;
const BATCHES = [1, 3, 20];

/** Networks of the registry that differ in what they compute: flags change how one is trained, and how many outputs it has. */
function distinctNetworks(): Network[] {
  const found = new Map<string, Network>();
  for (const set of ["mnist", "cifar10"])
    for (const name of networkNames(set)) {
      const network = networkNamed(set, name);
      const key = JSON.stringify([network.layers, network.outputs, network.head]);
      if (!found.has(key)) found.set(key, network);
    }
  return [...found.values()];
}

const largestOf = (values: Float32Array): number =>
  values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);

/** `floor`: what counts as nothing beside other tensors. */
function assertClose(what: string, found: Float32Array, expected: Float32Array, floor = 1e-6): void {
  assert.equal(found.length, expected.length, what);
  const largest = Math.max(floor, largestOf(expected));
  found.forEach((value, i) =>
    assert.ok(
      Math.abs(value - expected[i]!) <= TOLERANCE * largest,
      `${what}[${i}]: ${value} is not ${expected[i]} (of ${largest})`,
    ),
  );
}

/** Outputs and gradient by the images, toward something that differs from image to image. */
function walked(program: Program, { inputs }: Sample, statistics: Statistics): [Float32Array, Float32Array] {
  const pass = program.forward(inputs, statistics);
  const gradient = pass.inputGradient(pass.outputs.map((_, i) => ((i % 7) - 3) / 3));
  pass.dispose();
  return [pass.outputs, gradient];
}

export function graphSuite(engine: Engine): void {
  const folder = mkdtempSync(join(tmpdir(), "saf-graphs-"));
  after(() => rmSync(folder, { recursive: true, force: true }));
  const refuse = (reason: string): never => assert.fail(reason);
  const compiled = new GraphPrograms(engine, { folder, onFallback: refuse });
  const eager = new EagerPrograms(engine);
  const networks = distinctNetworks();

  test("the registry's networks are more than a few", () => assert.ok(networks.length >= 10));

  for (const network of networks) {
    test(`compiled, ${network.dataset}'s ${network.name} gives what its operations give, at each batch size`, () => {
      for (const batch of BATCHES) {
        const sample = sampleOf(network, batch);
        const [graph, steps] = [compiled, eager].map((programs) => {
          const program = programs.create(network, sample.layout);
          program.load(sample.vector);
          return program;
        }) as [Program, Program];
        assert.ok(graph instanceof GraphProgram);
        const what = `${batch} images`;
        const [push, expected] = [pushOf(graph, sample), pushOf(steps, sample)];
        const gradients = sample.layout.tensors.filter(({ role }) => role === "weight");
        const floor = 1e-3 * largestOf(expected.subarray(0, gradients.at(-1)!.offset));
        for (const { name, offset, size } of sample.layout.tensors) {
          const part = (values: Float32Array): Float32Array => values.subarray(offset, offset + size);
          assertClose(`${what}: ${name}`, part(push), part(expected), floor);
        }
        assertClose(
          `${what}: tail`,
          push.subarray(sample.layout.size),
          expected.subarray(sample.layout.size),
        );
        assertClose(`${what}: outputs`, graph.predict(sample.inputs), steps.predict(sample.inputs));
        const taps = [graph.features(sample.inputs), steps.features(sample.inputs)] as const;
        assert.equal(taps[0].length, taps[1].length);
        taps[0].forEach((values, i) => assertClose(`${what}: place ${i}`, values, taps[1][i]!));
        for (const statistics of ["stored", "batch"] as const) {
          const [found, known] = [walked(graph, sample, statistics), walked(steps, sample, statistics)];
          found.forEach((values, i) => assertClose(`${what}, ${statistics}: ${i}`, values, known[i]!));
        }
        graph.dispose();
        steps.dispose();
      }
    });
  }

  test("a compiled network gives the same bits at each call, in another session, and after other batch sizes", () => {
    const network = networkNamed("mnist", "mrelu-r-m");
    const bitsOf = (programs: GraphPrograms, between: number): string => {
      const sample = sampleOf(network, 20);
      const program = programs.create(network, sample.layout);
      program.load(sample.vector);
      const hash = createHash("sha256");
      for (let call = 0; call < 2; call++) {
        hash.update(new Uint8Array(pushOf(program, sample).buffer));
        for (const values of walked(program, sample, "batch"))
          hash.update(new Uint8Array(values.slice().buffer));
        pushOf(program, sampleOf(network, between));
      }
      program.dispose();
      return hash.digest("hex");
    };
    const other = new GraphPrograms(engine, { folder, onFallback: refuse });
    assert.equal(bitsOf(compiled, 3), bitsOf(other, 50));
  });

  test("an empty slot leaves sums as they are", () => {
    const network = networkNamed("mnist", "mrelu");
    const sample = sampleOf(network, 0);
    const program = compiled.create(network, sample.layout);
    program.load(sample.vector);
    assert.ok(pushOf(program, sample).every((value) => value === 0));
    assert.equal(program.predict(sample.inputs).length, 0);
    program.dispose();
  });

  test("a damaged file of a compiled graph is written anew", () => {
    const own = mkdtempSync(join(tmpdir(), "saf-graphs-"));
    const network = withSettings(networkNamed("mnist", "plain"), { channels: [3, 4, 5] });
    const sample = sampleOf(network);
    const outputs = (): Float32Array => {
      const program = new GraphPrograms(engine, { folder: own, onFallback: refuse }).create(
        network,
        sample.layout,
      );
      program.load(sample.vector);
      const values = program.predict(sample.inputs);
      program.dispose();
      return values;
    };
    try {
      const first = outputs();
      const [name] = readdirSync(own);
      const file = join(own, name!, "saved_model.pb");
      const whole = readFileSync(file);
      assert.equal(createHash("sha256").update(whole).digest("hex"), name);
      truncateSync(file, whole.length - 20);
      assert.deepEqual(outputs(), first);
      assert.deepEqual(readFileSync(file), whole);
      writeFileSync(file, "of another version");
      assert.deepEqual(outputs(), first);
      assert.deepEqual(readFileSync(file), whole);
    } finally {
      rmSync(own, { recursive: true, force: true });
    }
  });

  test("where no file can be written, a folder of the process serves", () => {
    const network = withSettings(networkNamed("mnist", "plain"), { channels: [3, 4, 6] });
    const blocked = join(folder, "a-file");
    writeFileSync(blocked, "");
    const program = new GraphPrograms(engine, { folder: blocked, onFallback: refuse }).create(
      network,
      layoutOf(network),
    );
    assert.ok(program instanceof GraphProgram);
    program.dispose();
  });

  test("where nothing can be written at all, an engine that compiles does not compute otherwise", () => {
    const network = withSettings(networkNamed("mnist", "plain"), { channels: [3, 4, 7] });
    const blocked = join(folder, "no-folder");
    writeFileSync(blocked, "");
    const programs = new GraphPrograms(engine, { folder: blocked, onFallback: refuse });
    const before = process.env["TMPDIR"];
    process.env["TMPDIR"] = blocked;
    try {
      assert.throws(() => programs.create(network, layoutOf(network)), { code: "storage" });
    } finally {
      if (before === undefined) delete process.env["TMPDIR"];
      else process.env["TMPDIR"] = before;
    }
    programs.create(network, layoutOf(network)).dispose();
  });

  test("a graph that cannot be made runs operation by operation, with one warning that names the cause", () => {
    const network = networkNamed("mnist", "plain");
    const odd: Network = {
      ...network,
      name: "odd",
      layers: network.layers.map((layer) =>
        layer.kind === "convolution" && layer.name === "conv2"
          ? { ...layer, name: "no name for a node\n" }
          : layer,
      ),
    };
    const warnings: string[] = [];
    const programs = new GraphPrograms(engine, { folder, onFallback: (reason) => warnings.push(reason) });
    const sample = sampleOf(odd);
    const [first, second] = [programs.create(odd, sample.layout), programs.create(odd, sample.layout)];
    first.load(sample.vector);
    assert.ok(pushOf(first, sample).every(Number.isFinite));
    assert.equal(warnings.length, 1);
    assert.match(warnings[0]!, /^odd runs operation by operation, for it was not compiled: .+/);
    first.dispose();
    second.dispose();
    const forced = new GraphPrograms(engine, {
      folder,
      onFallback(reason) {
        throw new Error(reason);
      },
    });
    for (let time = 0; time < 2; time++)
      assert.throws(() => forced.create(odd, sample.layout), /odd runs operation by operation/);
  });

  test("sessions that nobody uses are closed, and those in use are not", () => {
    const programs = new GraphPrograms(engine, { folder, onFallback: refuse });
    const networkOf = (channels: number): Network =>
      withSettings(networkNamed("mnist", "plain"), { channels: [channels, 2, 2] });
    const held = sampleOf(networkOf(1));
    const kept = programs.create(held.network, held.layout);
    kept.load(held.vector);
    const outputs = kept.predict(held.inputs);
    for (let channels = 2; channels <= 14; channels++) {
      const network = networkOf(channels);
      programs.create(network, layoutOf(network)).dispose();
    }
    assert.ok(programs.sessions <= 9, `${programs.sessions} sessions are open`);
    assert.deepEqual(kept.predict(held.inputs), outputs);
    kept.dispose();
  });
}
