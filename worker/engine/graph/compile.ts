/**
 * Compiles a network that is described as data to one TensorFlow graph, and says how each program of it is called. Nothing
 * is computed here: the same network gives the same bytes.
 */
import { type Network, layoutOf } from "../../../shared/networks/network.js";
import { featureTaps } from "../../../shared/features.js";
import { at } from "../../../shared/core/at.js";
import { type PlacedLayer, placedLayers } from "../placed-layers.js";
import type { Statistics } from "../program.js";
import { GraphBuilder, type GraphCall, type Ref } from "./graph-builder.js";
import { activation } from "./layers/activation.js";
import { convolution } from "./layers/convolution.js";
import type { Forward, GraphOperator, Kept, ParameterRefs, SurrogateRef } from "./layers/operator.js";
import { averagePool, maxPool } from "./layers/pool.js";
import { lossGradient } from "./loss-gradient.js";
import { Operations } from "./operations.js";

/** Names of what is handed in besides parameters. */
export const FEEDS = {
  /** [images, height, width, channels] */
  images: "images",
  /** int32 [images] */
  labels: "labels",
  /** ∂L/∂z, [images x outputs] */
  gradient: "output-gradient",
  /** A scalar: how many times as wide as the activation's own shape. */
  surrogate: "surrogate-width",
} as const;

/** Where a folded parameter is handed in: a convolution's, with the stored moments of the batch norm behind it. */
const foldedName = (layer: string, part: string): string => `folded/${layer}/${part}`;
const parameterName = (name: string): string => `parameter/${name}`;

/** What an output is. */
export interface Named {
  name: string;
  ref: Ref;
}

export type SlopeKind = "true" | SurrogateRef["kind"];

/** A forward pass that can be walked back. */
export interface PassCalls {
  /** Fetches z, then what `held` names. */
  forward: GraphCall;
  /** What the walk back is fed of the forward pass, in the order of the fetches behind z. */
  held: readonly string[];
  /** By the attacker's slope. Fetches ∂L/∂input. */
  backward: Readonly<Record<SlopeKind, GraphCall>>;
}

export interface CompiledNetwork {
  savedModel: Uint8Array;
  /** Fetches z, then what `trained` names. */
  train: GraphCall;
  /** Gradients, last layer first; then moments. */
  trained: readonly string[];
  /** Biases that cancel: their gradient is zero, and no graph computes it. */
  still: readonly string[];
  predict: GraphCall;
  /** What each place of `featureTaps(network)` answers. */
  features: GraphCall;
  /** Fetches what `folded` names, from the parameters; once a version. */
  fold: GraphCall;
  folded: readonly string[];
  pass: Readonly<Record<Statistics, PassCalls>>;
}

/** `holds`: the walk back is fed what the forward pass left. Where that would leave the device, it computes it again. */
export interface Target {
  device: "cpu" | "gpu";
  holds: boolean;
}

interface Placed {
  operator: GraphOperator;
  /** How many of the network's layers are done behind it. */
  depth: number;
}

interface Step extends Forward {
  input: Ref;
}

function operatorOf(
  { layer, input, output, batchNorm }: PlacedLayer,
  device: Target["device"],
): GraphOperator {
  switch (layer.kind) {
    case "convolution":
      return convolution({ ...layer, input, output, device }, batchNorm);
    case "activation":
      return activation(layer.activation, layer.width);
    case "max-pool":
      return maxPool({ ...layer, input, output });
    case "average-pool":
      return averagePool({ ...layer, input, output });
  }
}

/** The network in one graph, section by section. */
class NetworkGraph {
  readonly network: Network;
  readonly o = new Operations(new GraphBuilder());
  readonly operators: readonly Placed[];
  readonly parameters: ParameterRefs;
  readonly images: Ref;
  readonly #target: Target;

  constructor(network: Network, target: Target) {
    this.network = network;
    this.#target = target;
    this.operators = placedLayers(network).map((placed) => ({
      operator: operatorOf(placed, target.device),
      depth: placed.depth,
    }));
    const { graph } = this.o;
    const { height, width, channels } = network.input;
    this.images = graph.placeholder(FEEDS.images, [-1, height, width, channels]);
    const shapes = new Map(layoutOf(network).tensors.map(({ name, shape }) => [name, shape]));
    const placed = (name: string, shape: string): Ref => {
      const dimensions = shapes.get(shape);
      if (dimensions === undefined) throw new RangeError(`There is no parameter "${shape}"`);
      return graph.placeholder(name, dimensions);
    };
    this.parameters = {
      get: (name) => placed(parameterName(name), name),
      folded: (layer, part) => placed(foldedName(layer, part), `${layer}/${part}`),
    };
  }

  /** The first layers' forward pass, as many as `depth` says. */
  forward(statistics: Statistics, depth = this.network.layers.length): Step[] {
    const count = this.o.imagesIn(this.images);
    let input = this.images;
    return this.operators
      .filter((placed) => placed.depth <= depth)
      .map(({ operator }) => {
        const made = operator.forward(this.o, this.parameters, input, statistics, count);
        const step = { ...made, input };
        input = made.output;
        return step;
      });
  }

  /** z, [images x outputs]. */
  outputs(steps: readonly Step[]): Ref {
    return this.o.reshape(steps.at(-1)?.output ?? this.images, [-1, this.network.outputs]);
  }

