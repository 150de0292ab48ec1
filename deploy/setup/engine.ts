/**
 * Provisions the best engine this machine can run: tensorflow-gpu, tensorflow, wasm, in this order. Each is tried in a
 * process of its own, where it must load and pass the gradient self-test; what is left, is left with a reason.
 */
import { rmSync } from "node:fs";
import { join } from "node:path";
import {
  EMULATED,
  ENGINE_NAMES,
  type EngineName,
  REAL_ENGINES,
  type RealEngine,
} from "../../shared/engine.js";
import { ClusterError, codeIn } from "../../shared/errors.js";
import { COMPILE_VARIABLE, engineEnvironment } from "../../worker/engine/environment.js";
import { compileChoice } from "../../worker/engine/start.js";
import {
  findAddonPackage,
  hasAddon,
  isCompleteEntry,
  linkEntry,
  linkedEntry,
  unlinkEntry,
  type AddonPackageName,
} from "./addon.js";
import { readRecord, removeLeftovers, withSetupLock, writeRecord } from "./cache.js";
import { codeFor } from "./core/cards.js";
import { reasonAgainst } from "./core/gpu-verdict.js";
import { inspectGpu } from "./gpu-facts.js";
import { provideCudaTensorflow, withMissingLibraries } from "./gpu.js";
import { probeEngine, type ProbeReport } from "./probe.js";
import type { Provision, SetupContext } from "./provision.js";
import { provideStockLibrary } from "./stock-library.js";
import { TENSORFLOW_VERSION, provideWheel, wheelEntry } from "./tensorflow-wheel.js";

export { defaultCacheDir } from "./cache.js";

export interface EngineChoice {
  engine: EngineName;
  /** "TensorFlow 2.21.0" */
  version: string;
  /** "cpu", or the GPU's name. */
  device: string;
  /** What was tried and why it was left, one line each; empty when the best rung did. */
  why: string[];
  /** Variables that a worker of this engine needs besides `workerEnvironment`'s. */
  environment: Record<string, string>;
  /** LeNet training, batch 64, one thread, measured when the engine was chosen. */
  samplesPerSecond?: number;
}

export interface ProvisionOptions {
  /** This engine or an error; SAF_ENGINE does the same. */
  force?: EngineName;
  cacheDir: string;
  progress: (line: string) => void;
  env?: NodeJS.ProcessEnv;
  /** Choose anew, whatever engine.json says; libraries in the cache are kept. */
  refresh?: boolean;
}

/** Needs nothing, and is never chosen by itself. */
const EMULATION: EngineChoice = {
  engine: EMULATED,
  version: "emulated 1",
  device: "nothing real",
  why: [],
  environment: {},
};

/**
 * Idempotent: a choice that still stands is returned at once, re-linked if `npm ci` took the link away. Safe to be killed
 * and to run twice at once. Throws ClusterError("dependency") when a forced engine, or any engine, is not to be had.
 */
export async function provisionEngine(options: ProvisionOptions): Promise<EngineChoice> {
  const env = options.env ?? process.env;
  const { cacheDir, progress, refresh = false } = options;
  const forced = options.force ?? engineInEnvironment(env);
  if (forced === EMULATED) return EMULATION;
  compileChoice(env);
  const conditions = conditionsOf(forced, env);
  const context: SetupContext = { cacheDir, env, progress };

  const known = refresh ? undefined : choiceAgain(cacheDir, conditions, env);
  if (known !== undefined) return known;
  return withSetupLock(cacheDir, progress, async () => {
    const madeMeanwhile = refresh ? undefined : choiceAgain(cacheDir, conditions, env);
    if (madeMeanwhile !== undefined) return madeMeanwhile;
    removeLeftovers(cacheDir);
    const { choice, entry } = await chooseEngine(forced, context);
    remember(cacheDir, { conditions, entry: entry ?? null, choice }, refresh ? [] : recordsIn(cacheDir));
    return choice;
  });
}

/** Variables of a process that computes with this choice: those of any engine, and those that its library needs. */
export function workerEnvironment(
  choice: EngineChoice,
  env: NodeJS.ProcessEnv = process.env,
): Record<string, string> {
  return { ...engineEnvironment(choice.engine, env), ...choice.environment };
}

/** What SAF_ENGINE names. Throws ClusterError("usage") for what is no engine. */
export function engineInEnvironment(env: NodeJS.ProcessEnv): EngineName | undefined {
  const name = env["SAF_ENGINE"];
  if (!name) return undefined;
  const known = ENGINE_NAMES.find((candidate) => candidate === name);
  if (known !== undefined) return known;
  throw new ClusterError("usage", `SAF_ENGINE is "${name}", expected one of ${ENGINE_NAMES.join(", ")}`, {
    hint: "unset it to let saf choose the best engine there is",
  });
}

