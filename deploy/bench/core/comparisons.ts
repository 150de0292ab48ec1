/** The comparisons that `saf bench` knows by name: who runs against whom, in which figure, and what is aimed at. */
import {
  type AutoAttack,
  type Bare,
  type BulkWay,
  type Cluster,
  type Codec,
  type Contender,
  type EngineMode,
  type Evaluation,
  type FigureName,
  type Load,
  type Torch,
  USUAL,
} from "./contenders.js";

/** What the command line says; what it leaves out, each comparison knows. */
export interface Wishes extends Partial<Load> {
  workers: number;
  mode?: EngineMode | undefined;
  codec?: Codec | undefined;
  bulk?: BulkWay | undefined;
  hosts?: number | undefined;
  /** Of an evaluation. */
  images?: number | undefined;
}

export interface Row {
  what: string;
  /** The ratio is above ÷ below, round by round. */
  above: Contender;
  below: Contender;
  figure: FigureName;
  bar: { atLeast: number } | { atMost: number };
}

export interface Comparison {
  /** One line of the help. */
  help: string;
  rows: (wishes: Wishes) => Row[];
}

const STEPS = 150;
const MNIST: Load = { ...USUAL, batch: 128, slots: 1, steps: STEPS };
/** As the cluster trains by default: one slot a worker. */
const CUT: Load = { ...MNIST, slots: 2 };
const CIFAR: Load = { ...MNIST, data: "cifar10", batch: 100 };

function loadOf({ data, model, batch, slots, steps }: Wishes, own: Load): Load {
  return {
    data: data ?? own.data,
    model: model ?? own.model,
    batch: batch ?? own.batch,
    slots: slots ?? own.slots,
    steps: steps ?? own.steps,
  };
}

const bare = (load: Load, mode?: EngineMode, processes = 1): Bare => ({
  kind: "bare",
  ...load,
  mode,
  processes,
});

/** PyTorch's batch norm sees the share of a process, so no cut of the batch means anything to it. */
const torch = ({ data, model, batch, steps }: Load, processes = 1, hosts = 1): Torch => ({
  kind: "torch",
  ...{ data, model, batch, steps, slots: processes, processes, hosts },
});

const clusterOf = (
  wishes: Wishes,
  own: Partial<Pick<Cluster, "bulk" | "hosts" | "codec" | "mode">>,
): Cluster => {
  const { workers, mode, codec, bulk, hosts } = wishes;
  const spread = hosts ?? own.hosts ?? 1;
  return {
    kind: "cluster",
    ...loadOf(wishes, CUT),
    workers,
    mode: own.mode ?? mode,
    codec: own.codec ?? codec,
    bulk: bulk ?? own.bulk ?? (spread > 1 ? "nats" : "mapped"),
    hosts: spread,
  };
};

const evaluation = (
  { workers, images }: Wishes,
  protocol: Evaluation["protocol"],
  own: number,
  mode: EngineMode | undefined,
): Evaluation => ({ kind: "evaluation", protocol, images: images ?? own, workers, mode });

