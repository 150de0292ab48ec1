/** Verifies one run directory: its files by themselves, then chosen steps computed again. It reads, and writes nothing. */
import { cpus } from "node:os";
import { join } from "node:path";
import { PartitionedDataset } from "../../coordinator/io/datasets/dataset.js";
import { loadDataset } from "../../coordinator/io/datasets/data-sets.js";
import { refuseLocked } from "../../coordinator/io/directory-locks.js";
import { isIdentityOf } from "../../coordinator/runs/identity.js";
import { IMPORTED } from "../../coordinator/runs/storage.js";
import { ENGINE_NAMES, type EngineName } from "../../shared/engine.js";
import { ClusterError } from "../../shared/errors.js";
import { realClock } from "../../shared/io/real-clock.js";
import { resolveRun, stepPlan } from "../../shared/resolve.js";
import { readJson } from "../../shared/io/json-document.js";
import { COMPILE_VARIABLE } from "../../worker/engine/environment.js";
import { type EngineChoice, workerEnvironment } from "../setup/engine.js";
import { type RecordedState, compare, notRecomputed, processorModel } from "./comparison.js";
import { type Expected, checkFiles, stepsDone, wholeCheckpoints } from "./file-checks.js";
import { type Finding, finding, verificationExitCode } from "./finding.js";
import { recompute } from "./recompute.js";
import { type RunFiles, readRunFiles } from "./run-files.js";
import { type Known, type Stretch, someStretches, stepCount, stretchBetween } from "./stretches.js";

export interface VerifyOptions {
  /** Steps to compute again, spread over the run. */
  steps: number;
  /** All steps from this one on, up to that one; instead of some. */
  from?: number | undefined;
  to?: number | undefined;
  all: boolean;
  /** Folder of the images; the run's own setting without it. */
  dataDir?: string | undefined;
  engine?: EngineName | undefined;
  /** Gets an engine. Throws ClusterError("dependency"). */
  provision: (engine: EngineName | undefined) => Promise<EngineChoice>;
  onStep: (done: number, total: number) => void;
}

export interface Verification {
  directory: string;
  name: string;
  /** Of the newest whole checkpoint. */
  steps: number;
  /** Steps that were computed again, [from, to). */
  recomputed: { from: number; to: number }[];
  findings: Finding[];
}

/** Throws ClusterError: "dependency" (a process writes there, no engine), "data", "config", "usage". */
export async function verifyRun(path: string, options: VerifyOptions): Promise<Verification> {
  // What changes while it is read would look broken.
  await refuseLocked(path, realClock);
  const files = await readRunFiles(path);
  if (wholeCheckpoints(files).some(({ description }) => description.identity === IMPORTED)) {
    throw new ClusterError(
      "usage",
      `Cannot verify ${path}: its weights were brought from elsewhere, so no step of it was computed here`,
    );
  }
  const findings = checkFiles(files, await expectedOf(files, options.dataDir));
  const steps = stepsDone(files);
  const verification = { directory: path, name: resolveRun(files.config).name, steps };
  const stretches = chosen(files, options);
  // What is known to be wrong tells nothing about steps that would begin with it.
  if (verificationExitCode(findings) !== 0)
    return { ...verification, recomputed: [], findings: [...findings, ...skipped(stretches)] };
  const recomputed = await recomputedFindings(files, stretches, options);
  return {
    ...verification,
    recomputed: stretches.map(({ start, end }) => ({ from: start.step, to: end })),
    findings: [...findings, ...recomputed, ...notRecomputed(stretches, steps)],
  };
}

async function expectedOf({ config }: RunFiles, dataDir: string | undefined): Promise<Expected> {
  const { set, dir } = config.data;
  const images = new PartitionedDataset(await loadDataset(set, dataDir ?? dir, process.env));
  return {
    plan: stepPlan(config, resolveRun(config), images.dataset.train.labels.length),
    isIdentity: (stored) => isIdentityOf(stored, config, images.sha256),
  };
}

