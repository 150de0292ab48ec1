/** What decides a run's weights, as one hash: a run directory belongs to one identity. */
import { createHash } from "node:crypto";
import type { Config } from "../../shared/config.js";
import { networkNamed } from "../../shared/networks/registry.js";

/** What decides the weights: a resumed run must agree with it. */
export function runIdentity(config: Config, datasetHash: string): string {
  const { batch_size, slots, learning_rate, momentum, weight_decay, limit_images } = config.train;
  const { adversarial_rounds } = config.train;
  const train = {
    batch_size,
    slots,
    learning_rate,
    momentum,
    weight_decay,
    limit_images,
    adversarial_rounds,
  };
  const deciding = {
    model: networkNamed(config.data.set, config.model).name,
    seed: config.seed,
    set: config.data.set,
    train,
    dataset: datasetHash,
  };
  return createHash("sha256").update(JSON.stringify(deciding)).digest("hex");
}
