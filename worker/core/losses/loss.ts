/** What a loss is: plain arithmetic on the last layer's outputs z, a few numbers per image. */

export interface Loss {
  /** Loss of one image whose outputs are z[start .. start + outputs). */
  value(z: Float32Array, start: number, outputs: number, label: number): number;
  /** ∂loss/∂z of one image, written to `gradient` at the same place. */
  gradient(z: Float32Array, start: number, outputs: number, label: number, gradient: Float32Array): void;
  /** How sure the network is of output j: softmax probability, or the RBF value. */
  confidence(z: Float32Array, start: number, outputs: number, output: number): number;
  /** The answer: index of the largest confidence, decided on z itself so that nothing underflows to a tie. */
  answer(z: Float32Array, start: number, outputs: number): number;
}
