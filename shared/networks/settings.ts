/** The section `network` of a run's settings, carried out on a network: the same network with other numbers. */
import { type NetworkSettings, networkSchema } from "../config/network.js";
import { ClusterError } from "../errors.js";
import { type Augmentation, type Head, type Layer, type Network, layoutOf } from "./network.js";

/** Networks hold sizes of changes in pixels, settings in units of the full pixel range. */
const PIXEL_RANGE = 255;
/** Values of a network, 256 MiB; the coordinator and each worker hold a few vectors of that size. */
const MOST_PARAMETERS = 2 ** 26;

export interface SettingProblem {
  /** As in ["network", "channels"]. */
  path: string[];
  message: string;
}

/** Throws ClusterError("config"), one line a problem, for settings of parts that the network lacks or that do not fit it. */
export function withSettings(network: Network, said: NetworkSettings | undefined): Network {
  if (said === undefined) return network;
  const made = madeOf.get(network) ?? new Map<string, Network>();
  madeOf.set(network, made);
  const key = JSON.stringify(said);
  const other = made.get(key) ?? otherNetwork(network, said);
  made.delete(key);
  made.set(key, other);
  for (const oldest of [...made.keys()].slice(0, -MADE_KEPT)) made.delete(oldest);
  return other;
}

/** By network and settings: trials of a sweep ask for the same one again and again. The one used last comes last. */
const madeOf = new WeakMap<Network, Map<string, Network>>();
const MADE_KEPT = 16;

function otherNetwork(network: Network, said: NetworkSettings): Network {
  const problems = settingProblems(network, said);
  if (problems.length > 0) {
    const lines = problems.map(({ path, message }) => `${path.join(".")}: ${message}`);
    throw new ClusterError("config", lines.join("\n"));
  }
  const changed = changedBy(network, said);
  const acting = differing(said, settingsOf(network), settingsOf(changed));
  // In the schema's order, whichever the file has.
  const settings = networkSchema.parse(acting);
  return settings === undefined ? network : { ...changed, settings };
}

/** What may be set for this network, and what it is. */
export function settingsOf({ layers, head, augmentation }: Network): NetworkSettings {
  const { random, mean, adversarial, pgd } = augmentation;
  const activation = layers.find(isSymmetric);
  return {
    channels: hidden(layers).map(({ channels }) => channels),
    ...(activation === undefined ? {} : { activation_width: activation.width ?? 1 }),
    ...(head.kind === "softmax" ? {} : { loss: { ...head.loss } }),
    ...(random && { random: { epsilon: random.epsilon / PIXEL_RANGE, probability: random.probability } }),
    ...(mean && {
      mean: {
        copies: mean.copies,
        noise: mean.noise,
        copy_scale: mean.copyScale / PIXEL_RANGE,
        noise_deviation: mean.noiseDeviation / PIXEL_RANGE,
      },
    }),
    ...(adversarial && {
      adversarial: { epsilon: adversarial.epsilon / PIXEL_RANGE, share: adversarial.share },
    }),
    ...(pgd && {
      pgd: { epsilon: pgd.epsilon / PIXEL_RANGE, step_size: pgd.stepSize / PIXEL_RANGE, steps: pgd.steps },
    }),
  };
}

/** All that may be set, as `said` has it, and as the network has it where nothing is said. */
export function completeSettings(network: Network, said: NetworkSettings = {}): NetworkSettings {
  return networkSchema.parse(overlaid(settingsOf(network), said)) ?? {};
}

/** For people: "mrelu-r-m", or "mrelu-r-m (channels 8, 16, 64; loss.power 3)". */
export function titleOf({ name, settings }: Network): string {
  const said = leavesOf(settings ?? {}).map(
    ([path, value]) => `${path} ${String(value).replaceAll(",", ", ")}`,
  );
  return said.length === 0 ? name : `${name} (${said.join("; ")})`;
}

const PARTS: readonly {
  key: Exclude<keyof NetworkSettings, "channels">;
  what: string;
  isIn: (network: Network) => boolean;
}[] = [
  { key: "activation_width", what: "symmetric activations", isIn: ({ layers }) => layers.some(isSymmetric) },
  { key: "loss", what: "the hybrid loss", isIn: ({ head }) => head.kind === "rbf" },
  { key: "random", what: "flag R", isIn: ({ augmentation }) => augmentation.random !== undefined },
  { key: "mean", what: "flag M", isIn: ({ augmentation }) => augmentation.mean !== undefined },
  { key: "adversarial", what: "flag A", isIn: ({ augmentation }) => augmentation.adversarial !== undefined },
  { key: "pgd", what: "flag PGD", isIn: ({ augmentation }) => augmentation.pgd !== undefined },
];

/** Why these settings do not go with the network; none where they do. */
export function settingProblems(network: Network, said: NetworkSettings): SettingProblem[] {
  const missing = PARTS.filter(({ key, isIn }) => says(said[key]) && !isIn(network)).map(({ key, what }) => ({
    path: ["network", key],
    message: `only for ${what}, which "${network.name}" does not have`,
  }));
  return [...missing, ...channelProblems(network, said), ...lossProblems(network, said)];
}

function channelProblems(network: Network, { channels }: NetworkSettings): SettingProblem[] {
  if (channels === undefined) return [];
  const problem = (message: string): SettingProblem[] => [{ path: ["network", "channels"], message }];
  const wanted = hidden(network.layers).length;
  if (channels.length !== wanted) {
    return problem(
      `"${network.name}" on ${network.dataset} has ${wanted} convolutions before the last: expected ${wanted} numbers, got ${channels.length}`,
    );
  }
  const { size } = layoutOf({ ...network, layers: layersWith(network.layers, { channels }) });
  return size > MOST_PARAMETERS
    ? problem(`they make a network of ${size} parameters: expected at most ${MOST_PARAMETERS}`)
    : [];
}

