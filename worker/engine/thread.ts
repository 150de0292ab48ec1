/**
 * The engine thread: TensorFlow.js lives here, because its operations block the event loop completely. Sockets and
 * heartbeats stay on the main thread. Started by engine-port.ts.
 */
import { parentPort, workerData } from "node:worker_threads";
import { BODY_BYTES, HEADER_BYTES, chunkCountOf } from "../../shared/core/chunk.js";
import { epochOrder, slotImages, stepImages, totalSteps, type StepPlan } from "../../shared/core/schedule.js";
import { type Layout, TAIL } from "../../shared/core/layout.js";
import { allFinite } from "../../shared/core/vectors/vector-memory.js";
import { stateParts } from "../../shared/core/stretch.js";
import { type Network, layoutOf } from "../../shared/networks/network.js";
import { GradientAssembler } from "../core/gradient-assembler.js";
import type { ImageSet } from "../core/training-images.js";
import { CONTROL, type EngineStart, type FromEngine, type SharedImages, type ToEngine } from "./messages.js";
import { type Engine, startEngine } from "./eager/backend.js";
import { evaluateTask } from "../measures/evaluate.js";
import { measureFeatures } from "../measures/features.js";
import { LocalTraining } from "../training/local-training.js";
import { NetworkEngine } from "./eager/program.js";
import { runSelfTest } from "./eager/self-test.js";
import { type SlotInputs, areWeightless, slotInputs } from "../training/slot-inputs.js";
import { type SlotSink, type StepContext, computeBlock } from "../training/train-step.js";

interface Run {
  network: Network;
  layout: Layout;
  plan: StepPlan;
  seed: number;
  realCount: number;
  mean: Float32Array;
  engine: NetworkEngine;
  /** Coordinator term and version of the loaded parameters. */
  loaded: string;
  /** Flag A's second set of weights, and which they are. */
  anchor: NetworkEngine;
  anchorLoaded: string;
  order: { epoch: number; images: Uint32Array };
  /** The second network of transfer attacks, and which weights it holds. */
  source: { sha256: string; network: Network; engine: NetworkEngine } | undefined;
  /** Inputs of slots of a step that may be asked for next. */
  ready: { step: number; slots: ReadonlyMap<number, SlotInputs> } | undefined;
  /** What exclusive leases have come to. */
  local: LocalTraining | undefined;
  train: ImageSet | undefined;
  test: ImageSet | undefined;
}

const port = parentPort;
if (port === null) throw new Error("thread.js must be started as a worker thread");
const engine: Engine = await startEngine((workerData as EngineStart).engine);
const runs = new Map<string, Run>();

function living(): { tensors: number; tensorBytes: number } {
  const { numTensors, numBytes } = engine.tf.memory();
  return { tensors: numTensors, tensorBytes: numBytes };
}

function send(message: FromEngine): void {
  port?.postMessage(message);
}

function imageSet(images: SharedImages, imageSize: number): ImageSet {
  return {
    pixels: new Uint8Array(images.pixels),
    labels: new Uint8Array(images.labels),
    count: images.count,
    imageSize,
  };
}

/** Chunk bodies inside the frames, as views: [header | body] [header | body] … */
function bodiesOf({ buffer, byteOffset }: Uint8Array, values: number): Float32Array[] {
  const totalBytes = values * 4;
  return Array.from({ length: chunkCountOf(totalBytes) }, (_, chunk) => {
    const start = byteOffset + chunk * (HEADER_BYTES + BODY_BYTES) + HEADER_BYTES;
    return new Float32Array(buffer, start, Math.min(BODY_BYTES, totalBytes - chunk * BODY_BYTES) / 4);
  });
}

function loadParameters(run: Run, term: number, version: number, parameters: SharedArrayBuffer): void {
  const key = `${term} ${version}`;
  if (run.loaded === key) return;
  run.engine.load(new Float32Array(parameters));
  run.loaded = key;
}