function chosen(files: RunFiles, { steps, from, to, all }: VerifyOptions): Stretch[] {
  const known = knownStates(files);
  const first = known.starts[0];
  if (all)
    return first === undefined || first.step === known.steps ? [] : [{ start: first, end: known.steps }];
  if (from === undefined && to === undefined) return someStretches(known, steps);
  return [stretchBetween(known, from ?? first?.step ?? 0, to ?? known.steps)];
}

/** Steps of another run, whose weights this one began with, had other settings. */
function knownStates(files: RunFiles): Known {
  const states = wholeCheckpoints(files).map(({ name, description: { step } }) => ({
    step,
    checkpoint: name,
  }));
  const { origin } = files;
  const starts =
    origin === undefined
      ? [{ step: 0, checkpoint: undefined }, ...states]
      : states.filter(({ step }) => step >= origin.step);
  return { steps: stepsDone(files), starts };
}

function skipped(stretches: readonly Stretch[]): Finding[] {
  if (stretches.length === 0) return [];
  return [finding("recomputed", "unproven", "no step: mend first what does not hold")];
}

async function recomputedFindings(
  files: RunFiles,
  stretches: readonly Stretch[],
  options: VerifyOptions,
): Promise<Finding[]> {
  const total = stepCount(stretches);
  if (total === 0) return [];
  const { config, environment, path, metrics } = files;
  const choice = await engineFor(environment["engine"], options);
  const states = recordedStates(files);
  let done = 0;
  const found = await recompute(
    {
      engine: choice.engine,
      config,
      dataDir: options.dataDir,
      stretches: stretches.map(({ start, end }) => ({
        checkpoint: start.checkpoint === undefined ? undefined : join(path, "checkpoints", start.checkpoint),
        end,
        hashAfter: states.map(({ step }) => step).filter((step) => step > start.step && step <= end),
      })),
    },
    { ...workerEnvironment(choice), ...(await modeOf(path)) },
    () => options.onStep(++done, total),
  );
  const run = { engine: environment["engine"], processor: processorModel(environment["processor"]) };
  const here = { engine: choice.engine, processor: cpus()[0]?.model ?? "unknown" };
  return compare(stretches, found, { metrics: metrics.lines, states }, { run, here });
}

/** A run whose networks nobody compiled is computed again operation by operation: the last digits are others. */
async function modeOf(path: string): Promise<Record<string, string>> {
  const read = readJson<{ version: string }[]>(join(path, "engines.json"));
  const engines = await read.catch(() => []);
  const versions = (Array.isArray(engines) ? engines : []).map(({ version }) => version);
  const isCompiled = versions.length === 0 || versions.some((version) => version.endsWith(", graph"));
  return isCompiled ? {} : { [COMPILE_VARIABLE]: "off" };
}

/** The run's own engine is the one to ask, where it had one alone. The usual choice first: to force one means to test it. */
async function engineFor(
  ofRun: string | undefined,
  { engine, provision }: VerifyOptions,
): Promise<EngineChoice> {
  const own = engine ?? ENGINE_NAMES.find((name) => name === ofRun);
  const usual = engine === undefined ? await provision(undefined).catch(() => undefined) : undefined;
  return usual !== undefined && (own ?? usual.engine) === usual.engine ? usual : provision(own);
}

/** Every state of which a hash is known; checkpoints say more than the journal. */
function recordedStates(files: RunFiles): RecordedState[] {
  const kept = wholeCheckpoints(files).map(
    ({ name, description, weightsSha256, velocitySha256 }): RecordedState => ({
      step: description.step,
      weightsSha256,
      velocitySha256,
      where: name,
    }),
  );
  const others = files.weights.lines
    .filter(({ step }) => !kept.some((state) => state.step === step))
    .map(({ step, weights_sha256: weightsSha256 }): RecordedState => ({
      step,
      weightsSha256,
      where: files.weights.name,
    }));
  return [...kept, ...others].sort((a, b) => a.step - b.step);
}
