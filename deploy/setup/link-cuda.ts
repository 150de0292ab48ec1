/**
 * Links tfjs-node-gpu to Python's TensorFlow for CUDA without trying it: for the build of an image, where there is no GPU.
 * The worker's self-test tries it later. Run by deploy/docker/gpu.Dockerfile.
 */
import { join } from "node:path";
import { findAddonPackage, linkEntry } from "./addon.js";
import { defaultCacheDir } from "./cache.js";
import { provideCudaTensorflow } from "./gpu.js";
import { ownLibraries } from "./own-libraries.js";
import { TENSORFLOW_VERSION } from "./tensorflow-wheel.js";

const env = process.env;
const say = (line: string): void => void process.stderr.write(`link-cuda: ${line}\n`);

const packageFolder = findAddonPackage("@tensorflow/tfjs-node-gpu", env);
if (packageFolder === undefined) {
  say("the package @tensorflow/tfjs-node-gpu is not installed");
  process.exitCode = 5;
} else {
  const cacheDir = defaultCacheDir(env);
  const entry = join(cacheDir, `tensorflow-gpu-${TENSORFLOW_VERSION}`);
  const provision = await provideCudaTensorflow(packageFolder, entry, { cacheDir, env, progress: say });
  if (provision.kind === "refused") {
    say(provision.reason);
    process.exitCode = 5;
  } else {
    ownLibraries(join(provision.entry, "deps/lib"));
    linkEntry(packageFolder, provision.entry);
    say(`linked ${packageFolder} to ${provision.entry}`);
  }
}
