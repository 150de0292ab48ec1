/** What the command line of `saf bench` says, and what that means. */
import { keysOf } from "../../../shared/core/keys.js";
import { REAL_ENGINES, type RealEngine } from "../../../shared/engine.js";
import { ClusterError } from "../../../shared/errors.js";
import { COMPARISONS, type ComparisonName, type Wishes } from "./comparisons.js";
import { type BulkWay, type Codec, ENGINE_MODES, type EngineMode, USUAL } from "./contenders.js";

export interface BenchFlags {
  json?: true;
  engine?: RealEngine | EngineMode;
  engineMode?: EngineMode;
  natsServer?: string;
  python: string;
  data?: string;
  model?: string;
  batch?: number;
  slots?: number;
  steps?: number;
  rounds: number;
  bulk?: BulkWay | "shared-memory";
  codec?: Codec;
  workers: number;
  hosts?: number;
  run?: string;
  images?: number;
  trace?: string;
}

/** In the order of the table, each once. */
export function comparisonsIn(names: readonly string[]): ComparisonName[] {
  const all = keysOf(COMPARISONS);
  return names.includes("all") ? all : all.filter((name) => names.includes(name));
}

/** `--engine` names a rung of the ladder, or how TensorFlow is asked. */
export function wishesIn(flags: BenchFlags): { engine: RealEngine | undefined; wishes: Wishes } {
  const { data, model, batch, slots, steps, codec, workers, hosts, images, bulk } = flags;
  const engine = REAL_ENGINES.find((name) => name === flags.engine);
  const asEngine = ENGINE_MODES.find((mode) => mode === flags.engine);
  const mode = flags.engineMode ?? asEngine;
  if (asEngine !== undefined && mode !== asEngine)
    throw new ClusterError("usage", `--engine ${asEngine} and --engine-mode ${mode} contradict each other`);
  const spread = hosts ?? 1;
  if (spread > workers)
    throw new ClusterError("usage", `${workers} workers cannot be spread over ${spread} hosts`, {
      hint: `-w ${spread} gives each one`,
    });
  const way: BulkWay | undefined = bulk === "shared-memory" ? "mapped" : bulk;
  if (spread > 1 && way === "mapped")
    throw new ClusterError("usage", "Hosts share no memory: --bulk mapped goes with one host");
  const load = { data, model, batch, slots, steps };
  const said = Object.fromEntries(Object.entries(load).filter(([, value]) => value !== undefined));
  return { engine, wishes: { ...said, workers, mode, codec, bulk: way, hosts, images } };
}

/** What is trained for an evaluation. */
export const subjectOf = ({
  data,
  model,
  workers,
}: Wishes): { data: string; model: string; workers: number } => ({
  ...{ data: data ?? USUAL.data, model: model ?? USUAL.model, workers },
});
