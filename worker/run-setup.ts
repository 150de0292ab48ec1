/** What a worker prepares once for a run: its description, its images, its place for parameters and frames. */
import { createHash } from "node:crypto";
import { type Bus, RequestError } from "../shared/bus.js";
import { configSchema } from "../shared/config/run.js";
import { anchorOf } from "../shared/core/anchor.js";
import { HEADER_BYTES, chunkCountOf } from "../shared/core/chunk.js";
import type { Layout } from "../shared/core/layout.js";
import type { StepPlan } from "../shared/core/schedule.js";
import { ClusterError } from "../shared/errors.js";
import { readMessage, type saf, wire, writeMessage } from "../shared/messages.js";
import { layoutOf } from "../shared/networks/network.js";
import { type ResolvedRun, resolveRun, stepPlan } from "../shared/resolve.js";
import { runHashOf } from "../shared/run-hash.js";
import type { EnginePort } from "./engine/port.js";
import type { SharedImages } from "./engine/messages.js";
import { fetchPart } from "./io/part-cache.js";
import { ParameterReceiver } from "./parameters.js";

const DESCRIPTION_TIMEOUT_MS = 5000;
const DESCRIPTION_ATTEMPTS = 20;

export interface PreparedRun {
  runId: string;
  runHash: string;
  run: ResolvedRun;
  layout: Layout;
  plan: StepPlan;
  parameters: ParameterReceiver;
  /** Chunk frames of a push: [header | body] after another, the last one short. Memory that threads share. */
  frames: Uint8Array<SharedArrayBuffer>;
  /** The coordinator reads the frames where they lie. */
  inPlace: boolean;
  chunkCount: number;
  /** The state in which the engine ended the last stretch, once the coordinator has taken it. */
  held: { term: number; step: number } | undefined;
  /**
   * The earlier weights that a step needs (flag A), or undefined when it needs none. Throws ClusterError("protocol") when
   * the coordinator has them no more.
   */
  takeAnchor(
    step: number,
    term: number,
    signal: AbortSignal,
  ): Promise<{ version: number; parameters: SharedArrayBuffer } | undefined>;
  /** Loads a split into the engine, once. */
  loadImages(split: "train" | "test"): Promise<void>;
}

export interface RunSources {
  control: Bus;
  bulk: Bus;
  subjects: { runGet: string; data: string; parameterGet: string };
  cacheDirectory: string;
  engine: EnginePort;
}

/** Throws ClusterError when the coordinator's description does not fit this worker's own idea of the network. */
export async function prepareRun(sources: RunSources, runId: string): Promise<PreparedRun> {
  const spec = await describe(sources, runId);
  const config = configSchema.parse(JSON.parse(spec.configJson));
  const run = resolveRun(config);
  const layout = layoutOf(run.network);
  if (layout.size !== spec.parameterCount || spec.data == null) {
    throw new ClusterError(
      "shape-mismatch",
      `Cannot serve run ${runId}: its network has ${spec.parameterCount} parameters, this worker's "${run.network.name}" ${layout.size}`,
    );
  }
  const { data } = spec;
  const train = data.train ?? [];
  const trainImages = train.reduce((sum, part) => sum + (part.images ?? 0), 0);
  const plan = stepPlan(config, run, trainImages);
  const realCount = Math.min(config.train.limit_images ?? trainImages, trainImages);
  const meanBytes = new Uint8Array(data.meanImage ?? []);
  const mean = new Float32Array(meanBytes.buffer, 0, meanBytes.byteLength >>> 2);
  sources.engine.send({ type: "run", runId, network: run.network, plan, seed: run.seed, realCount, mean });

  const runHash = runHashOf(runId);
  const pushBytes = layout.pushSize * 4;
  const chunkCount = chunkCountOf(pushBytes);
  const loaded = new Map<string, Promise<void>>();
  const identity = { runId, runHash, size: layout.size };
  const frameBytes = chunkCount * HEADER_BYTES + pushBytes;
  const mapped = sources.bulk.mapped?.allocate(frameBytes);
  let anchors: ParameterReceiver | undefined;
  return {
    runId,
    runHash,
    run,
    layout,
    plan,
    parameters: new ParameterReceiver(sources.bulk, sources.subjects.parameterGet, identity),
    frames: mapped ?? new Uint8Array(new SharedArrayBuffer(frameBytes)),
    inPlace: mapped !== undefined,
    chunkCount,
    held: undefined,
    async takeAnchor(step, term, signal) {
      const due = anchorOf(plan, run.network.augmentation, step);
      if (due === undefined) return undefined;
      anchors ??= new ParameterReceiver(sources.bulk, sources.subjects.parameterGet, identity);
      const parameters = await anchors.take(due.version, term, signal);
      if (parameters === undefined)
        throw new ClusterError("protocol", `the weights of step ${due.version} are gone`);
      return { version: due.version, parameters };
    },
    loadImages(split) {
      let loading = loaded.get(split);
      if (loading === undefined) {
        loading = loadSplit(sources, data, split).then((images) => {
          sources.engine.send({ type: "images", runId, split, images });
        });
        loaded.set(split, loading);
        loading.catch(() => loaded.delete(split));
      }
      return loading;
    },
  };
}

