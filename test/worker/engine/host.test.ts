import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  BODY_BYTES,
  CHUNK_BYTES,
  HEADER_BYTES,
  bodyOf,
  chunkCountOf,
  frameIn,
  roundedInChunk,
  valuesOfChunk,
} from "../../../shared/core/chunk.js";
import { ClusterError } from "../../../shared/errors.js";
import { decodeBody, roundedGradients } from "../../../shared/core/codec.js";
import { TAIL, initialParameters, weightsEnd } from "../../../shared/core/layout.js";
import { updateRange } from "../../../shared/core/optimizer.js";
import { BufferPool, TreeSum } from "../../../shared/core/reduction.js";
import { nodeOfBlock } from "../../../shared/core/slots.js";
import type { StepPlan } from "../../../shared/core/schedule.js";
import { epochOrder, slotImages } from "../../../shared/core/schedule.js";
import { stateParts, stateSize } from "../../../shared/core/stretch.js";
import { VectorMemory } from "../../../shared/core/vectors/vector-memory.js";
import { type Network, layoutOf } from "../../../shared/networks/network.js";
import { networkNamed } from "../../../shared/networks/registry.js";
import { withSettings } from "../../../shared/networks/settings.js";
import { EngineHost } from "../../../worker/engine/host.js";
import { processorSets } from "../../../worker/engine/environment.js";
import { sampleOf } from "../../../worker/engine/sample.js";
import { HostedRun } from "../../../worker/engine/orders/hosted-run.js";
import type { Program } from "../../../worker/engine/program.js";
import { CONTROL, type FromEngine, type ToEngine } from "../../../worker/engine/messages.js";
import { LocalTraining } from "../../../worker/training/local-training.js";
import { slotInputs } from "../../../worker/training/slot-inputs.js";
import { roundedCopy } from "../../support/bf16-reference.js";
import { IntegerPrograms } from "./integer-programs.js";

type Of<Type extends ToEngine["type"]> = Extract<ToEngine, { type: Type }>;

const SEED = 5;
const SIZE = 28 * 28;
const COUNT = 40;
const PLAN: StepPlan = { images: COUNT, batchSize: 20, slots: 4, epochs: 4 };
const plan = PLAN;
const rule = { stages: [{ rate: 0.01, epochs: 4 }], momentum: 0.9, weightDecay: 0 };
const plain = networkNamed("mnist", "plain");
const attacked: Network = { ...plain, augmentation: { adversarial: { epsilon: 20, share: 0.5 } } };
const layout = layoutOf(plain);
const mean = new Float32Array(SIZE).fill(33);
const pixels = Uint8Array.from({ length: COUNT * SIZE }, (_, p) => (p * 37) % 251);
const labels = Uint8Array.from({ length: COUNT }, (_, i) => i % 10);

function shared<T extends Uint8Array | Float32Array>(values: T): SharedArrayBuffer {
  const buffer = new SharedArrayBuffer(values.byteLength);
  new Uint8Array(buffer).set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  return buffer;
}

/** A host that knows a run and its images. Orders are answered before `handle` returns. */
function hostOf(network: Network, plan: StepPlan = PLAN) {
  const said: FromEngine[] = [];
  // bf16 has to round something.
  const programs = new IntegerPrograms(plan.codec === "bf16" ? 2048 : undefined);
  let now = 0;
  const host = new EngineHost({
    programs,
    send: (message) => said.push(message),
    vectors: new VectorMemory(),
    now: () => (now += 500),
  });
  const images = { pixels: shared(pixels), labels: shared(labels), count: COUNT };
  host.handle({ type: "run", runId: "r", network, plan, seed: SEED, realCount: COUNT, mean });
  host.handle({ type: "images", runId: "r", split: "train", images });
  host.handle({ type: "images", runId: "r", split: "test", images });
  assert.deepEqual(said, []);
  return {
    programs,
    host,
    /** What the host says to an order. */
    answer(order: ToEngine): FromEngine[] {
      host.handle(order);
      return said.splice(0);
    },
  };
}