export const COMPARISONS = {
  compiled: {
    help: "bare loop: graph ÷ eager, per CPU second",
    rows: (wishes) => {
      const load = loadOf(wishes, MNIST);
      return [
        {
          what: "bare loop, graph ÷ eager, per CPU s",
          ...{ above: bare(load, "graph"), below: bare(load, "eager") },
          ...{ figure: "samples_per_cpu_second", bar: { atLeast: 1.5 } },
        },
      ];
    },
  },
  torch: {
    help: "bare loop ÷ PyTorch on one thread, per CPU second",
    rows: (wishes) => {
      const load = loadOf(wishes, MNIST);
      return [
        {
          what: "bare loop ÷ PyTorch, per CPU s",
          ...{ above: bare(load, wishes.mode ?? "graph"), below: torch(load) },
          ...{ figure: "samples_per_cpu_second", bar: { atLeast: 1.45 } },
        },
      ];
    },
  },
  cluster: {
    help: "cluster with bulk in mapped memory ÷ PyTorch DDP",
    rows: (wishes) => {
      const cluster = clusterOf(wishes, { bulk: "mapped" });
      return [
        {
          what: "cluster, mapped memory ÷ DDP",
          ...{ above: cluster, below: torch(cluster, cluster.workers) },
          ...{ figure: "samples_per_second", bar: { atLeast: 1.25 } },
        },
      ];
    },
  },
  hosts: {
    help: "cluster over NATS alone, on two hosts ÷ PyTorch DDP",
    rows: (wishes) => {
      const cluster = clusterOf(wishes, { bulk: "nats", hosts: 2 });
      return [
        {
          what: `cluster, NATS, ${cluster.hosts} hosts ÷ DDP`,
          ...{ above: cluster, below: torch(cluster, cluster.workers, cluster.hosts) },
          ...{ figure: "samples_per_second", bar: { atLeast: 1 } },
        },
      ];
    },
  },
  wire: {
    help: "bytes through NATS a step: bf16 ÷ fp32",
    rows: (wishes) => [
      {
        what: "bytes of a step, bf16 ÷ fp32",
        above: clusterOf(wishes, { bulk: "nats", hosts: 2, codec: "bf16" }),
        below: clusterOf(wishes, { bulk: "nats", hosts: 2, codec: "fp32" }),
        ...{ figure: "wire_bytes_per_step", bar: { atMost: 0.52 } },
      },
    ],
  },
  cifar10: {
    help: "bare loop on CIFAR-10: graph ÷ eager, and ÷ PyTorch",
    rows: (wishes) => {
      const load = loadOf(wishes, CIFAR);
      const words = load.data === "cifar10" ? "CIFAR-10" : load.data;
      return [
        {
          what: `${words}, graph ÷ eager, per CPU s`,
          ...{ above: bare(load, "graph"), below: bare(load, "eager") },
          ...{ figure: "samples_per_cpu_second", bar: { atLeast: 1.4 } },
        },
        {
          what: `${words}, graph ÷ PyTorch, per CPU s`,
          ...{ above: bare(load, "graph"), below: torch(load) },
          ...{ figure: "samples_per_cpu_second", bar: { atLeast: 1.2 } },
        },
      ];
    },
  },
  evaluate: {
    help: "saf evaluate, 1,000 images × 13 × 3: graph ÷ eager, seconds",
    rows: (wishes) => {
      const above = evaluation(wishes, "paper", 1000, "graph");
      return [
        {
          what: "saf evaluate, graph ÷ eager, s",
          ...{ above, below: evaluation(wishes, "paper", 1000, "eager") },
          ...{ figure: "seconds", bar: { atMost: 0.65 } },
        },
      ];
    },
  },
  modern: {
    help: "saf evaluate --protocol modern --budget standard: graph ÷ eager",
    rows: (wishes) => [
      {
        what: "modern, graph ÷ eager, s an image",
        above: evaluation(wishes, "modern", 4, "graph"),
        below: evaluation(wishes, "modern", 4, "eager"),
        ...{ figure: "seconds_per_image", bar: { atMost: 0.5 } },
      },
    ],
  },
  autoattack: {
    help: "the same ÷ AutoAttack's package in PyTorch, where it is installed",
    rows: (wishes) => {
      const below: AutoAttack = { kind: "autoattack", images: wishes.images ?? 4 };
      return [
        {
          what: "modern ÷ AutoAttack, s an image",
          ...{ above: evaluation(wishes, "modern", 4, wishes.mode ?? "graph"), below },
          ...{ figure: "seconds_per_image", bar: { atMost: 1 } },
        },
      ];
    },
  },
  memory: {
    help: "memory of a worker: graph ÷ eager",
    rows: (wishes) => [
      {
        what: "memory of a worker, graph ÷ eager",
        ...{ above: clusterOf(wishes, { mode: "graph" }), below: clusterOf(wishes, { mode: "eager" }) },
        ...{ figure: "worker_rss_bytes", bar: { atMost: 1 } },
      },
    ],
  },
} as const satisfies Record<string, Comparison>;

export type ComparisonName = keyof typeof COMPARISONS;

/** The rows of comparisons, in the order of their names on the command line. */
export function rowsOf(names: readonly ComparisonName[], wishes: Wishes): Row[] {
  return names.flatMap((name): Row[] => COMPARISONS[name].rows(wishes));
}

/** What is compared where nobody names anything: the cluster with what it is made of, and with its peer. */
export interface Overview {
  bare: Bare;
  together: Bare;
  cluster: Cluster;
  peer: Torch;
}

export function overviewOf(wishes: Wishes): Overview {
  const cluster = clusterOf(wishes, {});
  const { data, model, batch, slots, steps, workers, mode, hosts } = cluster;
  const load: Load = { data, model, batch, slots, steps };
  return {
    bare: bare(load, mode),
    together: bare(load, mode, workers),
    cluster,
    peer: torch(load, workers, hosts),
  };
}
