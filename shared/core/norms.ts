/** Squared Euclidean norms of parts of the parameter vector, in double precision. */

export function squaredNorm(values: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i] ?? NaN;
    sum += value * value;
  }
  return sum;
}

/** Of two vectors of one length. */
export function squaredDistance(one: Float32Array, other: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < one.length; i++) {
    const difference = (one[i] ?? NaN) - (other[i] ?? NaN);
    sum += difference * difference;
  }
  return sum;
}