/** The same steps, made by hand on another engine of the kind. */
function trainingOf(network: Network): LocalTraining {
  const programs = new IntegerPrograms();
  return new LocalTraining(
    {
      program: programs.create(network, layout),
      anchor: programs.create(network, layout),
      plan,
      images: {
        seed: SEED,
        images: { pixels, labels, count: COUNT, imageSize: SIZE },
        realCount: COUNT,
        realClasses: network.realClasses,
        mean,
        augmentation: network.augmentation,
      },
    },
    initialParameters(layout, SEED),
    { ...rule, seed: SEED },
  );
}

function blockOf(step: number, first: number, count: number, parameters: Float32Array): Of<"block"> {
  const frameBytes = chunkCountOf(4 * layout.pushSize) * HEADER_BYTES + 4 * layout.pushSize;
  return {
    ...{ type: "block", runId: "r", leaseId: 7, term: 1, step, first, count },
    parameters: shared(parameters),
    frames: new Uint8Array(new SharedArrayBuffer(frameBytes)),
  };
}

/** The values inside the frames. */
function valuesIn({ frames }: Of<"block">): Float32Array {
  const values = new Float32Array(layout.pushSize);
  for (let chunk = 0; chunk < chunkCountOf(4 * layout.pushSize); chunk++) {
    const bytes = frames.slice(chunk * CHUNK_BYTES + HEADER_BYTES, (chunk + 1) * CHUNK_BYTES);
    values.set(new Float32Array(bytes.buffer), (chunk * BODY_BYTES) / 4);
  }
  return values;
}

function stretchOf(step: number, count: number, more: Partial<Of<"stretch">>): Of<"stretch"> {
  return {
    ...{ type: "stretch", runId: "r", leaseId: 8, term: 1, step, count, rule, start: undefined },
    state: new SharedArrayBuffer(4 * stateSize(layout, count)),
    control: new SharedArrayBuffer(4 * CONTROL.length),
    ...more,
  };
}

const startOf = ({ parameters, velocity }: LocalTraining): Of<"stretch">["start"] => ({
  parameters: shared(parameters),
  velocity: shared(velocity),
});

test("a host says what its engine is and whether it passed", () => {
  const said: FromEngine[] = [];
  const host = new EngineHost({
    programs: new IntegerPrograms(),
    vectors: new VectorMemory(),
    send: (message) => said.push(message),
    now: () => 0,
  });
  host.announce();
  assert.deepEqual(said, [
    {
      type: "ready",
      info: { name: "wasm", version: "whole numbers", device: "cpu" },
      selfTest: { passed: true, seconds: 0, checks: [] },
      fingerprint: {
        ...{ engine: "wasm", version: "whole numbers", device: "cpu", flags: [], cpu: processorSets() },
        sample: sampleOf(new IntegerPrograms()),
      },
    },
  ]);
});

test("an order that cannot be carried out is answered with its lease and the reason", () => {
  const { answer, host } = hostOf(plain);
  const parameters = initialParameters(layout, SEED);
  assert.deepEqual(answer({ ...blockOf(0, 0, 1, parameters), runId: "other" }), [
    { type: "failed", leaseId: 7, message: "Run other was not described" },
  ]);
  assert.deepEqual(answer(stretchOf(3, 1, {})), [
    { type: "failed", leaseId: 8, message: "Run r is not at step 3" },
  ]);
  host.handle({ type: "run", runId: "bare", network: plain, plan, seed: SEED, realCount: COUNT, mean });
  assert.deepEqual(answer({ ...blockOf(0, 0, 1, parameters), runId: "bare" }), [
    { type: "failed", leaseId: 7, message: "Run bare has no training images yet" },
  ]);
});