async function describe({ control, subjects }: RunSources, runId: string): Promise<saf.v1.RunSpec> {
  for (let attempt = 1; ; attempt++) {
    try {
      const reply = await control.request(
        subjects.runGet,
        writeMessage(wire.RunRequest, { runId }),
        DESCRIPTION_TIMEOUT_MS,
      );
      const spec = readMessage(wire.RunSpec, reply);
      if (spec === undefined || spec.error?.message) {
        throw new ClusterError(
          "protocol",
          `The coordinator does not know run ${runId}: ${spec?.error?.message ?? "malformed answer"}`,
        );
      }
      return spec;
    } catch (error) {
      if (!(error instanceof RequestError) || attempt === DESCRIPTION_ATTEMPTS) throw error;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
}

const MAX_SPLIT_BYTES = 4 * 2 ** 30;

/** Splits already in memory, by the hashes of their parts: runs on one data set share them. */
const splits = new Map<string, Promise<SharedImages>>();

function loadSplit(
  sources: RunSources,
  data: saf.v1.DataManifest.$Properties,
  split: "train" | "test",
): Promise<SharedImages> {
  const parts = (data[split] ?? []).map((part) => ({
    sha256: part.sha256 ?? "",
    images: part.images ?? 0,
    byteLength: part.byteLength ?? 0,
  }));
  const key = createHash("sha256")
    .update(parts.map((part) => part.sha256).join(" "))
    .digest("hex");
  let images = splits.get(key);
  if (images === undefined) {
    images = assemble(sources, data, parts);
    splits.set(key, images);
    images.catch(() => splits.delete(key));
  }
  return images;
}

async function assemble(
  { bulk, subjects, cacheDirectory }: RunSources,
  data: saf.v1.DataManifest.$Properties,
  parts: { sha256: string; images: number; byteLength: number }[],
): Promise<SharedImages> {
  const imageSize = (data.height ?? 0) * (data.width ?? 0) * (data.channels ?? 0);
  const count = parts.reduce((sum, part) => sum + part.images, 0);
  // Before memory is taken for them.
  const wrong = parts.find((part) => part.byteLength !== part.images * (1 + imageSize));
  if (wrong !== undefined || !(count * imageSize <= MAX_SPLIT_BYTES)) {
    throw new ClusterError(
      "data",
      `The coordinator describes data that cannot be: ${count} images of ${imageSize} bytes`,
    );
  }
  const pixels = new SharedArrayBuffer(count * imageSize);
  const labels = new SharedArrayBuffer(count);
  let first = 0;
  for (const part of parts) {
    const bytes = await fetchPart(bulk, subjects.data, cacheDirectory, part);
    if (bytes.byteLength !== part.images * (1 + imageSize)) {
      throw new ClusterError(
        "data",
        `Data part ${part.sha256} holds ${bytes.byteLength} bytes, expected ${part.images * (1 + imageSize)}`,
      );
    }
    new Uint8Array(labels).set(bytes.subarray(0, part.images), first);
    new Uint8Array(pixels).set(bytes.subarray(part.images), first * imageSize);
    first += part.images;
  }
  return { pixels, labels, count };
}
