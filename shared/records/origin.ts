/** `origin.json` of a run that began with another run's weights, under settings of its own. */
export const ORIGIN = "origin.json";

export interface Origin {
  /** Name of the other run's directory. */
  run: string;
  /** Steps before this one were the other run's. */
  step: number;
  /** SHA-256 of the weights at that step. */
  weights_sha256: string;
}
