/** bfloat16 by arithmetic alone: what the product's bit patterns are compared with. */

const DIGITS = 8;
const LEAST_EXPONENT = -126;
const LARGEST = (2 - 2 ** (1 - DIGITS)) * 2 ** 127;

/** The nearest bf16 to a float32, ties to even. */
export function nearestBf16(value: number): number {
  if (!Number.isFinite(value) || value === 0) return value;
  const exponent = Math.max(LEAST_EXPONENT, exponentOf(Math.abs(value)));
  const unit = 2 ** (exponent - (DIGITS - 1));
  const units = Math.abs(value) / unit;
  const below = Math.floor(units);
  const rest = units - below;
  const isUp = rest > 0.5 || (rest === 0.5 && below % 2 === 1);
  const near = (isUp ? below + 1 : below) * unit;
  return Math.sign(value) * (near > LARGEST ? Infinity : near);
}

/** The e with 2^e <= value < 2^(e + 1). */
function exponentOf(value: number): number {
  let exponent = Math.floor(Math.log2(value));
  while (2 ** exponent > value) exponent--;
  while (2 ** (exponent + 1) <= value) exponent++;
  return exponent;
}

/** A copy whose first values are rounded. */
export function roundedCopy(values: Float32Array, count: number): Float32Array {
  return values.map((value, i) => (i < count ? nearestBf16(value) : value));
}