  /** From ∂L/∂z to ∂L/∂input; `hold` says where the walk finds what the forward pass made. */
  backward(
    steps: readonly Step[],
    gradient: Ref,
    walk: {
      statistics: Statistics;
      wantInput: boolean;
      surrogate?: SurrogateRef;
      emit?: (name: string, values: Ref) => void;
      hold: (ref: Ref) => Ref;
    },
  ): Ref | undefined {
    const images = this.o.imagesIn(gradient);
    let isTurned = false;
    const turned = (ref: Ref): Ref => (isTurned ? this.o.unary("Neg", ref) : ref);
    const { emit } = walk;
    let flowing: Ref | undefined = this.o.reshape(gradient, [-1, 1, 1, this.network.outputs]);
    for (let i = steps.length - 1; i >= 0 && flowing !== undefined; i--) {
      const { input, output, saved } = at(steps, i);
      const kept: Kept = {
        get input() {
          return walk.hold(input);
        },
        get output() {
          return walk.hold(output);
        },
        saved: (index) => walk.hold(at(saved, index)),
      };
      const { operator } = at(this.operators, i);
      flowing = operator.backward(this.o, this.parameters, kept, flowing, {
        ...{ statistics: walk.statistics, images },
        emit: emit && ((name, values) => emit(name, turned(values))),
        ...(walk.surrogate === undefined ? {} : { surrogate: walk.surrogate }),
        wantInput: i > 0 || walk.wantInput,
      });
      if (operator.negates === true) isTurned = !isTurned;
    }
    return flowing && turned(flowing);
  }

  /** One kind of pass, forward and back. */
  pass(statistics: Statistics): PassCalls {
    const { graph } = this.o;
    const steps = this.forward(statistics);
    const z = this.outputs(steps);
    const gradient = graph.placeholder(FEEDS.gradient, [-1, this.network.outputs]);
    const width = graph.placeholder(FEEDS.surrogate, []);
    const held = new Map<Ref, string>();
    const hold = (ref: Ref): Ref => {
      if (!this.#target.holds || ref === this.images) return ref;
      const name = held.get(ref) ?? `held/${statistics}/${held.size}`;
      held.set(ref, name);
      // Its shape follows from what it is fed; no rank is said, for the reserved ones have none that is promised.
      return graph.anything(name);
    };
    const back = (surrogate?: SurrogateRef): GraphCall => {
      const found = this.backward(steps, gradient, {
        ...{ statistics, wantInput: true, hold },
        ...(surrogate === undefined ? {} : { surrogate }),
      });
      if (found === undefined) throw new RangeError("The network gives no gradient by its input");
      return graph.call([found]);
    };
    const backward = {
      true: back(),
      tent: back({ kind: "tent", width }),
      rbf: back({ kind: "rbf", width }),
    };
    return { forward: graph.call([z, ...held.keys()]), held: [...held.values()], backward };
  }

  train(): Pick<CompiledNetwork, "train" | "trained"> {
    const { graph } = this.o;
    const steps = this.forward("batch");
    const z = this.outputs(steps);
    const labels = graph.placeholder(FEEDS.labels, [-1], "int32");
    const slope = lossGradient(this.o, this.network.head, z, labels, this.network.outputs);
    const found: Named[] = [];
    const emit = (name: string, ref: Ref): void => void found.push({ name, ref });
    this.backward(steps, slope, { statistics: "batch", wantInput: false, emit, hold: (ref) => ref });
    for (const { moments } of steps) for (const [name, ref] of moments) emit(name, ref);
    return {
      train: graph.call([z, ...found.map(({ ref }) => ref)]),
      trained: found.map(({ name }) => name),
    };
  }

  /** Stored moments in filter and bias. */
  fold(): Pick<CompiledNetwork, "fold" | "folded" | "still"> {
    const { o, network } = this;
    const of = (name: string): Ref => this.parameters.get(name);
    const found: Named[] = [];
    const still: string[] = [];
    network.layers.forEach((layer, i) => {
      const conv = network.layers[i - 1];
      if (layer.kind !== "batch-norm" || conv?.kind !== "convolution") return;
      const scale = o.binary("RealDiv", of(`${layer.name}/scale`), of(`${layer.name}/deviation`));
      const offset = o.binary("Sub", of(`${conv.name}/bias`), of(`${layer.name}/mean`));
      found.push(
        {
          name: foldedName(conv.name, "weight"),
          ref: o.binary("Mul", of(`${conv.name}/weight`), scale),
        },
        {
          name: foldedName(conv.name, "bias"),
          ref: o.binary("AddV2", of(`${layer.name}/shift`), o.binary("Mul", offset, scale)),
        },
      );
      still.push(`${conv.name}/bias`);
    });
    return {
      fold: o.graph.call(found.map(({ ref }) => ref)),
      folded: found.map(({ name }) => name),
      still,
    };
  }
}

export function compileNetwork(network: Network, target: Target): CompiledNetwork {
  const made = new NetworkGraph(network, target);
  const { graph } = made.o;
  const stored = made.forward("stored");
  const taps = featureTaps(network).map(({ depth }) => {
    const place = made.operators.findIndex((placed) => placed.depth === depth);
    return at(stored, place).output;
  });
  const programs = {
    predict: graph.call([made.outputs(stored)]),
    features: graph.call(taps),
    ...made.fold(),
    ...made.train(),
    pass: { batch: made.pass("batch"), stored: made.pass("stored") },
  };
  return { ...programs, savedModel: graph.savedModel() };
}

/** The parameter that a graph is fed under this name; undefined for what is none. */
export function parameterFed(name: string): string | undefined {
  return name.startsWith("parameter/") ? name.slice("parameter/".length) : undefined;
}