// ---- What was chosen before --------------------------------------------------------------------------------------

/** Of a probe that names what it compiled; what older ones wrote is chosen anew. */
const RECORD_FORMAT = 2;

/** Who names an engine in one command and none in the next must not pay for a choice each time. */
const MOST_RECORDS = 8;

interface EngineRecord {
  conditions: Conditions;
  /** The cache entry linked into node_modules; null for wasm, and for an addon that npm installed itself. */
  entry: string | null;
  choice: EngineChoice;
}

/** The one that was asked for last, and those of other conditions from before it. */
interface EngineRecords extends EngineRecord {
  format: typeof RECORD_FORMAT;
  earlier?: EngineRecord[];
}

/** The one that was asked for last comes first. */
function recordsIn(cacheDir: string): EngineRecord[] {
  const last = readRecord(cacheDir) as EngineRecords | undefined;
  return last?.format === RECORD_FORMAT ? [last, ...(last.earlier ?? [])] : [];
}

function remember(
  cacheDir: string,
  { conditions, entry, choice }: EngineRecord,
  earlier: readonly EngineRecord[],
): void {
  writeRecord(cacheDir, {
    ...{ format: RECORD_FORMAT, conditions, entry, choice },
    earlier: earlier
      .filter((other) => !isUnder(other, conditions))
      .slice(0, MOST_RECORDS - 1)
      .map((other) => ({ conditions: other.conditions, entry: other.entry, choice: other.choice })),
  } satisfies EngineRecords);
}

function isUnder(record: EngineRecord, conditions: Conditions): boolean {
  return JSON.stringify(record.conditions) === JSON.stringify(conditions);
}

/** What a choice was made under: another value of any of these means choosing again. */
interface Conditions {
  forced: EngineName | null;
  wheel: string | null;
  node: number;
  gpus: string | null;
  addonPackage: string | null;
  /** Addon packages that this clone has: one without them must not choose for the others. */
  installed: string[];
  /** SAF_COMPILE: it is part of what the engine calls itself. */
  compile: string | null;
}

const ADDON_PACKAGES: readonly AddonPackageName[] = ["@tensorflow/tfjs-node", "@tensorflow/tfjs-node-gpu"];

function conditionsOf(forced: RealEngine | undefined, env: NodeJS.ProcessEnv): Conditions {
  return {
    forced: forced ?? null,
    wheel: env["SAF_TF_WHEEL"] || null,
    node: Number(process.versions.node.split(".")[0]),
    gpus: env["CUDA_VISIBLE_DEVICES"] ?? null,
    addonPackage: env["SAF_TFJS_NODE_PACKAGE"] || null,
    compile: env[COMPILE_VARIABLE] || null,
    installed: ADDON_PACKAGES.filter((name) => findAddonPackage(name, env) !== undefined),
  };
}

/** What was chosen here last, whoever forced it, if it still holds; nothing is fetched. */
export function recordedEngine(cacheDir: string, env: NodeJS.ProcessEnv): EngineChoice | undefined {
  const records = recordsIn(cacheDir);
  const forced = REAL_ENGINES.find((name) => name === records[0]?.conditions.forced);
  return standingRecord(records, conditionsOf(forced, env), env)?.choice;
}

/** A choice that still holds, from now on the last one that was asked for. */
function choiceAgain(
  cacheDir: string,
  conditions: Conditions,
  env: NodeJS.ProcessEnv,
): EngineChoice | undefined {
  const records = recordsIn(cacheDir);
  const standing = standingRecord(records, conditions, env);
  if (standing === undefined) return undefined;
  try {
    if (standing !== records[0]) remember(cacheDir, standing, records);
  } catch {
    // In a cache that cannot be written a choice holds all the same.
  }
  return standing.choice;
}

/** The recorded choice if it still holds: same conditions, and library and addon in place (or put back). */
function standingRecord(
  records: readonly EngineRecord[],
  conditions: Conditions,
  env: NodeJS.ProcessEnv,
): EngineRecord | undefined {
  const record = records.find((each) => isUnder(each, conditions));
  if (record === undefined) return undefined;
  const { choice, entry } = record;
  if (choice.engine === "wasm") return record;
  const packageFolder = findAddonPackage(packageOf(choice.engine), env);
  if (packageFolder === undefined) return undefined;
  if (entry === null) return hasAddon(packageFolder) ? record : undefined;
  if (!isCompleteEntry(entry)) return undefined;
  if (linkedEntry(packageFolder) === entry && hasAddon(packageFolder)) return record;
  return tryLink(packageFolder, entry) === undefined ? record : undefined;
}

function packageOf(engine: EngineName): AddonPackageName {
  return engine === "tensorflow-gpu" ? "@tensorflow/tfjs-node-gpu" : "@tensorflow/tfjs-node";
}

