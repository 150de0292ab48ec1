/** What a worker prepares once for a run: its description, its images, its place for parameters and frames. */
import type { Bus, MappedMemory } from "../shared/bus.js";
import { type Config, configSchema } from "../shared/config/run.js";
import { anchorOf } from "../shared/core/anchor.js";
import { roundedWeights } from "../shared/core/codec.js";
import { framesLength } from "../shared/core/chunk.js";
import type { Layout } from "../shared/core/layout.js";
import type { StepPlan } from "../shared/core/schedule.js";
import { EMULATED, type EngineName, enginesFor } from "../shared/engine.js";
import { ClusterError } from "../shared/errors.js";
import { readMessage, type saf, wire, writeMessage } from "../shared/messages.js";
import { layoutOf } from "../shared/networks/network.js";
import { type ResolvedRun, resolveRun, stepPlan } from "../shared/resolve.js";
import { type RetryEdges, type RetryPolicy, retry } from "../shared/retry.js";
import { recipeOf, runHashOf } from "../shared/run-hash.js";
import type { SharedImages } from "./engine/messages.js";
import type { EnginePort } from "./engine/port.js";
import type { ImageSplits, Split } from "./images.js";
import { CarriedSums } from "./mates/carried-sums.js";
import {
  type ParameterIdentity,
  ParameterReceiver,
  type VectorPlace,
  type VectorSources,
} from "./parameters.js";
import { RunMemory, type ThreadMemory } from "./thread-memory.js";

const DESCRIPTION_TIMEOUT_MS = 5000;
const DESCRIPTION_RETRIES: RetryPolicy = { attempts: 20, pauseMs: () => 200 };

export interface PreparedRun {
  runId: string;
  runHash: string;
  /** Hash of the description that it was prepared by. */
  recipe: string;
  run: ResolvedRun;
  layout: Layout;
  plan: StepPlan;
  /** Those that steps are computed with: in bf16 the rounded ones. */
  parameters: ParameterReceiver;
  /** Those that the coordinator keeps, and that are measured; in fp32 the same. */
  keptWeights: () => ParameterReceiver;
  /** Chunk frames of a push: [header | body] after another, the last one short. Memory that threads share. */
  frames: Uint8Array<SharedArrayBuffer>;
  /** The coordinator reads the frames where they lie. */
  inPlace: boolean;
  /** Where the frames lie, if others can map that. */
  home: MappedMemory | undefined;
  /** Sums of our blocks with those of mates. */
  carried: CarriedSums;
  /** The state in which the engine ended the last stretch, once the coordinator has taken it. */
  held: { term: number; step: number } | undefined;
  /** What the threads share of this run. */
  memory: RunMemory;
  /** Where vectors of this run are pulled. */
  vectors: VectorSources;
  takeAnchor: TakeAnchor;
  /** Loads a split into the engine, once. */
  loadImages(split: Split): Promise<void>;
}

/**
 * The earlier weights that a step needs (flag A), or undefined when it needs none. Throws ClusterError("protocol") when
 * the coordinator has them no more.
 */
type TakeAnchor = (
  step: number,
  term: number,
) => Promise<{ version: number; parameters: SharedArrayBuffer } | undefined>;

export interface RunSources extends RetryEdges {
  control: Bus;
  bulk: Bus;
  /** To workers of this host; undefined where it has no mates. */
  mates?: Bus | undefined;
  subjects: { runGet: string; parameterGet: string };
  engine: EnginePort;
  images: ImageSplits;
  memory: ThreadMemory;
}

/** A run as its lease names it. */
export interface WantedRun {
  runId: string;
  /** Hash of its description. */
  recipe: string;
  /** The description, where it came with the lease. */
  told: saf.v1.RunSpec | undefined;
}

/**
 * Throws ClusterError when the coordinator's description does not fit this worker's own idea of the network, or is not the
 * one whose hash the lease carries.
 */
export async function prepareRun(sources: RunSources, wanted: WantedRun): Promise<PreparedRun> {
  const { bulk, clock, signal, subjects } = sources;
  const { runId, recipe } = wanted;
  const spec = wanted.told ?? (await describe(sources, runId));
  if (recipeOf(spec) !== recipe)
    throw new ClusterError(
      "protocol",
      `Run ${runId} is described by recipe ${recipeOf(spec)}, its lease by ${recipe}`,
    );
  const { configJson, data, parameterCount } = spec;
  const config = configSchema.parse(JSON.parse(configJson));
  checkEngine(sources.engine.info.name, runId, config);
  const run = resolveRun(config);
  const layout = layoutOf(run.network);
  if (layout.size !== parameterCount || data == null) {
    throw new ClusterError(
      "shape-mismatch",
      `Cannot serve run ${runId}: its network has ${parameterCount} parameters, this worker's "${run.network.name}" ${layout.size}`,
    );
  }
  const trainImages = (data.train ?? []).reduce((sum, part) => sum + (part.images ?? 0), 0);
  const plan = stepPlan(config, run, trainImages);
  const realCount = Math.min(config.train.limit_images ?? trainImages, trainImages);
  const mean = meanOf(data);
  sources.engine.send({ type: "run", runId, network: run.network, plan, seed: run.seed, realCount, mean });

  const runHash = runHashOf(runId);
  const identity = { runId, runHash, size: layout.size, rounded: roundedWeights(plan.codec, layout) };
  const memory = new RunMemory(sources.memory);
  const vectors = { bus: bulk, pullSubject: subjects.parameterGet, clock, signal };
  const parameters = new ParameterReceiver(vectors, identity, named(memory, "parameters"));
  return {
    runId,
    runHash,
    recipe,
    run,
    layout,
    plan,
    parameters,
    keptWeights: keptReceiver(vectors, parameters, named(memory, "kept parameters")),
    ...framesFor(sources, layout, memory),
    carried: new CarriedSums(4 * layout.pushSize, memory, sources.mates?.mapped?.vectors),
    held: undefined,
    memory,
    vectors,
    takeAnchor: anchorTaker(vectors, { ...identity, memory: named(memory, "anchor") }, run, plan),
    loadImages: imageLoader(sources, runId, data),
  };
}

