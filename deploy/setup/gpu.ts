/**
 * The GPU rung: TensorFlow's C library built for CUDA 12, out of a Python environment, linked into tfjs-node-gpu.
 * CUDA's own libraries are opened by name at run time, and without them TensorFlow falls back to the CPU silently:
 * so their folders go into LD_LIBRARY_PATH, and the probe insists on a GPU. Not tested on a machine with one.
 */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { makePartFolder } from "./cache.js";
import { explain, runCommand } from "../run-command.js";
import { missingCuda } from "./gpu-facts.js";
import { CannotProvide, type Provision, type SetupContext } from "./provision.js";
import { TENSORFLOW_VERSION, buildEntry, findPip, findPythonPackage } from "./tensorflow-wheel.js";

const INSTALL_TIMEOUT_MS = 60 * 60_000;

/** What TensorFlow says when it has fallen back to the CPU: worker/engine/eager/tensorflow-backend.ts. */
const FELL_BACK = "found no usable GPU";

/** A refusal that may be for want of CUDA's libraries, with those that are missing. `env`: the refused process's own. */
export async function withMissingLibraries(
  reason: string,
  entry: string | undefined,
  env: NodeJS.ProcessEnv,
): Promise<string> {
  if (!reason.includes(FELL_BACK)) return reason;
  const build = entry?.includes(TENSORFLOW_VERSION) === true ? "wheel" : "stock";
  const missing = await missingCuda(build, env);
  return missing === undefined ? reason : `${reason}: ${missing}`;
}

/**
 * From a Python installation of the exact version, else from one that pip makes inside the cache (several GB). The
 * variables a worker needs are those of the Python environment found; `cudaEnvironment` finds them again.
 */
export async function provideCudaTensorflow(
  packageFolder: string,
  entry: string,
  context: SetupContext,
): Promise<Provision> {
  const part = makePartFolder(context.cacheDir);
  try {
    let folder = await findPythonPackage(["tensorflow"], context);
    if (folder === undefined) {
      const site = join(context.cacheDir, `python-cuda-${TENSORFLOW_VERSION}`);
      if (!existsSync(site)) await installWithPip(site, part, context);
      folder = join(site, "tensorflow");
    }
    const environment = cudaEnvironment(dirname(folder), context.env);
    const provision = await buildEntry(packageFolder, entry, folder, part, context);
    return provision.kind === "provided" ? { ...provision, environment } : provision;
  } catch (error) {
    const reason =
      error instanceof CannotProvide ? error.message : `it could not be written (${String(error)})`;
    return { kind: "refused", reason };
  } finally {
    rmSync(part, { recursive: true, force: true });
  }
}

async function installWithPip(site: string, part: string, context: SetupContext): Promise<void> {
  const pip = await findPip(context);
  if (pip === undefined)
    throw new CannotProvide("there is no Python with pip to fetch TensorFlow for CUDA 12");
  const [command, ...args] = pip;
  const wanted = `tensorflow[and-cuda]==${TENSORFLOW_VERSION}`;
  context.progress(`installing ${wanted} into the cache (several GB; this takes a while)`);
  const target = join(part, "site");
  mkdirSync(target);
  const options = [
    "install",
    "--only-binary=:all:",
    "--no-cache-dir",
    "--disable-pip-version-check",
    "--target",
    target,
  ];
  const result = await runCommand(command, [...args, ...options, wanted], {
    env: { ...context.env, TMPDIR: part },
    timeoutMs: INSTALL_TIMEOUT_MS,
  });
  if (result.code !== 0) throw new CannotProvide(`pip cannot install ${wanted} (${explain(result)})`);
  renameSync(target, site);
}

/** Every CUDA library folder of a Python environment's `site-packages`, before what LD_LIBRARY_PATH has already. */
export function cudaEnvironment(sitePackages: string, env: NodeJS.ProcessEnv): Record<string, string> {
  const root = join(sitePackages, "nvidia");
  const packages = existsSync(root) ? readdirSync(root).sort() : [];
  const folders = packages.map((name) => join(root, name, "lib")).filter((folder) => existsSync(folder));
  const before = env["LD_LIBRARY_PATH"] ? [env["LD_LIBRARY_PATH"]] : [];
  const compiler = join(root, "cuda_nvcc");
  return {
    ...(folders.length > 0 ? { LD_LIBRARY_PATH: [...folders, ...before].join(delimiter) } : {}),
    ...(existsSync(compiler) ? { XLA_FLAGS: `--xla_gpu_cuda_data_dir=${compiler}` } : {}),
  };
}