function lossProblems({ head }: Network, { loss }: NetworkSettings): SettingProblem[] {
  if (loss === undefined || head.kind !== "rbf") return [];
  const { alpha1, alpha2, alpha3 } = hybridWith(head, loss).loss;
  if (alpha1 > 0 || alpha2 > 0 || alpha3 > 0) return [];
  return [
    {
      path: ["network", "loss"],
      message: "one of alpha1, alpha2 and alpha3 must be above 0, or nothing is learned",
    },
  ];
}

function changedBy(network: Network, said: NetworkSettings): Network {
  const { layers, head, augmentation } = network;
  return {
    ...network,
    layers: layersWith(layers, said),
    head: head.kind === "softmax" ? head : hybridWith(head, said.loss),
    augmentation: augmentationWith(augmentation, said),
  };
}

function layersWith(
  layers: readonly Layer[],
  { channels = [], activation_width: width }: NetworkSettings,
): Layer[] {
  const convolutions = hidden(layers);
  return layers.map((layer): Layer => {
    if (layer.kind === "convolution")
      return { ...layer, channels: channels[convolutions.indexOf(layer)] ?? layer.channels };
    // Of width 1 is the activation of a network that says nothing, and costs nothing more.
    return isSymmetric(layer) && width !== undefined && width !== 1 ? { ...layer, width } : layer;
  });
}

function hybridWith(
  { loss }: Extract<Head, { kind: "rbf" }>,
  said: NetworkSettings["loss"] = {},
): Extract<Head, { kind: "rbf" }> {
  const { alpha1 = loss.alpha1, alpha2 = loss.alpha2, alpha3 = loss.alpha3, power = loss.power } = said;
  return { kind: "rbf", loss: { alpha1, alpha2, alpha3, power } };
}

function augmentationWith(augmentation: Augmentation, said: NetworkSettings): Augmentation {
  const { random, mean, adversarial, pgd } = augmentation;
  return {
    ...augmentation,
    ...(random && {
      random: {
        ...random,
        epsilon: inPixels(said.random?.epsilon) ?? random.epsilon,
        probability: said.random?.probability ?? random.probability,
      },
    }),
    ...(mean && {
      mean: {
        copies: said.mean?.copies ?? mean.copies,
        copyScale: inPixels(said.mean?.copy_scale) ?? mean.copyScale,
        noise: said.mean?.noise ?? mean.noise,
        noiseDeviation: inPixels(said.mean?.noise_deviation) ?? mean.noiseDeviation,
      },
    }),
    ...(adversarial && {
      adversarial: {
        ...adversarial,
        epsilon: inPixels(said.adversarial?.epsilon) ?? adversarial.epsilon,
        share: said.adversarial?.share ?? adversarial.share,
      },
    }),
    ...(pgd && {
      pgd: {
        epsilon: inPixels(said.pgd?.epsilon) ?? pgd.epsilon,
        stepSize: inPixels(said.pgd?.step_size) ?? pgd.stepSize,
        steps: said.pgd?.steps ?? pgd.steps,
      },
    }),
  };
}

function inPixels(size: number | undefined): number | undefined {
  return size === undefined ? undefined : size * PIXEL_RANGE;
}

type Convolution = Extract<Layer, { kind: "convolution" }>;
type Activation = Extract<Layer, { kind: "activation" }>;

/** Every convolution but the last, whose outputs are the network's. */
function hidden(layers: readonly Layer[]): Convolution[] {
  return layers.filter((layer) => layer.kind === "convolution").slice(0, -1);
}

function isSymmetric(layer: Layer): layer is Activation {
  return layer.kind === "activation" && layer.activation !== "relu";
}

type Tree = Readonly<Record<string, unknown>>;

function isTree(value: unknown): value is Tree {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Is anything set? An empty section sets nothing. */
function says(value: unknown): boolean {
  return isTree(value) ? leavesOf(value).length > 0 : value !== undefined;
}

/** Every value with its path, as in "loss.alpha1". */
function leavesOf(tree: Tree, before = ""): [path: string, value: unknown][] {
  return Object.entries(tree).flatMap(([key, value]): [string, unknown][] => {
    if (value === undefined) return [];
    return isTree(value) ? leavesOf(value, `${before}${key}.`) : [[before + key, value]];
  });
}

/** Those values of `said` whose place in `has` is another than in `had`; undefined where there are none. */
function differing(said: Tree, had: Tree, has: Tree): Tree | undefined {
  const found = Object.entries(said).flatMap(([key, value]): [string, unknown][] => {
    const [before, after] = [had[key], has[key]];
    if (isTree(value) && isTree(before) && isTree(after)) {
      const inner = differing(value, before, after);
      return inner === undefined ? [] : [[key, inner]];
    }
    return JSON.stringify(before) === JSON.stringify(after) ? [] : [[key, value]];
  });
  return found.length === 0 ? undefined : Object.fromEntries(found);
}

function overlaid(under: Tree, over: Tree): Tree {
  const said = Object.entries(over).filter(([, value]) => says(value));
  const laid = said.map(([key, value]): [string, unknown] => {
    const below = under[key];
    return [key, isTree(below) && isTree(value) ? overlaid(below, value) : value];
  });
  return { ...under, ...Object.fromEntries(laid) };
}
