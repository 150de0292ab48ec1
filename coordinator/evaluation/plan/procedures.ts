/** From the settings of an evaluation to its measures: METHOD.md 1.11 for the paper's protocol, 4.3 for the modern one. */
import type { Config } from "../../../shared/config/run.js";
import { ClusterError } from "../../../shared/errors.js";
import { CORRECTED, type PaperSwitches } from "../../../shared/measures.js";
import type { Network } from "../../../shared/networks/network.js";
import type { PerturbationKind, Protocol } from "../../../shared/results.js";
import { type NamedSource, isTransfer } from "./attack-names.js";
import type { PlannedMeasure } from "./measures.js";
import { type ForeignPictures, modernMeasures } from "./modern-procedure.js";

type EvaluateConfig = Config["evaluate"];

/** The protocols asked for, each once, the paper's first. */
export function protocolsOf({ protocol }: EvaluateConfig): Protocol[] {
  const wanted = typeof protocol === "string" ? [protocol] : protocol;
  return (["paper", "corrected", "modern"] as const).filter((name) => wanted.includes(name));
}

/** All clean test images; alone between epochs, and in front of everything else. */
export function cleanMeasure(testImages: number): PlannedMeasure {
  return { measure: { how: "clean" }, strengths: [0], images: testImages, passes: 1, samples: 0 };
}

export interface PlanOptions {
  config: EvaluateConfig;
  network: Network;
  /** The paper's grid, or the user's. */
  strengths: readonly number[];
  testImages: number;
  /** Pictures per kind and strength of the first protocol. */
  samples: number;
  /** Second networks that transfer attacks craft on: `evaluate.transfer_from`. */
  sources?: readonly NamedSource[];
  /** Pictures of other data sets. */
  foreign?: readonly ForeignPictures[];
}

/** Throws ClusterError("config") for an unknown attack, with the list, and for a plan without images. */
export function planMeasures(options: PlanOptions): PlannedMeasure[] {
  const { config, testImages, samples } = options;
  if (testImages < 1) throw new ClusterError("config", "Cannot evaluate: the test set has no images");
  const protocols = protocolsOf(config);
  if (config.transfer_from !== undefined && !protocols.includes("modern")) {
    throw new ClusterError("config", "Transfer attacks are of the modern protocol, which is not asked for", {
      hint: "add it: --protocol modern, or evaluate.protocol",
    });
  }
  const planned = protocols.flatMap((protocol, place) => {
    const pictured = { ...options, samples: place === 0 ? samples : 0 };
    return protocol === "modern" ? modernPlan(pictured, protocols) : paperMeasures(pictured, protocol);
  });
  return [{ ...cleanMeasure(testImages), samples }, diagnostics(planned), ...planned];
}

/** The paper's own attack stands beside the modern ones, as released and without its defects. */
function modernPlan(options: PlanOptions, protocols: readonly Protocol[]): PlannedMeasure[] {
  const beside = (["paper", "corrected"] as const)
    .filter((protocol) => !protocols.includes(protocol))
    .flatMap((protocol) => paperMeasures({ ...options, samples: 0 }, protocol))
    .filter(({ measure }) => measure.how === "paper" && measure.kind === "adversarial");
  return [
    ...beside,
    ...modernMeasures({ ...options, sources: options.sources ?? [], foreign: options.foreign ?? [] }),
  ];
}

function switchesOf(config: EvaluateConfig, protocol: "paper" | "corrected"): PaperSwitches {
  const { bn, clip, threshold, ties } = config;
  return protocol === "corrected" ? CORRECTED : { bn, clip, threshold, ties };
}

function paperMeasures(
  { config, network, strengths, testImages, samples }: PlanOptions,
  protocol: "paper" | "corrected",
): PlannedMeasure[] {
  const kinds: readonly Exclude<PerturbationKind, "clean">[] = ["noisy", "nonsense", "adversarial"];
  return kinds
    .filter((kind) => config.kinds.includes(kind))
    .map((kind) => ({
      measure: {
        how: "paper",
        protocol,
        kind,
        switches: switchesOf(config, protocol),
        attack_batch: config.attack_batch,
      },
      strengths,
      images: Math.min(config.images ?? testImages, testImages),
      passes: strengths.length + (kind === "noisy" ? 0 : 3 * network.realClasses),
      samples,
    }));
}

/** Runs with every evaluation; the attacks it tries on a planted model are those of the evaluation. */
function diagnostics(planned: readonly PlannedMeasure[]): PlannedMeasure {
  const called = planned.flatMap(({ measure }) => (measure.how === "attack" ? measure.members : []));
  const own = called.filter(({ attack }) => !isTransfer(attack));
  const members = [...new Map(own.map((call) => [JSON.stringify(call), call])).values()].slice(0, 64);
  return {
    measure: { how: "diagnostics", members },
    strengths: [],
    images: DIAGNOSED_IMAGES,
    passes: 40,
    samples: 0,
  };
}

/** Enough to see one per cent of vanished gradients. */
const DIAGNOSED_IMAGES = 200;