/** Undefined when it worked; else why not. */
function tryLink(packageFolder: string, entry: string): string | undefined {
  try {
    linkEntry(packageFolder, entry);
    return undefined;
  } catch (error) {
    return `${packageFolder} cannot be written (${codeIn(error) ?? String(error)})`;
  }
}

// ---- Choosing ----------------------------------------------------------------------------------------------------

interface Chosen {
  choice: EngineChoice;
  entry: string | undefined;
}

/** What one rung came to: an engine that passed, or why each way to it was left. */
type RungResult = { kind: "passed"; chosen: Chosen } | { kind: "left"; reasons: string[] };

async function chooseEngine(forced: RealEngine | undefined, context: SetupContext): Promise<Chosen> {
  const why: string[] = [];
  for (const engine of forced === undefined ? REAL_ENGINES : [forced]) {
    const result = await tryRung(engine, engine === forced, context);
    if (result.kind === "passed") {
      result.chosen.choice.why.unshift(...why);
      return result.chosen;
    }
    why.push(...result.reasons.map((reason) => `${engine}: ${reason}`));
    for (const reason of result.reasons) context.progress(`${engine}: ${reason}`);
  }
  if (forced === undefined) {
    throw new ClusterError(
      "dependency",
      `No engine passes its self-test on this machine: ${why.join("; ")}`,
      {
        hint: "run `npm ci` again; if that does not help, this is a fault of saf worth reporting",
      },
    );
  }
  throw new ClusterError("dependency", `Engine "${forced}" is not to be had here: ${why.join("; ")}`, {
    hint: "unset SAF_ENGINE (or the engine setting) to take the best there is, or SAF_ENGINE=wasm, which needs npm alone",
  });
}

function tryRung(engine: RealEngine, isNamed: boolean, context: SetupContext): Promise<RungResult> {
  if (engine === "tensorflow-gpu") return tryGpu(isNamed, context);
  if (engine === "tensorflow") return tryTensorflow(context);
  return tryWasm(context);
}

async function tryWasm(context: SetupContext): Promise<RungResult> {
  const attempt = await tryEngine("wasm", {}, undefined, context);
  return typeof attempt === "string"
    ? { kind: "left", reasons: [attempt] }
    : { kind: "passed", chosen: attempt };
}

async function tryTensorflow(context: SetupContext): Promise<RungResult> {
  const { cacheDir, env } = context;
  const packageFolder = findAddonPackage("@tensorflow/tfjs-node", env);
  if (packageFolder === undefined) {
    return { kind: "left", reasons: ["the package @tensorflow/tfjs-node is not installed"] };
  }
  const wheel = wheelEntry(cacheDir, env);
  const stock = join(cacheDir, "tensorflow-stock");
  const byWheel: Source = {
    name: "wheel",
    entry: wheel,
    provide: () => provideWheel(packageFolder, wheel, context),
  };
  const byStock: Source = {
    name: "stock library",
    entry: stock,
    provide: () => provideStockLibrary(packageFolder, stock, context),
  };
  // A wheel given by hand is meant: nothing else is fetched, and an addon that is there already does not hide it.
  const sources = env["SAF_TF_WHEEL"] ? [byWheel] : [byStock, byWheel];
  return trySources("tensorflow", packageFolder, sources, environmentOf(env), context);
}

/** The driver compiles every kernel that a card has no machine code for: minutes, once. */
const COMPILING_TIMEOUT_MS = 15 * 60_000;
/** Of compiled kernels that the driver keeps: its own limit throws some of TensorFlow's away again. */
const COMPILED_BYTES = "2147483648";

async function tryGpu(isNamed: boolean, context: SetupContext): Promise<RungResult> {
  const { env, progress } = context;
  const verdict = await inspectGpu(env);
  const against = reasonAgainst(verdict, isNamed);
  if (against !== undefined) return { kind: "left", reasons: [against] };
  const packageFolder = findAddonPackage("@tensorflow/tfjs-node-gpu", env);
  if (packageFolder === undefined) {
    return { kind: "left", reasons: ["the package @tensorflow/tfjs-node-gpu is not installed"] };
  }
  progress(verdict.message);
  const { card, severity } = verdict;
  const mustCompile = severity === "slow" || severity === "doubtful";
  const environment = {
    ...environmentOf(env),
    ...(mustCompile ? { CUDA_CACHE_MAXSIZE: env["CUDA_CACHE_MAXSIZE"] ?? COMPILED_BYTES } : {}),
    SAF_GPU_NAME: card?.name ?? "NVIDIA GPU",
  };
  const stockFits = card === undefined || codeFor(card.capability, "stock").kind === "binary";
  const sources = gpuSources(packageFolder, context).slice(stockFits ? 0 : 1);
  const result = await trySources("tensorflow-gpu", packageFolder, sources, environment, {
    ...context,
    ...(mustCompile ? { probeTimeoutMs: COMPILING_TIMEOUT_MS } : {}),
  });
  if (!stockFits && result.kind === "left")
    result.reasons.unshift("its stock library has no code for this card");
  return result;
}

