/** Accuracy against strength as it comes in: sums over the images measured so far, one series a point. */
import { PROTOCOLS, type PerturbationKind, type SeriesLabel, protocolOf } from "../../shared/results.js";

export interface AccuracyPoint {
  labels: { protocol: string; kind: string; attack: string; norm: string; strength: string };
  images: number;
  right: number;
}

export class AccuracySeries {
  readonly #points = new Map<string, AccuracyPoint>();

  /** Another checkpoint is measured: what was known is of no use. */
  clear(): void {
    this.#points.clear();
  }

  add(
    task: SeriesLabel & { kind: PerturbationKind },
    outcomes: readonly { strength: number; wrong: Uint8Array }[],
  ): void {
    const protocol = PROTOCOLS.find((name) => name === protocolOf(task)) ?? "paper";
    for (const { strength, wrong } of outcomes) {
      const labels = {
        protocol,
        kind: task.kind,
        attack: task.attack ?? task.kind,
        norm: task.norm ?? "none",
        strength: String(Number(strength.toPrecision(6))),
      };
      const key = Object.values(labels).join(" ");
      const point = this.#points.get(key) ?? { labels, images: 0, right: 0 };
      this.#points.set(key, point);
      point.images += wrong.length;
      point.right += wrong.length - wrong.reduce((sum, flag) => sum + flag, 0);
    }
  }

  get points(): AccuracyPoint[] {
    return [...this.#points.values()].filter(({ images }) => images > 0);
  }
}
