/**
 * Seeded random streams, one per purpose. Counter-based (Philox4x32-10: Salmon, Moraes, Dror, Shaw, "Parallel random
 * numbers: as easy as 1, 2, 3", SC 2011): any draw is a pure function of (seed, purpose, ids, position), so no random
 * state ever travels between processes.
 */

/** Every purpose has its own stream; the numbers are part of the result and never change. */
export const PURPOSES = {
  initialisation: 1,
  "epoch-order": 2,
  "random-training": 3,
  "random-training-choice": 4,
  "mean-copies": 5,
  "pure-noise": 6,
  nonsense: 7,
  noisy: 8,
  "mirror-coin": 9,
  attack: 10,
  "attack-start": 20,
  "square-attack": 21,
  "decision-attack": 22,
  "random-search": 23,
  "nonsense-start": 24,
  corruption: 25,
  "step-noise": 30,
  "step-noise-coin": 31,
  "adversarial-choice": 32,
  "adversarial-start": 33,
  theory: 40,
  chaos: 50,
  "trial-draws": 60,
  "trial-order": 61,
  importance: 62,
  "sobol-scrambling": 63,
  "parzen-draws": 64,
  "population-parent": 70,
  "population-settings": 71,
} as const;
export type Purpose = keyof typeof PURPOSES;

const MULTIPLIER_0 = 0xd2511f53;
const MULTIPLIER_1 = 0xcd9e8d57;
const WEYL_0 = 0x9e3779b9;
const WEYL_1 = 0xbb67ae85;
const ROUNDS = 10;

/** High 32 bits of the 64-bit product of two unsigned 32-bit integers. */
function multiplyHigh(a: number, b: number): number {
  const aHigh = a >>> 16;
  const aLow = a & 0xffff;
  const bHigh = b >>> 16;
  const bLow = b & 0xffff;
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  const carry = (middle & 0xffff) + aLow * bHigh;
  return (aHigh * bHigh + Math.floor(middle / 65536) + Math.floor(carry / 65536)) >>> 0;
}

/** One Philox4x32-10 block: four 32-bit words from a 128-bit counter and a 64-bit key, written to `out`. */
export function philox(
  c0: number,
  c1: number,
  c2: number,
  c3: number,
  k0: number,
  k1: number,
  out: Uint32Array,
): void {
  for (let round = 0; round < ROUNDS; round++) {
    const high0 = multiplyHigh(MULTIPLIER_0, c0);
    const low0 = Math.imul(MULTIPLIER_0, c0) >>> 0;
    const high1 = multiplyHigh(MULTIPLIER_1, c2);
    const low1 = Math.imul(MULTIPLIER_1, c2) >>> 0;
    c0 = (high1 ^ c1 ^ k0) >>> 0;
    c1 = low1;
    c2 = (high0 ^ c3 ^ k1) >>> 0;
    c3 = low0;
    k0 = (k0 + WEYL_0) >>> 0;
    k1 = (k1 + WEYL_1) >>> 0;
  }
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
  out[3] = c3;
}

/** A stream of draws for one purpose; `a` and `b` name the thing it is for (an epoch, an image, a tensor). */
export class RandomStream {
  readonly #key0: number;
  readonly #key1: number;
  readonly #a: number;
  readonly #b: number;
  readonly #block = new Uint32Array(4);
  #counter = 0;
  #used = 4;
  #spareNormal: number | undefined;

  constructor(seed: number, purpose: Purpose, a = 0, b = 0) {
    this.#key0 = seed >>> 0;
    this.#key1 = PURPOSES[purpose];
    this.#a = a >>> 0;
    this.#b = b >>> 0;
  }

  /** Uniform integer in [0, 2^32). */
  uint32(): number {
    if (this.#used === 4) {
      philox(this.#counter++, this.#a, this.#b, 0, this.#key0, this.#key1, this.#block);
      this.#used = 0;
    }
    return this.#block[this.#used++] ?? NaN;
  }

  /** Uniform in the open interval (0, 1). */
  uniform(): number {
    return (this.uint32() + 0.5) / 4_294_967_296;
  }

  /** Uniform integer in [0, limit), without bias (Lemire's multiply and reject). Throws RangeError unless 1 <= limit < 2^32. */
  below(limit: number): number {
    if (!(limit >= 1 && limit < 4_294_967_296))
      throw new RangeError(`Cannot draw below ${limit}: expected 1 to 2^32 - 1`);
    const threshold = (4_294_967_296 - limit) % limit;
    for (;;) {
      const draw = this.uint32();
      if (Math.imul(draw, limit) >>> 0 >= threshold) return multiplyHigh(draw, limit);
    }
  }

  /** Standard normal (Box and Muller 1958). */
  normal(): number {
    if (this.#spareNormal !== undefined) {
      const spare = this.#spareNormal;
      this.#spareNormal = undefined;
      return spare;
    }
    const radius = Math.sqrt(-2 * Math.log(this.uniform()));
    const angle = 2 * Math.PI * this.uniform();
    this.#spareNormal = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  }

  /** Fills `out` with +1 and -1, each with probability one half. */
  signs(out: Float32Array): void {
    let bits = 0;
    for (let i = 0; i < out.length; i++) {
      if ((i & 31) === 0) bits = this.uint32();
      out[i] = (bits & 1) === 1 ? 1 : -1;
      bits >>>= 1;
    }
  }
}

/** A uniformly random order of 0..n-1 (Fisher and Yates, Durstenfeld's form). */
export function permutation(n: number, stream: RandomStream): Uint32Array {
  const order = Uint32Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i--) {
    const j = stream.below(i + 1);
    const swap = order[i] ?? NaN;
    order[i] = order[j] ?? NaN;
    order[j] = swap;
  }
  return order;
}