/** The coordinator lets only such workers in; made-up gradients among real ones would be seen by nobody. */
function checkEngine(engine: EngineName, runId: string, config: Config): void {
  const wanted = enginesFor([config]);
  if (wanted.includes(engine)) return;
  throw new ClusterError(
    "protocol",
    `Cannot serve run ${runId} with engine "${engine}": it is computed by ${wanted.join(" or ")} only`,
  );
}

async function describe(
  { control, subjects, clock, signal }: RunSources,
  runId: string,
): Promise<saf.v1.RunSpec> {
  const request = writeMessage(wire.RunRequest, { runId });
  const described = await retry(DESCRIPTION_RETRIES, { clock, signal }, async () => {
    const spec = readMessage(
      wire.RunSpec,
      await control.request(subjects.runGet, request, DESCRIPTION_TIMEOUT_MS),
    );
    if (spec !== undefined && !spec.error?.message) return spec;
    throw new ClusterError(
      "protocol",
      `The coordinator does not know run ${runId}: ${spec?.error?.message ?? "malformed answer"}`,
    );
  });
  if (described.kind === "answered") return described.answer;
  signal.throwIfAborted();
  throw described.kind === "exhausted" && described.failure !== undefined
    ? described.failure
    : new ClusterError("dependency", `The coordinator does not describe run ${runId}`);
}

function meanOf({ meanImage }: saf.v1.DataManifest.$Properties): Float32Array {
  const bytes = new Uint8Array(meanImage ?? []);
  return new Float32Array(bytes.buffer, 0, bytes.byteLength >>> 2);
}

/** Memory for each of several vectors of one kind. */
function named(memory: RunMemory, kind: string): VectorPlace {
  return (which, byteLength) => memory.of(`${kind} ${which}`, byteLength);
}

function framesFor(
  { bulk, mates }: RunSources,
  { pushSize }: Layout,
  memory: RunMemory,
): Pick<PreparedRun, "frames" | "inPlace" | "home"> {
  const frameBytes = framesLength(4 * pushSize);
  const home = bulk.mapped ?? mates?.mapped;
  const mapped = home?.allocate(frameBytes);
  return {
    frames: mapped ?? new Uint8Array(memory.of("frames", frameBytes)),
    inPlace: mapped !== undefined && home === bulk.mapped,
    home: mapped === undefined ? undefined : home,
  };
}

/** Who only trains never needs it, so it takes no memory before it is asked for. */
function keptReceiver(
  vectors: VectorSources,
  trained: ParameterReceiver,
  memory: VectorPlace,
): PreparedRun["keptWeights"] {
  const { rounded, ...identity } = trained.identity;
  if (rounded === undefined) return () => trained;
  let kept: ParameterReceiver | undefined;
  return () => (kept ??= new ParameterReceiver(vectors, identity, memory));
}

function anchorTaker(
  vectors: VectorSources,
  { memory, ...identity }: ParameterIdentity & { memory: VectorPlace },
  { network }: ResolvedRun,
  plan: StepPlan,
): TakeAnchor {
  let anchors: ParameterReceiver | undefined;
  return async (step, term) => {
    const due = anchorOf(plan, network.augmentation, step);
    if (due === undefined) return undefined;
    anchors ??= new ParameterReceiver(vectors, identity, memory);
    const parameters = await anchors.take(due.version, term);
    if (parameters === undefined) {
      throw new ClusterError("protocol", `the weights of step ${due.version} are gone`);
    }
    return { version: due.version, parameters };
  };
}

function imageLoader(
  { engine, images: splits }: RunSources,
  runId: string,
  data: saf.v1.DataManifest.$Properties,
): PreparedRun["loadImages"] {
  const loaded = new Map<Split, Promise<void>>();
  const isUnseen = engine.info.name === EMULATED;
  return (split) => {
    let loading = loaded.get(split);
    if (loading === undefined) {
      const found = isUnseen && split === "train" ? unseenImages(data) : splits.load(data, split);
      loading = found.then((images) => {
        engine.send({ type: "images", runId, split, images });
      });
      loaded.set(split, loading);
      loading.catch(() => loaded.delete(split));
    }
    return loading;
  };
}

/** The emulated engine knows training images by their indices: none of them is fetched. */
function unseenImages({ train }: saf.v1.DataManifest.$Properties): Promise<SharedImages> {
  const count = (train ?? []).reduce((sum, part) => sum + (part.images ?? 0), 0);
  return Promise.resolve({ pixels: new SharedArrayBuffer(0), labels: new SharedArrayBuffer(0), count });
}
