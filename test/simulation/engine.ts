/** An engine that computes whole numbers (arithmetic.ts) in virtual time: the thread's side of `EnginePort`. */
import { BODY_BYTES, HEADER_BYTES, chunkCountOf } from "../../shared/core/chunk.js";
import { type Layout, TAIL } from "../../shared/core/layout.js";
import { updateRange } from "../../shared/core/optimizer.js";
import { epochOrder, learningRate, slotImages, stepImages, stepSamples } from "../../shared/core/schedule.js";
import { stateParts } from "../../shared/core/stretch.js";
import { layoutOf } from "../../shared/networks/network.js";
import { GradientAssembler } from "../../worker/core/gradient-assembler.js";
import { CONTROL, type FromEngine, type SharedImages, type ToEngine } from "../../worker/engine/messages.js";
import type { EnginePort } from "../../worker/engine/port.js";
import { inputsOf, outputsFor, printOf, slotPush } from "./arithmetic.js";
import type { ProcessClock } from "./scheduler.js";

type Order<Kind extends ToEngine["type"]> = Extract<ToEngine, { type: Kind }>;

export interface EngineCharacter {
  /** Virtual time for one slot, or one image of a test. */
  slotMs: () => number;
  /** What it makes of a slot's right values, which stay as they are. */
  spoilt: (values: Float32Array, layout: Layout) => Float32Array;
  /** It computes nothing while this is true, and goes on afterwards. */
  hangs: () => boolean;
}

interface Run extends Order<"run"> {
  layout: Layout;
  train?: SharedImages;
  test?: SharedImages;
  /** Where the last exclusive lease ended. */
  held?: { step: number; parameters: Float32Array; velocity: Float32Array };
}

const HUNG_LOOK_MS = 50;

export class SimulatedEngine implements EnginePort {
  readonly info = { name: "wasm", version: "simulated", device: "cpu" } as const;
  readonly selfTest = { passed: true, seconds: 0, checks: [] };
  readonly fingerprint = {
    engine: "wasm",
    version: "simulated",
    device: "cpu",
    flags: [],
    cpu: [],
    sample: "1",
  };
  readonly #clock: ProcessClock;
  readonly #character: EngineCharacter;
  readonly #runs = new Map<string, Run>();
  readonly #waiting: ToEngine[] = [];
  #isBusy = false;
  #deliver: (message: FromEngine | undefined) => void = () => undefined;

  constructor(clock: ProcessClock, character: EngineCharacter) {
    this.#clock = clock;
    this.#character = character;
  }

  onMessage(handler: (message: FromEngine | undefined) => void): void {
    this.#deliver = handler;
  }

  stop(): Promise<void> {
    return Promise.resolve();
  }

  send(message: ToEngine): void {
    this.#waiting.push(message);
    if (!this.#isBusy) this.#takeNext();
  }

  /** One order after another, as a thread does. */
  #takeNext(): void {
    const message = this.#waiting.shift();
    this.#isBusy = message !== undefined;
    if (message === undefined) return;
    const seconds = this.#secondsFor(message);
    this.#clock.after(1000 * seconds, () => this.#finish(message, seconds));
  }

