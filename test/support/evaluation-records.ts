/** Records of an evaluation, made up by hand: which images fell, at which strengths. */
import { labelOf } from "../../coordinator/evaluation/plan/measures.js";
import type { EvaluationRecord } from "../../coordinator/evaluation/model-result.js";
import type { Diagnostics } from "../../shared/diagnostics.js";
import {
  type AttackCall,
  type AttackMeasure,
  CORRECTED,
  type Measure,
  ORIGINS,
  RELEASED,
} from "../../shared/measures.js";
import type { ImageOutcomes } from "../../shared/records/image-outcomes.js";

/** Images of every made-up series, unless it says otherwise. */
export const IMAGES = 100;

export function record(
  measure: Measure,
  outcomes: readonly ImageOutcomes[],
  firstImage = 0,
): EvaluationRecord {
  const imageCount = outcomes[0]?.wrong.length ?? 0;
  return { task: { ...labelOf(measure), measure, firstImage, imageCount }, outcomes };
}

/** `fallen` images are wrong, the first ones; `member` broke them. Their changes have exactly the strength's size. */
export function outcome(
  strength: number,
  fallen: number | readonly number[],
  options: { n?: number; member?: number; initial?: readonly number[]; distance?: number } = {},
): ImageOutcomes {
  const { n = IMAGES, member = 0, initial = [], distance = strength } = options;
  const isFallen = (i: number): boolean => (typeof fallen === "number" ? i < fallen : fallen.includes(i));
  const flags = Array.from({ length: n }, (_, i) => initial.includes(i) || isFallen(i));
  return {
    strength,
    predictions: Uint8Array.from(flags, Number),
    confidences: new Float32Array(n).fill(0.5),
    wrong: Uint8Array.from(flags, Number),
    distances: new Float32Array(n).fill(distance),
    origins: Uint8Array.from(flags, (flag, i) =>
      initial.includes(i) ? ORIGINS.initial : flag ? ORIGINS.member + member : ORIGINS.standing,
    ),
  };
}

export function attack(
  name: string,
  members: AttackCall | readonly AttackCall[],
  points: readonly ImageOutcomes[],
  options: Partial<Pick<AttackMeasure, "norm" | "carry" | "source">> = {},
): EvaluationRecord {
  const list = "attack" in members ? [members] : [...members];
  return record({ how: "attack", name, norm: "linf", members: list, carry: false, ...options }, points);
}

export const pgd = (steps: number, restarts = 1): AttackCall => ({
  attack: "pgd",
  options: { steps, restarts },
});

export function clean(wrong: readonly number[] = []): EvaluationRecord {
  const point = outcome(0, wrong);
  const none = { distances: new Float32Array(), origins: new Uint8Array() };
  return record({ how: "clean" }, [{ ...point, ...none }]);
}

export function paper(protocol: "paper" | "corrected", points: readonly ImageOutcomes[]): EvaluationRecord {
  const switches = protocol === "paper" ? RELEASED : CORRECTED;
  const bare = points.map((point) => ({ ...point, origins: new Uint8Array() }));
  return record({ how: "paper", protocol, kind: "adversarial", switches, attack_batch: 100 }, bare);
}

/** A network with gradients, whose attacks work. */
export const HEALTHY: Diagnostics = {
  gradients: ["cross-entropy", "margin", "training"].map((loss) => ({
    loss,
    images: 100,
    zero: 0,
    quantiles: [0.1, 0.2, 0.3, 0.4, 0.5],
  })),
  slopes: [{ loss: "training", compared: 50, kinks: 0, agreeing: 1, median_deviation: 0.001 }],
  planted: [{ attack: "pgd", norm: "linf", epsilon: 0.1, images: 32, breakable: 32, broken: 32 }],
};

export function diagnosed(diagnostics: Diagnostics): EvaluationRecord {
  return { ...record({ how: "diagnostics", members: [] }, []), diagnostics };
}
