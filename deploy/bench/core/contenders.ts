/** What a benchmark lets run against each other, as values; and the figures that one run of it comes to. */

/** How TensorFlow is asked for a network: as one compiled graph, or op by op. */
export const ENGINE_MODES = ["graph", "eager"] as const;
export type EngineMode = (typeof ENGINE_MODES)[number];

export const CODECS = ["fp32", "bf16"] as const;
export type Codec = (typeof CODECS)[number];

/** How bulk bytes travel: in memory that all processes map, or through NATS. */
export const BULK_WAYS = ["mapped", "nats"] as const;
export type BulkWay = (typeof BULK_WAYS)[number];

/** A training that everybody is given. */
export interface Load {
  data: string;
  model: string;
  /** Images of a step. */
  batch: number;
  /** Cuts of the batch; batch norm sees one. */
  slots: number;
  steps: number;
}

/** The engine as it is chosen where `mode` is undefined. */
interface Engine {
  mode?: EngineMode | undefined;
}

/** The training step in one process without a cluster; several processes train by themselves, at once. */
export interface Bare extends Load, Engine {
  kind: "bare";
  processes: number;
}

export interface Cluster extends Load, Engine {
  kind: "cluster";
  workers: number;
  bulk: BulkWay;
  /** The run's own default where it is undefined. */
  codec?: Codec | undefined;
  /** Workers are spread over so many machines, none of which shares memory with another. */
  hosts: number;
}

/** PyTorch, a thread a process; more than one train together, by DistributedDataParallel over gloo. */
export interface Torch extends Load {
  kind: "torch";
  processes: number;
  hosts: number;
}

/** `saf evaluate` of a trained run, from the moment the last worker has joined. */
export interface Evaluation extends Engine {
  kind: "evaluation";
  protocol: "paper" | "modern";
  images: number;
  workers: number;
}

/** AutoAttack's own package in PyTorch, on a network of the same shape. */
export interface AutoAttack {
  kind: "autoattack";
  images: number;
}

export type Contender = Bare | Cluster | Torch | Evaluation | AutoAttack;

export const FIGURES = {
  samples_per_second: "images/s",
  samples_per_cpu_second: "images/CPU s",
  seconds: "s",
  seconds_per_image: "s/image",
  wire_bytes_per_step: "MiB/step, NATS",
  coordinator_bytes_per_step: "MiB/step, coordinator",
  worker_rss_bytes: "MiB, worker",
  coordinator_rss_bytes: "MiB, coordinator",
  nats_rss_bytes: "MiB, nats-server",
  rss_bytes: "MiB, process",
  overhead_cpu_share: "CPU share, not workers",
  coordinator_cpu_share: "CPU share, coordinator",
  nats_cpu_share: "CPU share, nats-server",
} as const;
export type FigureName = keyof typeof FIGURES;

/** What one run of a contender came to. */
export interface Measured {
  figures: Partial<Record<FigureName, number>>;
  /** Who computed: engine or library with its version. */
  by: string;
}

/** `skipped`: why this contender cannot run here. */
export type Outcome = Measured | { skipped: string };

export const isSkipped = (outcome: Outcome): outcome is { skipped: string } => "skipped" in outcome;

/** In words; contenders of one name are the same. */
export function nameOf(contender: Contender): string {
  const words = wordsOf(contender);
  return words.filter((word) => word !== undefined && word !== "").join(", ");
}

function wordsOf(contender: Contender): (string | undefined)[] {
  switch (contender.kind) {
    case "bare": {
      const { processes, mode } = contender;
      const who = processes === 1 ? "bare loop" : `${processes} bare loops at once`;
      return [who, mode, ...loadWords(contender)];
    }
    case "cluster": {
      const { bulk, mode, codec, workers } = contender;
      return [
        `cluster of ${workers}`,
        bulk,
        hostWords(contender.hosts),
        codec,
        mode,
        ...loadWords(contender),
      ];
    }
    case "torch": {
      const { processes, hosts } = contender;
      const who = processes === 1 ? "PyTorch, one thread" : `PyTorch DDP of ${processes}`;
      return [who, hostWords(hosts), ...loadWords({ ...contender, slots: 1 })];
    }
    case "evaluation": {
      const { protocol, images, workers, mode } = contender;
      return [`saf evaluate, ${protocol}`, `${images} images`, `${workers} workers`, mode];
    }
    case "autoattack":
      return ["AutoAttack in PyTorch", `${contender.images} images`];
  }
}

const hostWords = (hosts: number): string => (hosts === 1 ? "" : `${hosts} hosts`);

/** What stands in no name: the table of a benchmark has no room for what nearly all rows say. */
export const USUAL = { data: "mnist", model: "mrelu-r-m" } as const;

function loadWords({ data, model, batch, slots }: Load): string[] {
  return [
    data === USUAL.data ? "" : data,
    model === USUAL.model ? "" : model,
    `batch ${batch}${slots !== 1 ? ` in ${slots}` : ""}`,
  ];
}

/** Each contender of a list once, in the order of its first place. */
export function distinct(contenders: readonly Contender[]): Contender[] {
  return [...new Map(contenders.map((contender) => [nameOf(contender), contender])).values()];
}

/** In a round the list begins one place later than in the round before: nobody always comes first. */
export function rotated<Value>(values: readonly Value[], round: number): Value[] {
  const first = values.length === 0 ? 0 : round % values.length;
  return [...values.slice(first), ...values.slice(0, first)];
}
