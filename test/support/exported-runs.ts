/** A measured run as the exports are given it, small enough to check by hand. */
import type { ExportedRun } from "../../coordinator/results/export/export-format.js";
import type { CurvePoint } from "../../shared/results.js";
import { configSchema } from "../../shared/config/run.js";
import { resolveRun } from "../../shared/resolve.js";

export const WEIGHTS = "5b0a008a".padEnd(64, "0");

/** `wrong` of 200. */
export function pointOf(
  kind: CurvePoint["kind"],
  strength: number,
  wrong: number,
  more: Partial<CurvePoint> = {},
): CurvePoint {
  const error = wrong / 200;
  return {
    kind,
    strength,
    n: 200,
    error,
    ci_low: Math.max(0, error - 0.05),
    ci_high: Math.min(1, error + 0.05),
    mean_confidence: 0.1,
    ...more,
  };
}

export function measuredRun(curves: readonly CurvePoint[], more: Partial<ExportedRun> = {}): ExportedRun {
  const config = configSchema.parse({ model: "mrelu", seed: 4_294_967_295 });
  const clean = curves.find(({ kind }) => kind === "clean");
  return {
    run: "20261124T101500Z-mrelu-abcdef",
    config,
    network: resolveRun(config).network,
    environment: { saf: "0.1.0", engine: "wasm, tensorflow" },
    result: {
      name: "mrelu",
      clean_accuracy: 1 - (clean?.error ?? Number.NaN),
      n: clean?.n ?? 0,
      samples_per_second: 100,
      curves: [...curves],
    },
    measured: { sha256: WEIGHTS, step: 3 },
    steps: [0, 1, 2].map((step) => ({
      step,
      epoch: 0,
      loss: 2 - step / 2,
      accuracy: step / 4,
      learning_rate: 0.01,
      seconds: 1.5 * (step + 1),
    })),
    checkpoints: [
      {
        step: 2,
        model: "mrelu",
        weights_sha256: "0".repeat(64),
        files_sha256: {},
        identity: "",
        clean_accuracy: 0.75,
      },
    ],
    startedSeconds: 1_795_515_300,
    images: null,
    ...more,
  };
}

/** Clean and three attacked points, the last with the fields of the newer protocols. */
export const CURVES: readonly CurvePoint[] = [
  pointOf("clean", 0, 4),
  pointOf("adversarial", 0.1, 20),
  pointOf("adversarial", 0.3, 150, {
    ...{ protocol: "modern", attack: "pgd-40", norm: "linf" },
    unreliable: ['gradients vanish, "masked"', "Square is stronger"],
  }),
  pointOf("nonsense", 0.1, 0, { mean_confidence: Number.NaN }),
];