test("a block's frames hold the sum of its slots, and every chunk is announced once before the end", () => {
  const { answer } = hostOf(plain);
  const parameters = initialParameters(layout, SEED);
  const order = blockOf(1, 2, 2, parameters);
  const said = answer(order);

  const program = new IntegerPrograms().create(plain, layout);
  program.load(parameters);
  const images = {
    seed: SEED,
    images: { pixels, labels, count: COUNT, imageSize: SIZE },
    realCount: COUNT,
    realClasses: 10,
    mean,
    augmentation: {},
  };
  const expected = new Float32Array(layout.pushSize);
  for (const slot of [2, 3]) {
    const indices = slotImages(plan, epochOrder(SEED, 0, COUNT), 1, slot);
    const made = slotInputs({ program, plan, images }, 1, indices);
    program.train(made.inputs, made.labels, {
      add: (offset, values) =>
        values.forEach((value, i) => (expected[offset + i] = (expected[offset + i] as number) + value)),
    });
  }
  assert.deepEqual(valuesIn(order), expected);
  assert.equal(expected[layout.size + TAIL.samples], 10);

  const announced = said.flatMap((message) => ("chunks" in message ? message.chunks : []));
  assert.deepEqual(
    announced.sort((a, b) => a - b),
    [...new Array(chunkCountOf(4 * layout.pushSize)).keys()],
  );
  // The first gradient's chunks come last, with the end. Each look at the time is half a second later.
  assert.deepEqual(said.at(-1), {
    ...{ type: "block-done", leaseId: 7, chunks: [0], seconds: 0.5, tensors: 1, tensorBytes: 0 },
  });
});

test("inputs made in advance change nothing, nor does a step that was not the expected one", () => {
  const parameters = initialParameters(layout, SEED);
  const { answer } = hostOf(plain);
  for (const step of [0, 1, 1, 3, 2]) {
    const [prepared, fresh] = [blockOf(step, 0, 2, parameters), blockOf(step, 0, 2, parameters)];
    answer(prepared);
    hostOf(plain).answer(fresh);
    assert.deepEqual(valuesIn(prepared), valuesIn(fresh), `step ${step}`);
  }
});