function loadAnchor(run: Run, { term, anchor }: Extract<ToEngine, { type: "block" | "stretch" }>): void {
  const key = `${term} ${anchor?.version}`;
  if (anchor === undefined || run.anchorLoaded === key) return;
  run.anchor.load(new Float32Array(anchor.parameters));
  run.anchorLoaded = key;
}

function orderOf(run: Run, epoch: number): Uint32Array {
  if (run.order.epoch !== epoch) run.order = { epoch, images: epochOrder(run.seed, epoch, run.plan.images) };
  return run.order.images;
}

/** A sink that says which chunks are ready; one message for those that one gradient completes: each wakes a thread. */
function announcingSink(
  { leaseId, count }: { leaseId: number; count: number },
  bodies: Float32Array[],
): SlotSink {
  const ready: number[] = [];
  const assembler = new GradientAssembler(count, bodies, (chunk) => ready.push(chunk));
  return {
    beginSlot: () => assembler.beginSlot(),
    add(offset, values) {
      assembler.add(offset, values);
      if (ready.length > 0) send({ type: "chunks", leaseId, chunks: ready.splice(0) });
    },
    endSlot: () => assembler.endSlot(),
  };
}

function contextOf(runId: string, run: Run): StepContext {
  if (run.train === undefined) throw new RangeError(`Run ${runId} has no training images yet`);
  const images = {
    seed: run.seed,
    images: run.train,
    realCount: run.realCount,
    realClasses: run.network.realClasses,
    mean: run.mean,
    augmentation: run.network.augmentation,
  };
  return { ...run, images };
}

function computeLease(message: Extract<ToEngine, { type: "block" }>, run: Run): void {
  const context = contextOf(message.runId, run);
  const started = performance.now();
  loadParameters(run, message.term, message.step, message.parameters);
  loadAnchor(run, message);
  const sink = announcingSink(message, bodiesOf(message.frames, run.layout.pushSize));
  const order = orderOf(run, stepImages(run.plan, message.step).epoch);
  const ready = run.ready?.step === message.step ? run.ready.slots : undefined;
  run.ready = undefined;
  computeBlock(context, order, message.step, message, sink, ready);
  send({
    type: "block-done",
    leaseId: message.leaseId,
    seconds: (performance.now() - started) / 1000,
    ...living(),
  });
  prepareNext(context, run, message);
}

/** The same slots of the next step will most likely be ours: their inputs are made while the others are waited for. */
function prepareNext(
  context: StepContext,
  run: Run,
  { step, first, count }: { step: number; first: number; count: number },
): void {
  const { plan, network } = run;
  const next = step + 1;
  if (next >= totalSteps(plan) || !areWeightless(network.augmentation)) return;
  const order = orderOf(run, stepImages(plan, next).epoch);
  const slots = new Map<number, SlotInputs>();
  for (let slot = first; slot < first + count; slot++)
    slots.set(slot, slotInputs(context, next, slotImages(plan, order, next, slot)));
  run.ready = { step: next, slots };
}

/** Steps until the count is full, the main thread says halt, or a sum is not finite. */
function computeStretch(message: Extract<ToEngine, { type: "stretch" }>, run: Run): void {
  const started = performance.now();
  loadAnchor(run, message);
  const training = trainingOf(message, run);
  const { layout } = run;
  const control = new Int32Array(message.control);
  const parts = stateParts(layout, new Float32Array(message.state));
  let done = 0;
  for (let isWhole = true; isWhole && done < message.count;) {
    const sums = training.sum();
    isWhole = allFinite(sums);
    // The steps before it are good. A first step goes back as it is: that such values are refused is decided there.
    if (!isWhole && done > 0) break;
    training.update();
    parts.tails.set(sums.subarray(layout.size, layout.pushSize), done * TAIL.length);
    done++;
    Atomics.store(control, CONTROL.stepsDone, done);
    if (Atomics.load(control, CONTROL.halt) !== 0) break;
  }
  parts.parameters.set(training.parameters);
  parts.velocity.set(training.velocity);
  send({
    type: "stretch-done",
    leaseId: message.leaseId,
    seconds: (performance.now() - started) / 1000,
    ...living(),
    steps: done,
  });
}

