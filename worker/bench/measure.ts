/**
 * One measurement in a process of its own, so that a crash or a full memory ends nothing else. Started by
 * deploy/bench/gpu-check.ts: `node measure.js <MeasurementSpec as JSON>`; the last line printed is an Answer.
 */
import { createHash } from "node:crypto";
import { wordsOf } from "../../shared/errors.js";
import { initialParameters } from "../../shared/core/layout.js";
import { layoutOf } from "../../shared/networks/network.js";
import { networkNamed } from "../../shared/networks/registry.js";
import { attackedModel } from "../attacks/attacked-model.js";
import { runAttack } from "../attacks/registry.js";
import { answersTo } from "../measures/scoring.js";
import type { Programs } from "../engine/program.js";
import { startPrograms } from "../engine/start.js";
import { madeUpImages, madeUpTraining } from "./made-up-training.js";
import type {
  Answer,
  EvaluationFound,
  Found,
  HashFound,
  MeasurementSpec,
  SelfTestFound,
  TrainingFound,
  TrainingSubject,
} from "./measurement.js";

/** Equal bits after one step say little. */
const LEAST_HASHED_STEPS = 5;
/** Share of the seconds in which a speed settles before it is measured. */
const WARM_UP = 0.2;
/** Share of what is left that the engine alone gets. */
const ENGINE_ALONE = 0.3;
/** Images of a measurement of evaluation: some pieces of the batches that attacks make. */
const EVALUATED = 192;
const ATTACK = { name: "pgd", steps: 10, epsilon: 0.001 } as const;

function now(): number {
  return performance.now() / 1000;
}

/** Runs it at least once, and until the seconds are over. */
function repeat(seconds: number, work: () => number): { amount: number; count: number; seconds: number } {
  const began = now();
  let [amount, count] = [0, 0];
  do {
    amount += work();
    count++;
  } while (now() - began < seconds);
  return { amount, count, seconds: now() - began };
}

function selfTest(programs: Programs): SelfTestFound {
  const { passed, seconds, checks } = programs.selfTest();
  const worst = Math.max(...checks.map(({ relativeError }) => relativeError));
  return {
    passed,
    checks: checks.length,
    failed: checks.filter((check) => !check.passed).map(({ name }) => name),
    worst_relative_error: Number.isFinite(worst) ? worst : null,
    seconds,
  };
}

function hash(programs: Programs, spec: MeasurementSpec & { kind: "hash" }): HashFound {
  const training = madeUpTraining(programs, spec);
  if ("seconds" in spec.for) repeat(spec.for.seconds, () => training.advance().loss);
  const steps = "steps" in spec.for ? spec.for.steps : LEAST_HASHED_STEPS;
  while (training.step < steps) training.advance();
  const { buffer, byteOffset, byteLength } = training.parameters;
  const sha256 = createHash("sha256")
    .update(new Uint8Array(buffer, byteOffset, byteLength))
    .digest("hex");
  return { steps: training.step, sha256 };
}

function trainingSpeed(programs: Programs, spec: MeasurementSpec & { kind: "training" }): TrainingFound {
  const training = madeUpTraining(programs, spec);
  const step = (): number => {
    training.advance();
    return spec.batch;
  };
  const first = repeat(0, step);
  const settling = repeat(WARM_UP * spec.seconds, step);
  const left = Math.max(0, spec.seconds - first.seconds - settling.seconds);
  const cpuBefore = process.cpuUsage();
  const steps = repeat((1 - ENGINE_ALONE) * left, step);
  const cpu = process.cpuUsage(cpuBefore);
  return {
    steps: steps.count,
    seconds: steps.seconds,
    steps_per_second: steps.count / steps.seconds,
    images_per_second: steps.amount / steps.seconds,
    images_per_cpu_second: steps.amount / ((cpu.user + cpu.system) / 1e6),
    engine_images_per_second: engineAlone(programs, spec, ENGINE_ALONE * left),
    first_step_seconds: first.seconds,
  };
}

function engineAlone(
  programs: Programs,
  { set, model, batch, slots }: TrainingSubject,
  seconds: number,
): number {
  const network = networkNamed(set, model);
  const layout = layoutOf(network);
  const program = programs.create(network, layout);
  const parameters = initialParameters(layout, 0);
  const { height, width, channels } = network.input;
  const count = Math.floor(batch / slots);
  const { pixels, labels } = madeUpImages(count, height * width * channels);
  const inputs = Float32Array.from(pixels, (pixel) => pixel - 33);
  const pushed = new Float32Array(layout.pushSize);
  const call = (): number => {
    program.load(parameters);
    program.train(inputs, labels, { add: (offset, values) => pushed.set(values, offset) });
    return count;
  };
  call();
  const calls = repeat(seconds, call);
  return calls.amount / calls.seconds;
}

function evaluationSpeed(
  programs: Programs,
  spec: MeasurementSpec & { kind: "evaluation" },
): EvaluationFound {
  const network = networkNamed(spec.set, spec.model);
  const layout = layoutOf(network);
  const program = programs.create(network, layout);
  program.load(initialParameters(layout, 0));
  const { height, width, channels } = network.input;
  const imageSize = height * width * channels;
  const { pixels } = madeUpImages(EVALUATED, imageSize);
  const inputs = Float32Array.from(pixels, (pixel) => pixel - 33);
  const model = attackedModel(program, new Float32Array(imageSize).fill(33));
  // What the network answers counts as right: an attack walks on only while an image stands.
  const labels = answersTo(program, inputs, new Uint8Array(EVALUATED)).predictions;
  const clean = repeat(spec.seconds / 3, () => {
    answersTo(program, inputs, labels);
    return EVALUATED;
  });
  const request = {
    model,
    images: Float32Array.from(pixels, (pixel) => pixel / 255),
    labels,
    indices: Uint32Array.from(labels, (_, i) => i),
    seed: 0,
    norm: "linf",
    epsilon: ATTACK.epsilon,
    options: { steps: ATTACK.steps },
  } as const;
  const attack = repeat((spec.seconds * 2) / 3, () => runAttack(ATTACK.name, request).gradients);
  const gradients = attack.amount / attack.seconds;
  return {
    clean_images_per_second: clean.amount / clean.seconds,
    attack: ATTACK.name,
    attack_steps: ATTACK.steps,
    attack_images_per_second: gradients / ATTACK.steps,
    attack_gradients_per_second: gradients,
  };
}

function found(programs: Programs, spec: MeasurementSpec): Found {
  switch (spec.kind) {
    case "self-test":
      return { kind: spec.kind, ...selfTest(programs) };
    case "hash":
      return { kind: spec.kind, ...hash(programs, spec) };
    case "training":
      return { kind: spec.kind, ...trainingSpeed(programs, spec) };
    case "evaluation":
      return { kind: spec.kind, ...evaluationSpeed(programs, spec) };
  }
}

async function measured(spec: MeasurementSpec): Promise<Answer> {
  try {
    const programs = await startPrograms(spec.engine);
    const result = found(programs, spec);
    return { engine: programs.info, max_rss_bytes: 1024 * process.resourceUsage().maxRSS, found: result };
  } catch (error) {
    return { error: wordsOf(error).replaceAll(/\s+/g, " ").slice(0, 500) };
  }
}

const answer = await measured(JSON.parse(process.argv[2] ?? "{}") as MeasurementSpec);
process.stdout.write(`${JSON.stringify(answer)}\n`, () => process.exit(0));
