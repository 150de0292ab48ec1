/** A run's identity: the hash of what decides its weights. A run directory goes on only with settings of the same one. */
import { createHash } from "node:crypto";
import { type Config, configSchema } from "../../shared/config/run.js";
import { marksOf } from "../../shared/config/setting.js";
import { networkNamed } from "../../shared/networks/registry.js";
import { actingSettings, resolveRun } from "../../shared/resolve.js";

const DECIDING = [...marksOf(configSchema)]
  .filter(([, decides]) => decides === "weights")
  .map(([path]) => path)
  // The order in which the schema names its settings decides nothing.
  .sort();

/** SHA-256 of the settings marked `weights`, as they act, and of the data set. */
export function runIdentity(config: Config, datasetHash: string): string {
  const known = identities.get(config);
  if (known?.datasetHash === datasetHash) return known.identity;
  const identity = identityOf(config, datasetHash);
  identities.set(config, { datasetHash, identity });
  return identity;
}

/** Settings do not change; a run asks more than once. */
const identities = new WeakMap<Config, { datasetHash: string; identity: string }>();

function identityOf(config: Config, datasetHash: string): string {
  return sha256({ settings: decidingSettings(config), dataset: datasetHash });
}

/** The settings marked `weights`, as they act, in an order of their own; without those that are not set. */
export function decidingSettings(config: Config): (readonly [path: string, value: unknown])[] {
  const acting = actingSettings(config);
  return DECIDING.map((path) => [path, valueAt(acting, path)] as const).filter(
    ([, value]) => value !== undefined,
  );
}

/** Is it the identity of a run with these settings, in a directory of this version or of one before? */
export function isIdentityOf(identity: string, config: Config, datasetHash: string): boolean {
  if (identity === runIdentity(config, datasetHash)) return true;
  // No run of then was emulated, rounded anything, or had settings of its network.
  const isPlain = config.engine === undefined && config.train.codec === "fp32";
  const couldBe = isPlain && resolveRun(config).network.settings === undefined;
  return couldBe && identity === writtenIdentity(config, datasetHash);
}

/**
 * As it was until November 2026: of the settings as they were written, so the paper's batch size, written down, made
 * another run than the same one left out.
 */
function writtenIdentity({ data, model, seed, train }: Config, datasetHash: string): string {
  const { batch_size, slots, learning_rate, momentum, weight_decay, limit_images, adversarial_rounds } =
    train;
  return sha256({
    model: networkNamed(data.set, model).name,
    seed,
    set: data.set,
    train: { batch_size, slots, learning_rate, momentum, weight_decay, limit_images, adversarial_rounds },
    dataset: datasetHash,
  });
}

function valueAt(value: unknown, path: string): unknown {
  return path
    .split(".")
    .reduce<unknown>((inner, key) => (inner as Record<string, unknown> | undefined)?.[key], value);
}

function sha256(value: object): string {
  return createHash("sha256").update(JSON.stringify(value)).digest("hex");
}