describe("a stretch", () => {
  test("makes the steps of one process, in one piece or in two", () => {
    const { answer } = hostOf(plain);
    const training = trainingOf(plain);
    const [first, second] = [stretchOf(0, 3, { start: startOf(training) }), stretchOf(3, 2, {})];
    assert.equal(answer(first).at(-1)?.type, "stretch-done");
    assert.equal(answer(second).at(-1)?.type, "stretch-done");
    for (let step = 0; step < 5; step++) training.advance();
    const ended = stateParts(layout, new Float32Array(second.state));
    assert.deepEqual(ended.parameters.slice(), training.parameters.slice());
    assert.deepEqual(ended.velocity.slice(), training.velocity.slice());
    assert.equal(ended.tails[TAIL.samples], plan.batchSize);
  });

  test("computes in one memory, however many states are pulled and runs forgotten", () => {
    const made: { buffer: SharedArrayBuffer }[] = [];
    const api = (globalThis as unknown as { WebAssembly: { Memory: new (how: object) => object } })
      .WebAssembly;
    const Real = api.Memory;
    api.Memory = class extends Real {
      constructor(how: object) {
        super(how);
        made.push(this as unknown as { buffer: SharedArrayBuffer });
      }
    };
    try {
      const { answer, host } = hostOf(plain);
      const start = startOf(trainingOf(plain));
      const before = made.length;
      let bytes = 0;
      for (let round = 0; round < 8; round++) {
        for (let i = 0; i < 3; i++)
          assert.equal(answer(stretchOf(0, 1, { start })).at(-1)?.type, "stretch-done");
        host.handle({ type: "forget", runId: "r" });
        const images = { pixels: shared(pixels), labels: shared(labels), count: COUNT };
        host.handle({ type: "run", runId: "r", network: plain, plan, seed: SEED, realCount: COUNT, mean });
        host.handle({ type: "images", runId: "r", split: "train", images });
        const now = made.reduce((sum, { buffer }) => sum + buffer.byteLength, 0);
        if (round === 0) bytes = now;
        assert.equal(now, bytes, `round ${round}`);
      }
      assert.equal(made.length, before);
    } finally {
      api.Memory = Real;
    }
  });

  test("ends where the main thread says halt, and says how many steps it made", () => {
    const { answer } = hostOf(plain);
    const order = stretchOf(0, 4, { start: startOf(trainingOf(plain)) });
    new Int32Array(order.control)[CONTROL.halt] = 1;
    const [said] = answer(order);
    assert.ok(said?.type === "stretch-done");
    assert.equal(said.steps, 1);
  });

  test("finds behind its last step what a task on its state finds; a measure that fails, or fewer steps, leaves it to tasks", () => {
    const { answer } = hostOf(plain);
    const start = startOf(trainingOf(plain));
    const range = { strengths: [0], firstImage: 3, imageCount: 4, sampleCount: 1 };
    const measures = [
      { measure: { how: "clean" } as const, ...range },
      { measure: { how: "clean" } as const, ...range, firstImage: 8 },
    ];
    const order = stretchOf(0, 2, { start, measures });
    const [said] = answer(order);
    assert.ok(said?.type === "stretch-done" && said.measured !== undefined);
    const { parameters } = stateParts(layout, new Float32Array(order.state));
    const tasks = measures.map((measuring) => {
      const whose = { runId: "r", leaseId: 9, term: 1, version: 2, parameters: shared(parameters.slice()) };
      const [done] = answer({ type: "task", ...whose, ...measuring });
      return done?.type === "task-done" ? done.findings : undefined;
    });
    assert.deepEqual(said.measured.findings, tasks);
    assert.notDeepEqual(tasks[0], tasks[1]);

    // Its pictures did not come.
    const foreign = { how: "foreign", name: "elsewhere", pixels_sha256: "0".repeat(64), images: 9 } as const;
    const [failing] = answer(stretchOf(0, 2, { start, measures: [{ measure: foreign, ...range }] }));
    assert.ok(failing?.type === "stretch-done" && failing.steps === 2 && failing.measured === undefined);
    const halted = stretchOf(0, 2, { start, measures });
    new Int32Array(halted.control)[CONTROL.halt] = 1;
    const [short] = answer(halted);
    assert.ok(short?.type === "stretch-done" && short.steps === 1 && short.measured === undefined);
  });

  test("leaves no weights behind that a block would take for its own", () => {
    const { answer } = hostOf(plain);
    const parameters = initialParameters(layout, SEED);
    const [before, after] = [blockOf(0, 0, 1, parameters), blockOf(0, 0, 1, parameters)];
    answer(before);
    answer(stretchOf(0, 2, { start: startOf(trainingOf(plain)) }));
    answer(after);
    assert.deepEqual(valuesIn(after), valuesIn(before));
  });

  test("leaves no anchor behind that the same stretch, leased again, would take for its own", () => {
    const { answer } = hostOf(attacked);
    const training = trainingOf(attacked);
    for (let step = 0; step < 2; step++) training.advance();
    // Epoch 1 begins at step 2: its weights are the anchor of step 3. From step 4 on, a later one is.
    const anchor = { version: 2, parameters: shared(training.parameters) };
    training.advance();
    const start = startOf(training);
    for (let step = 3; step < 6; step++) training.advance();
    for (let time = 0; time < 2; time++) {
      const order = stretchOf(3, 3, { start, anchor });
      answer(order);
      const ended = stateParts(layout, new Float32Array(order.state));
      assert.deepEqual(ended.parameters.slice(), training.parameters.slice(), `time ${time}`);
    }
  });
});

