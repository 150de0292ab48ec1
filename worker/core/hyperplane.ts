/** The nearest point of a hyperplane inside the box [0, 1], by L∞ or L2: what a minimal attack steps to. */
import type { Norm } from "../../shared/results.js";

/** Newton's method on a concave rise takes one round for each pixel that meets the box, a handful in all. */
const MAX_ROUNDS = 100;

/**
 * Writes to `out` the smallest δ with Σ w·δ = `need` and image + δ in [0, 1]; the farthest corner where the box does not
 * reach the plane. δ_p = ±min(r, room) in L∞, ±min(r·|w|, room) in L2, with room the way to the box: the rise is concave
 * in r. Returns the norm of δ.
 */
export function towardHyperplane(
  norm: Norm,
  image: Float32Array,
  slope: Float32Array,
  need: number,
  out: Float64Array,
): number {
  const side = need < 0 ? -1 : 1;
  const goal = Math.abs(need);
  const room = (p: number): number => {
    const rises = side * slope[p]! > 0;
    return rises ? 1 - image[p]! : image[p]!;
  };
  let reach = 0;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    let rise = 0;
    let steepness = 0;
    for (let p = 0; p < slope.length; p++) {
      const weight = Math.abs(slope[p]!);
      if (weight === 0) continue;
      const pace = norm === "linf" ? 1 : weight;
      const way = room(p);
      if (reach * pace < way) {
        rise += weight * reach * pace;
        steepness += weight * pace;
      } else rise += weight * way;
    }
    if (steepness === 0 || goal - rise <= 1e-12 * goal) break;
    reach += (goal - rise) / steepness;
  }
  let size = 0;
  for (let p = 0; p < slope.length; p++) {
    const weight = Math.abs(slope[p]!);
    const length = weight === 0 ? 0 : Math.min(reach * (norm === "linf" ? 1 : weight), room(p));
    out[p] = side * Math.sign(slope[p]!) * length;
    size = norm === "linf" ? Math.max(size, length) : size + length * length;
  }
  return norm === "linf" ? size : Math.sqrt(size);
}