  #finish(message: ToEngine, seconds: number): void {
    if (this.#character.hangs()) {
      this.#clock.after(HUNG_LOOK_MS, () => this.#finish(message, seconds));
      return;
    }
    try {
      this.#handle(message, seconds);
    } catch (error) {
      const leaseId = "leaseId" in message ? message.leaseId : 0;
      this.#deliver({ type: "failed", leaseId, message: (error as Error).message });
    }
    this.#takeNext();
  }

  #secondsFor(message: ToEngine): number {
    const work =
      message.type === "block"
        ? message.count
        : message.type === "stretch"
          ? message.count * (this.#runs.get(message.runId)?.plan.slots ?? 1)
          : message.type === "task"
            ? message.imageCount / 4
            : 0;
    return (work * this.#character.slotMs()) / 1000;
  }

  #handle(message: ToEngine, seconds: number): void {
    if (message.type === "run") {
      this.#runs.set(message.runId, { ...message, layout: layoutOf(message.network) });
      return;
    }
    if (message.type === "forget") {
      this.#runs.delete(message.runId);
      return;
    }
    const run = this.#runs.get(message.runId);
    if (run === undefined) throw new RangeError(`Run ${message.runId} was not described`);
    const done = { leaseId: "leaseId" in message ? message.leaseId : 0, seconds, tensors: 0, tensorBytes: 0 };
    if (message.type === "images") run[message.split] = message.images;
    else if (message.type === "block") {
      this.#deliver({ type: "chunks", leaseId: message.leaseId, chunks: this.#block(run, message) });
      this.#deliver({ type: "block-done", ...done });
    } else if (message.type === "stretch")
      this.#deliver({ type: "stretch-done", ...done, steps: this.#stretch(run, message) });
    else if (message.type === "task")
      this.#deliver({ type: "task-done", ...done, findings: findings(run, message) });
    else throw new RangeError("The simulated engine knows no features");
  }

  #slot(run: Run, step: number, slot: number, weights: number): Float32Array {
    if (run.train === undefined) throw new RangeError(`Run ${run.runId} has no training images yet`);
    const order = epochOrder(run.seed, stepImages(run.plan, step).epoch, run.plan.images);
    const indices = slotImages(run.plan, order, step, slot);
    const all = new Uint8Array(run.train.labels);
    const labels = Uint8Array.from(indices, (index) => all[index] as number);
    const inputs = inputsOf(new Uint8Array(run.train.pixels), run.mean, indices);
    return this.#character.spoilt(slotPush(run.layout, weights, inputs, labels), run.layout);
  }

  /** Summed by the product's own assembler, into the frames. Returns the chunks, in the order in which they came out. */
  #block(run: Run, { step, first, count, parameters, frames }: Order<"block">): number[] {
    const weights = printOf(new Float32Array(parameters));
    const chunks: number[] = [];
    const assembler = new GradientAssembler(count, bodiesOf(frames, run.layout.pushSize), (chunk) =>
      chunks.push(chunk),
    );
    for (let slot = first; slot < first + count; slot++) {
      assembler.beginSlot();
      assembler.add(0, this.#slot(run, step, slot, weights));
      assembler.endSlot();
    }
    return chunks;
  }

  /** Returns the steps done. */
  #stretch(run: Run, message: Order<"stretch">): number {
    const { layout, plan } = run;
    const control = new Int32Array(message.control);
    const parts = stateParts(layout, new Float32Array(message.state));
    const { parameters, velocity } = startOf(run, message);
    const sums = new Float32Array(layout.pushSize);
    let done = 0;
    while (done < message.count) {
      const step = message.step + done;
      const weights = printOf(parameters);
      const assembler = new GradientAssembler(plan.slots, [sums], () => undefined);
      for (let slot = 0; slot < plan.slots; slot++) {
        assembler.beginSlot();
        assembler.add(0, this.#slot(run, step, slot, weights));
        assembler.endSlot();
      }
      const { stages, ...rates } = message.rule;
      const rule = {
        ...rates,
        learningRate: learningRate(stages, plan, step),
        samples: stepSamples(plan, step),
      };
      updateRange(layout, rule, 0, {
        sums,
        current: parameters,
        velocity,
        next: parameters,
        moved: velocity,
      });
      parts.tails.set(sums.subarray(layout.size), done * TAIL.length);
      done++;
      Atomics.store(control, CONTROL.stepsDone, done);
      if (Atomics.load(control, CONTROL.halt) !== 0) break;
    }
    parts.parameters.set(parameters);
    parts.velocity.set(velocity);
    run.held = { step: message.step + done, parameters, velocity };
    return done;
  }
}

function startOf(run: Run, { step, start }: Order<"stretch">): NonNullable<Run["held"]> {
  if (start !== undefined) {
    const { parameters, velocity } = start;
    return {
      step,
      parameters: new Float32Array(parameters).slice(),
      velocity: new Float32Array(velocity).slice(),
    };
  }
  if (run.held?.step !== step) throw new RangeError(`Run ${run.runId} is not at step ${step}`);
  return run.held;
}

/** The value part of each frame, as views: [header | body] [header | body] … */
function bodiesOf({ buffer, byteOffset }: Uint8Array, values: number): Float32Array[] {
  const totalBytes = 4 * values;
  return Array.from({ length: chunkCountOf(totalBytes) }, (_, chunk) => {
    const start = byteOffset + chunk * (HEADER_BYTES + BODY_BYTES) + HEADER_BYTES;
    return new Float32Array(buffer, start, Math.min(BODY_BYTES, totalBytes - chunk * BODY_BYTES) / 4);
  });
}

type Findings = Extract<FromEngine, { type: "task-done" }>["findings"];

function findings(run: Run, message: Order<"task">): Findings {
  if (run.test === undefined) throw new RangeError(`Run ${message.runId} has no test images yet`);
  if (message.measure.how === "diagnostics")
    return { outcomes: [], diagnostics: { gradients: [], slopes: [], planted: [] } };
  const weights = printOf(new Float32Array(message.parameters));
  const labels = new Uint8Array(run.test.labels).subarray(message.firstImage);
  const indices = Array.from({ length: message.imageCount }, (_, i) => message.firstImage + i);
  const answers = indices.map((index) => {
    const input = inputsOf(new Uint8Array((run.test as SharedImages).pixels), run.mean, [index]);
    const z = outputsFor(weights, input, run.network.outputs);
    return { prediction: z.indexOf(Math.max(...z)), confidence: Math.max(...z) / 8 };
  });
  const outcomes = message.strengths.map((strength) => ({
    strength,
    predictions: Uint8Array.from(answers, ({ prediction }) => prediction),
    confidences: Float32Array.from(answers, ({ confidence }) => confidence),
    wrong: Uint8Array.from(answers, ({ prediction }, i) => Number(prediction !== labels[i])),
    distances: new Float32Array(),
    origins: new Uint8Array(),
    samples: [],
  }));
  return { outcomes };
}