describe("in bf16", () => {
  const rounding: StepPlan = { ...plan, codec: "bf16" };
  const weights = weightsEnd(layout);

  /** What a block's frames say, as the coordinator reads them. */
  function pushed({ frames, count }: Of<"block">): Float32Array {
    const totalBytes = 4 * layout.pushSize;
    const rounded = roundedGradients("bf16", layout, count);
    const values = new Float32Array(layout.pushSize);
    for (let chunk = 0; chunk < chunkCountOf(totalBytes); chunk++) {
      const body = bodyOf(frameIn(frames, totalBytes, chunk, rounded));
      decodeBody(valuesOfChunk(values, chunk), body, roundedInChunk(totalBytes, chunk, rounded));
    }
    return values;
  }

  /** The step's sum out of blocks of so many slots, from left to right. */
  function sumOf(
    answer: (order: ToEngine) => FromEngine[],
    step: number,
    trained: Float32Array,
    sizes: number[],
  ): Float32Array {
    const tree = new TreeSum(plan.slots, new BufferPool(layout.pushSize));
    let first = 0;
    for (const count of sizes) {
      const order = blockOf(step, first, count, trained);
      const said = answer(order);
      assert.equal(said.at(-1)?.type, "block-done");
      const told = said.flatMap((message) => ("chunks" in message ? message.chunks : []));
      assert.equal(told.length, chunkCountOf(4 * layout.pushSize));
      assert.equal(tree.add(nodeOfBlock(plan.slots, { first, count }), pushed(order)), "added");
      first += count;
    }
    return (tree.root as Float32Array).slice();
  }

  test("a stretch ends in the weights of steps whose slots came in any blocks", () => {
    const { answer } = hostOf(plain, rounding);
    const start = initialParameters(layout, SEED);
    for (const sizes of [[4], [2, 2], [1, 1, 2], [2, 1, 1], [1, 1, 1, 1]]) {
      const [kept, velocity] = [start.slice(), new Float32Array(layout.size)];
      for (let step = 0; step < 5; step++) {
        const sums = sumOf(answer, step, roundedCopy(kept, weights), sizes);
        const samples = sums[layout.size + TAIL.samples] as number;
        const update = { learningRate: 0.01, momentum: 0.9, weightDecay: 0, samples };
        updateRange(layout, update, 0, { sums, current: kept, velocity, next: kept, moved: velocity });
      }
      const order = stretchOf(0, 5, {
        start: { parameters: shared(start), velocity: shared(new Float32Array(layout.size)) },
      });
      assert.equal(answer(order).at(-1)?.type, "stretch-done");
      const ended = stateParts(layout, new Float32Array(order.state));
      assert.deepEqual(ended.parameters.slice(), kept, sizes.join());
      assert.deepEqual(ended.velocity.slice(), velocity);
    }
  });

  test("weights and gradients are rounded, so it ends in other weights than fp32", () => {
    const start = startOf(trainingOf(plain));
    const [rounded, exact] = [stretchOf(0, 3, { start }), stretchOf(0, 3, { start })];
    hostOf(plain, rounding).answer(rounded);
    hostOf(plain).answer(exact);
    assert.notDeepEqual(new Float32Array(rounded.state), new Float32Array(exact.state));
  });

  test("flag A attacks rounded weights, whether a worker pulled them or has made them itself", () => {
    const { answer } = hostOf(attacked, rounding);
    const whole = stretchOf(0, 4, { start: startOf(trainingOf(attacked)) });
    answer(whole);
    // Epoch 1 begins at step 2.
    const first = stretchOf(0, 2, { start: startOf(trainingOf(attacked)) });
    answer(first);
    const { parameters, velocity } = stateParts(layout, new Float32Array(first.state));
    const anchor = { version: 2, parameters: shared(roundedCopy(parameters.slice(), weights)) };
    const start = { parameters: shared(parameters.slice()), velocity: shared(velocity.slice()) };
    const second = stretchOf(2, 2, { start, anchor });
    hostOf(attacked, rounding).answer(second);
    const parts = [whole, second].map(({ state }) => stateParts(layout, new Float32Array(state)));
    assert.deepEqual(parts[1]?.parameters.slice(), parts[0]?.parameters.slice());
  });

  test("what is measured behind a stretch, and of the same version by a task, are the weights that are kept", () => {
    const { answer, host } = hostOf(plain, rounding);
    const range = { strengths: [0], firstImage: 3, imageCount: 12, sampleCount: 1 };
    const measuring = { measure: { how: "clean" } as const, ...range };
    const order = stretchOf(0, 2, { start: startOf(trainingOf(plain)), measures: [measuring] });
    const [said] = answer(order);
    assert.ok(said?.type === "stretch-done" && said.measured !== undefined);
    const kept = stateParts(layout, new Float32Array(order.state)).parameters.slice();
    const whose = { runId: "r", leaseId: 9, term: 1, version: 2 };
    const found = (): unknown => {
      const [done] = answer({ type: "task", ...whose, parameters: shared(kept), ...measuring });
      return done?.type === "task-done" ? done.findings : undefined;
    };
    assert.deepEqual(found(), said.measured.findings[0]);
    // A block of that version loads other weights under the same number.
    host.handle(blockOf(2, 0, 1, roundedCopy(kept, weights)));
    answer(blockOf(2, 0, 1, roundedCopy(kept, weights)));
    assert.deepEqual(found(), said.measured.findings[0]);
    const rounded = hostOf(plain, rounding).answer({
      ...{ type: "task", ...whose, parameters: shared(roundedCopy(kept, weights)), ...measuring },
    })[0];
    assert.notDeepEqual(rounded?.type === "task-done" && rounded.findings, said.measured.findings[0]);
  });
});