function trainingOf(
  { runId, step, rule, start }: Extract<ToEngine, { type: "stretch" }>,
  run: Run,
): LocalTraining {
  run.loaded = "";
  if (start === undefined) {
    if (run.local?.step !== step) throw new RangeError(`Run ${runId} is not at step ${step}`);
    run.local.load();
    return run.local;
  }
  run.local = new LocalTraining(
    contextOf(runId, run),
    run.layout,
    new Float32Array(start.parameters),
    { ...rule, seed: run.seed },
    { step, velocity: new Float32Array(start.velocity) },
  );
  return run.local;
}

function sourceOf(run: Run, told: Extract<ToEngine, { type: "task" }>["source"]): Run["source"] {
  if (told === undefined) return undefined;
  const { network, sha256, parameters } = told;
  if (run.source?.sha256 === sha256 && run.source.network.name === network.name) return run.source;
  run.source?.engine.dispose();
  const held = new NetworkEngine(engine.tf, network, layoutOf(network));
  held.load(new Float32Array(parameters));
  run.source = { sha256, network, engine: held };
  return run.source;
}

function computeTask(message: Extract<ToEngine, { type: "task" }>, run: Run): void {
  if (run.test === undefined) throw new RangeError(`Run ${message.runId} has no test images yet`);
  const started = performance.now();
  loadParameters(run, message.term, message.version, message.parameters);
  const subject = { ...run, test: run.test, source: sourceOf(run, message.source) };
  const pictures = message.pictures === undefined ? undefined : new Uint8Array(message.pictures);
  const findings = evaluateTask(subject, { ...message, pictures, seed: run.seed });
  const seconds = (performance.now() - started) / 1000;
  send({
    type: "task-done",
    leaseId: message.leaseId,
    seconds,
    ...living(),
    findings,
  });
}

function computeFeatures(message: Extract<ToEngine, { type: "features" }>, run: Run): void {
  if (run.test === undefined) throw new RangeError(`Run ${message.runId} has no test images yet`);
  const started = performance.now();
  const parameters = new Float32Array(message.parameters);
  const { network, layout, test, mean, seed } = run;
  const task = { seed, imageCount: message.imageCount };
  const features = measureFeatures(engine.tf, network, layout, parameters, test, mean, task);
  send({
    type: "features-done",
    leaseId: message.leaseId,
    seconds: (performance.now() - started) / 1000,
    ...living(),
    features,
  });
}

function handle(message: ToEngine): void {
  if (message.type === "forget") {
    runs.get(message.runId)?.engine.dispose();
    runs.get(message.runId)?.anchor.dispose();
    runs.get(message.runId)?.source?.engine.dispose();
    runs.delete(message.runId);
    return;
  }
  if (message.type === "run") {
    const layout = layoutOf(message.network);
    runs.set(message.runId, {
      ...message,
      layout,
      engine: new NetworkEngine(engine.tf, message.network, layout),
      loaded: "",
      anchor: new NetworkEngine(engine.tf, message.network, layout),
      anchorLoaded: "",
      order: { epoch: -1, images: new Uint32Array() },
      source: undefined,
      ready: undefined,
      local: undefined,
      train: undefined,
      test: undefined,
    });
    return;
  }
  const run = runs.get(message.runId);
  if (run === undefined) throw new RangeError(`Run ${message.runId} was not described`);
  if (message.type === "images") {
    const { height, width, channels } = run.network.input;
    run[message.split] = imageSet(message.images, height * width * channels);
  } else if (message.type === "block") computeLease(message, run);
  else if (message.type === "stretch") computeStretch(message, run);
  else if (message.type === "features") computeFeatures(message, run);
  else computeTask(message, run);
}

port.on("message", (message: ToEngine) => {
  try {
    handle(message);
  } catch (error) {
    const leaseId = "leaseId" in message ? message.leaseId : 0;
    send({ type: "failed", leaseId, message: error instanceof Error ? error.message : String(error) });
  }
});

send({ type: "ready", info: engine.info, selfTest: runSelfTest(engine.tf) });
