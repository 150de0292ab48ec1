/**
 * What a run may change of its network and of what is done to its images: the section `network` of its settings. An unset one
 * has the paper's value; shared/networks/settings.ts carries them out. Sizes are in units of the full pixel range, 0 to 1.
 */
import { z } from "zod";
import { optionalSection, setting } from "./setting.js";

const share = z.number().min(0).max(1).optional();
/** Of normal draws, which go beyond the pixel range. */
const spread = z.number().min(0).max(4).optional();
const pool = z.int().min(0).max(1_000_000).optional();
const weight = z.number().min(0).max(1000).optional();

const loss = optionalSection({
  alpha1: setting("weights", weight, "hybrid loss: weight of the cross-entropy"),
  alpha2: setting("weights", weight, "hybrid loss: weight of (1 − y_c)^p of the true class c"),
  alpha3: setting("weights", weight, "hybrid loss: weight of the sum of y_j^p over the other classes"),
  power: setting(
    "weights",
    // Below 1 the gradient is infinite where an output is exactly 1.
    z.number().min(1).max(32).optional(),
    "hybrid loss: the power p",
  ),
});

const random = optionalSection({
  epsilon: setting("weights", share, "flag R: size of the ± change of every pixel"),
  probability: setting("weights", share, "flag R: share of the images, on CIFAR-10 of the steps"),
});

const mean = optionalSection({
  copies: setting("weights", pool, "flag M: noisy copies of the mean image in an epoch"),
  noise: setting("weights", pool, "flag M: images of pure noise in an epoch"),
  copy_scale: setting(
    "weights",
    spread,
    "flag M: largest deviation of the noise on a copy; each copy draws its own",
  ),
  noise_deviation: setting("weights", spread, "flag M: deviation of pure noise around the middle grey"),
});

const adversarial = optionalSection({
  epsilon: setting("weights", share, "flag A: size of the step along the sign of the gradient"),
  share: setting("weights", share, "flag A: share of the real images that are attacked"),
});

const pgd = optionalSection({
  epsilon: setting("weights", share, "flag PGD: largest change of a pixel"),
  step_size: setting("weights", share, "flag PGD: size of one step of the ascent"),
  steps: setting("weights", z.int().min(1).max(1000).optional(), "flag PGD: steps of the ascent"),
});

export const networkSchema = optionalSection({
  channels: setting(
    "weights",
    z.array(z.int().min(1).max(4096)).min(1).max(16).optional(),
    "channels of every convolution but the last, whose outputs are the classes (default: the paper's)",
  ),
  activation_width: setting(
    "weights",
    z.number().min(0.01).max(100).optional(),
    "width w of mReLU and RBF before the poolings: f(x / w), so max(0, 1 − |x/w|) and exp(−(x/w)²) (default: 1, the paper's)",
  ),
  loss,
  random,
  mean,
  adversarial,
  pgd,
});

/** The section `network`, as a run's file says it. */
export type NetworkSettings = NonNullable<z.output<typeof networkSchema>>;