test("features and tasks come from the weights that their orders bring", () => {
  const { answer } = hostOf(plain);
  const [one, other] = [initialParameters(layout, 1), initialParameters(layout, 2)];
  const featuresOf = (parameters: Float32Array): FromEngine | undefined =>
    answer({
      ...{ type: "features", runId: "r", leaseId: 9, imageCount: 2 },
      parameters: shared(parameters),
    })[0];
  const taskOf = (version: number, parameters: Float32Array): FromEngine | undefined =>
    answer({
      ...{ type: "task", runId: "r", leaseId: 9, term: 1, version, measure: { how: "clean" } },
      ...{ strengths: [0], firstImage: 0, imageCount: 4, sampleCount: 0 },
      parameters: shared(parameters),
    })[0];
  const [a, b, again] = [featuresOf(one), featuresOf(other), featuresOf(one)];
  assert.ok(a?.type === "features-done" && a.features.places.length === 3);
  assert.notDeepEqual(a, b);
  assert.deepEqual(again, a);
  const [x, y] = [taskOf(1, one), taskOf(2, other)];
  assert.ok(x?.type === "task-done" && y?.type === "task-done");
  assert.notDeepEqual(x.findings, y.findings);
  assert.deepEqual(taskOf(1, one), x);
});

test("a second network is told from another one with the same weights", () => {
  const described = {
    type: "run",
    runId: "r",
    network: plain,
    plan,
    seed: SEED,
    realCount: COUNT,
    mean,
  } as const;
  const run = new HostedRun(new IntegerPrograms(), described, new VectorMemory());
  const mrelu = networkNamed("mnist", "mrelu");
  const sourceOf = (network: Network): Program | undefined =>
    run.source({ network, sha256: "a", parameters: shared(new Float32Array(layoutOf(network).size)) });
  const first = sourceOf(mrelu);
  assert.equal(sourceOf({ ...mrelu }), first, "kept");
  const wide = withSettings(mrelu, { activation_width: 2 });
  assert.deepEqual(sourceOf(wide)?.network, wide);
});

test("a run that is forgotten leaves nothing in the engine", () => {
  const { programs, answer } = hostOf(attacked);
  assert.equal(programs.living().tensors, 2, "the weights and the anchor");
  assert.deepEqual(answer({ type: "forget", runId: "r" }), []);
  assert.equal(programs.living().tensors, 0);
  assert.equal(answer(blockOf(0, 0, 1, initialParameters(layout, SEED)))[0]?.type, "failed");
});

test("what keeps an engine from a run is told as such: whoever starts another process may do better", () => {
  const said: FromEngine[] = [];
  class RefusingPrograms extends IntegerPrograms {
    override create(): never {
      throw new ClusterError("dependency", "plain was not compiled", { hint: "unset SAF_COMPILE" });
    }
  }
  const host = new EngineHost({
    programs: new RefusingPrograms(),
    send: (message) => said.push(message),
    vectors: new VectorMemory(),
    now: () => 0,
  });
  host.handle({ type: "run", runId: "r", network: plain, plan, seed: SEED, realCount: COUNT, mean });
  assert.deepEqual(said, [
    { type: "unfit", code: "dependency", message: "plain was not compiled", hint: "unset SAF_COMPILE" },
  ]);
});