/** The stock library first. */
function gpuSources(packageFolder: string, context: SetupContext): Source[] {
  const stock = join(context.cacheDir, "tensorflow-gpu-stock");
  const cuda = join(context.cacheDir, `tensorflow-gpu-${TENSORFLOW_VERSION}`);
  return [
    {
      name: "stock library (CUDA 11)",
      entry: stock,
      provide: () => provideStockLibrary(packageFolder, stock, context),
    },
    {
      name: "Python's TensorFlow (CUDA 12)",
      entry: cuda,
      // Its environment depends on where Python's CUDA libraries are, so it is looked up each time.
      isAlwaysProvided: true,
      provide: () => provideCudaTensorflow(packageFolder, cuda, context),
    },
  ];
}

/** Another copy of the addon's package, if one was named, has to be named to the workers too. */
function environmentOf(env: NodeJS.ProcessEnv): Record<string, string> {
  const given = env["SAF_TFJS_NODE_PACKAGE"];
  return given ? { SAF_TFJS_NODE_PACKAGE: given } : {};
}

/** A way to get the library and addon of a rung into the cache. */
interface Source {
  name: string;
  entry: string;
  provide: () => Promise<Provision>;
  isAlwaysProvided?: boolean;
}

/** First what is installed, then what the cache has, then what can be fetched; each must pass the probe. */
async function trySources(
  engine: RealEngine,
  packageFolder: string,
  sources: Source[],
  environment: Record<string, string>,
  context: SetupContext,
): Promise<RungResult> {
  const reasons: string[] = [];
  const linked = linkedEntry(packageFolder);
  const isGiven = Boolean(context.env["SAF_TF_WHEEL"]) && linked !== sources[0]?.entry;
  if (hasAddon(packageFolder) && !isGiven) {
    const attempt = await tryEngine(engine, environment, linked, context);
    if (typeof attempt !== "string") return { kind: "passed", chosen: attempt };
    reasons.push(`installed addon: ${attempt}`);
  }
  for (const source of sources) {
    const isCached = source.isAlwaysProvided !== true && isCompleteEntry(source.entry);
    const cached: Provision = { kind: "provided", entry: source.entry };
    let attempt = await trySource(
      engine,
      packageFolder,
      isCached ? cached : await source.provide(),
      environment,
      context,
    );
    if (isCached && typeof attempt === "string") {
      context.progress(`the ${source.name} in the cache is not usable (${attempt}); making it anew`);
      rmSync(source.entry, { recursive: true, force: true });
      attempt = await trySource(engine, packageFolder, await source.provide(), environment, context);
    }
    if (typeof attempt !== "string") {
      attempt.choice.why.push(...reasons.map((reason) => `${engine}: ${reason}`));
      return { kind: "passed", chosen: attempt };
    }
    reasons.push(`${source.name}: ${attempt}`);
  }
  return { kind: "left", reasons };
}

/** Links what was provided and probes it; a reason means that the package is without an addon again. */
async function trySource(
  engine: RealEngine,
  packageFolder: string,
  provision: Provision,
  environment: Record<string, string>,
  context: SetupContext,
): Promise<Chosen | string> {
  if (provision.kind === "refused") return provision.reason;
  const problem = tryLink(packageFolder, provision.entry);
  if (problem !== undefined) return problem;
  const attempt = await tryEngine(
    engine,
    { ...environment, ...provision.environment },
    provision.entry,
    context,
  );
  if (typeof attempt === "string") unlinkEntry(packageFolder);
  return attempt;
}

/** Probes an engine as a worker would run it; the reason when it does not pass. */
async function tryEngine(
  engine: RealEngine,
  environment: Record<string, string>,
  entry: string | undefined,
  { env, progress, probeTimeoutMs }: SetupContext,
): Promise<Chosen | string> {
  progress(`testing engine ${engine}`);
  const untested: EngineChoice = { engine, version: "", device: "", why: [], environment };
  const whole = { ...env, ...workerEnvironment(untested, env) };
  const result = await probeEngine(engine, whole, probeTimeoutMs);
  if (result.kind === "refused")
    return engine === "tensorflow-gpu" ? withMissingLibraries(result.reason, entry, whole) : result.reason;
  return { choice: choiceOf(result.report, environment), entry };
}

function choiceOf(
  { info, samplesPerSecond }: ProbeReport,
  environment: Record<string, string>,
): EngineChoice {
  return {
    engine: info.name,
    version: info.version,
    device: info.device,
    why: [],
    environment,
    samplesPerSecond,
  };
}
