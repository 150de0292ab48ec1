/** From the settings of an evaluation to its measures: METHOD.md 1.11 for the paper's procedure, 4.3 for the modern one. */
import type { Config } from "../../../shared/config/run.js";
import { ClusterError } from "../../../shared/errors.js";
import { CORRECTED, type PaperSwitches } from "../../../shared/measures.js";
import type { Network } from "../../../shared/networks/network.js";
import type { PerturbationKind, Procedure } from "../../../shared/results.js";
import { type NamedSource, isTransfer } from "./attack-names.js";
import type { PlannedMeasure } from "./measures.js";
import { type ForeignPictures, modernMeasures } from "./modern-procedure.js";

type EvaluateConfig = Config["evaluate"];

/** The procedures asked for, each once, the paper's first. */
export function proceduresOf({ protocol }: EvaluateConfig): Procedure[] {
  const wanted = typeof protocol === "string" ? [protocol] : protocol;
  return (["paper", "corrected", "modern"] as const).filter((name) => wanted.includes(name));
}

/** All clean test images; alone between epochs, and in front of everything else. */
export function cleanMeasure(testImages: number): PlannedMeasure {
  return { measure: { how: "clean" }, strengths: [0], images: testImages, passes: 1, samples: 0 };
}

interface PlanOptions {
  config: EvaluateConfig;
  network: Network;
  /** The paper's grid, or the user's. */
  strengths: readonly number[];
  testImages: number;
  /** Pictures per kind and strength of the first procedure. */
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
  const procedures = proceduresOf(config);
  if (config.transfer_from !== undefined && !procedures.includes("modern")) {
    throw new ClusterError("config", "Transfer attacks are of the modern protocol, which is not asked for", {
      hint: "add it: --protocol modern, or evaluate.protocol",
    });
  }
  const planned = procedures.flatMap((procedure, place) => {
    const pictured = { ...options, samples: place === 0 ? samples : 0 };
    return procedure === "modern" ? modernPlan(pictured, procedures) : paperMeasures(pictured, procedure);
  });
  const clean = { ...cleanMeasure(Math.min(config.clean_images ?? testImages, testImages)), samples };
  return [clean, ...(config.diagnostics ? [diagnostics(planned)] : []), ...planned];
}

/** The paper's own attack stands beside the modern ones, as released and without its defects. */
function modernPlan(options: PlanOptions, procedures: readonly Procedure[]): PlannedMeasure[] {
  const beside = (["paper", "corrected"] as const)
    .filter((procedure) => !procedures.includes(procedure))
    .flatMap((procedure) => paperMeasures({ ...options, samples: 0 }, procedure))
    .filter(({ measure }) => measure.how === "paper" && measure.kind === "adversarial");
  return [
    ...beside,
    ...modernMeasures({ ...options, sources: options.sources ?? [], foreign: options.foreign ?? [] }),
  ];
}

function switchesOf(config: EvaluateConfig, procedure: "paper" | "corrected"): PaperSwitches {
  const { bn, clip, threshold, ties } = config;
  return procedure === "corrected" ? CORRECTED : { bn, clip, threshold, ties };
}

function paperMeasures(
  { config, network, strengths, testImages, samples }: PlanOptions,
  procedure: "paper" | "corrected",
): PlannedMeasure[] {
  const kinds: readonly Exclude<PerturbationKind, "clean">[] = ["noisy", "nonsense", "adversarial"];
  return kinds
    .filter((kind) => config.kinds.includes(kind))
    .map((kind) => ({
      measure: {
        how: "paper",
        protocol: procedure,
        kind,
        switches: switchesOf(config, procedure),
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
