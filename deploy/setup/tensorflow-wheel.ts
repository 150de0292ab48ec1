/**
 * TensorFlow's C library out of a Python wheel, and tfjs-node's addon compiled against it.
 * Nothing is patched: the addon uses 55 functions of the C interface, which the wheel exports, and 14 of its headers.
 * Python is needed for the download at most, and not afterwards.
 */
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  openSync,
  readSync,
  closeSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  statfsSync,
  symlinkSync,
} from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join, resolve } from "node:path";
import { makePartFolder, publish } from "./cache.js";
import { explain, runCommand } from "../run-command.js";
import { CannotProvide, type Provision, type SetupContext } from "./provision.js";
import { makeFolderSync } from "../../shared/io/folders.js";

const require = createRequire(import.meta.url);

/** The version whose library was tried with tfjs-node 4.22; another one may lack a function. */
export const TENSORFLOW_VERSION = "2.21.0";
const WHEEL_PACKAGE = "tensorflow-cpu";

const LIBRARIES = ["libtensorflow_cc.so.2", "libtensorflow_framework.so.2"] as const;
/** Inside the wheel's `tensorflow` folder; 0.8 MB of its 286 MB of headers. */
const HEADERS = [
  "include/tensorflow/c/",
  "include/tensorflow/core/platform/ctstring",
  "include/tsl/platform/ctstring",
  "include/xla/tsl/c/",
] as const;

const DOWNLOAD_TIMEOUT_MS = 20 * 60_000;
const EXTRACT_TIMEOUT_MS = 5 * 60_000;
const COMPILE_TIMEOUT_MS = 10 * 60_000;
const INSTALL_TIMEOUT_MS = 10 * 60_000;
const QUICK_TIMEOUT_MS = 20_000;
const PROGRESS_INTERVAL_MS = 3000;
const WHEEL_MB = 274;
/** Wheel and libraries side by side, before the wheel is removed. */
const NEEDED_DISK_BYTES = 1.3e9;

/** Where the entry of a source belongs: one per version, or per folder or file that says no version. */
export function wheelEntry(cacheDir: string, env: NodeJS.ProcessEnv): string {
  const given = env["SAF_TF_WHEEL"];
  if (!given) return join(cacheDir, `tensorflow-${TENSORFLOW_VERSION}`);
  const version = /^tensorflow(?:_cpu)?-(\d+\.\d+\.\d+)-/.exec(basename(given))?.[1];
  if (version !== undefined) return join(cacheDir, `tensorflow-${version}`);
  return join(
    cacheDir,
    `tensorflow-given-${createHash("sha256").update(resolve(given)).digest("hex").slice(0, 8)}`,
  );
}

/**
 * Makes the entry from SAF_TF_WHEEL (a wheel, or an unpacked `tensorflow` folder), from an installed Python package of
 * the exact version, or from a download by pip, in this order. A given wheel that does not do is not replaced by another.
 */
export async function provideWheel(
  packageFolder: string,
  entry: string,
  context: SetupContext,
): Promise<Provision> {
  if (process.platform !== "linux")
    return refused(`the wheel's library is for Linux, this is ${process.platform}`);
  const part = makePartFolder(context.cacheDir);
  try {
    const folder = await findTensorflowFolder(part, context);
    return await buildEntry(packageFolder, entry, folder, part, context);
  } catch (error) {
    if (error instanceof CannotProvide) return refused(error.message);
    return refused(`it could not be written (${String(error)})`);
  } finally {
    rmSync(part, { recursive: true, force: true });
  }
}

function refused(reason: string): Provision {
  return { kind: "refused", reason };
}

/** A `tensorflow` folder as in the wheel: extracted inside `part`, or somebody else's. */
async function findTensorflowFolder(part: string, context: SetupContext): Promise<string> {
  const given = context.env["SAF_TF_WHEEL"];
  if (given) {
    if (!existsSync(given)) throw new CannotProvide(`SAF_TF_WHEEL=${given} does not exist`);
    if (statSync(given).isDirectory()) return resolve(given);
    return extractWheel(resolve(given), part, context);
  }
  const installed = await findPythonPackage([WHEEL_PACKAGE, "tensorflow"], context);
  if (installed !== undefined) {
    context.progress(`using TensorFlow ${TENSORFLOW_VERSION} of the Python installation in ${installed}`);
    return installed;
  }
  const wheel = await downloadWheel(part, context);
  const folder = await extractWheel(wheel, part, context);
  rmSync(wheel);
  return folder;
}

/** The `tensorflow` folder of an installed package of the exact version. Imports nothing of it. */
export async function findPythonPackage(
  names: readonly string[],
  { env }: SetupContext,
): Promise<string | undefined> {
  const script = `
import importlib.metadata as m, pathlib, sys
for name in sys.argv[2:]:
    try:
        d = m.distribution(name)
    except m.PackageNotFoundError:
        continue
    folder = pathlib.Path(d.locate_file("tensorflow"))
    if d.version == sys.argv[1] and (folder / "${LIBRARIES[0]}").exists():
        print(folder)
        break
`;
  for (const python of ["python3", "python"]) {
    const result = await runCommand(python, ["-c", script, TENSORFLOW_VERSION, ...names], {
      env,
      timeoutMs: QUICK_TIMEOUT_MS,
    });
    const folder = result.stdout.trim();
    if (result.code === 0 && folder !== "") return folder;
  }
  return undefined;
}

const PIPS: readonly (readonly [string, ...string[]])[] = [["python3", "-m", "pip"], ["python", "-m", "pip"], ["pip3"], ["pip"]]; // prettier-ignore

export async function findPip({ env }: SetupContext): Promise<readonly [string, ...string[]] | undefined> {
  for (const pip of PIPS) {
    const [command, ...args] = pip;
    const result = await runCommand(command, [...args, "--version"], { env, timeoutMs: QUICK_TIMEOUT_MS });
    if (result.code === 0) return pip;
  }
  return undefined;
}

async function downloadWheel(part: string, context: SetupContext): Promise<string> {
  requireDisk(context.cacheDir);
  const pip = await findPip(context);
  if (pip === undefined) {
    throw new CannotProvide(
      "there is no Python with pip to fetch it; SAF_TF_WHEEL can name a wheel that is here already",
    );
  }
  const target = join(part, "wheel");
  mkdirSync(target);
  const [command, ...args] = pip;
  const fixed = [
    "download",
    "--no-deps",
    "--only-binary=:all:",
    "--no-cache-dir",
    "--disable-pip-version-check",
    "-d",
  ];
  // The library does not depend on the Python version: one that has no wheel of its own takes another's.
  const machine = process.arch === "arm64" ? "aarch64" : "x86_64";
  const foreign = ["--python-version", "3.12", "--platform", `manylinux_2_27_${machine}`];
  const wanted = `${WHEEL_PACKAGE}==${TENSORFLOW_VERSION}`;
  context.progress(`downloading ${wanted} (${WHEEL_MB} MB)`);
  const stopReports = reportDownload(part, context.progress);
  try {
    const run = (more: readonly string[]) =>
      runCommand(command, [...args, ...fixed, target, ...more, wanted], {
        env: { ...context.env, TMPDIR: part },
        timeoutMs: DOWNLOAD_TIMEOUT_MS,
      });
    let result = await run([]);
    if (/no matching distribution/i.test(result.stderr)) result = await run(foreign);
    const wheel = readdirSync(target).find((name) => name.endsWith(".whl"));
    if (result.code !== 0 || wheel === undefined) {
      const errors = result.stderr.split("\n").filter((line) => line.startsWith("ERROR:"));
      throw new CannotProvide(
        `pip cannot download ${wanted} (${errors.at(-1)?.slice(7) ?? explain(result)})`,
      );
    }
    return join(target, wheel);
  } finally {
    stopReports();
  }
}

/** pip speaks only to terminals: so the size of what it has written so far is reported. */
function reportDownload(folder: string, progress: (line: string) => void): () => void {
  let reported = 0;
  const timer = setInterval(() => {
    const megabytes = Math.round(sizeOf(folder) / 1e6);
    if (megabytes > reported) progress(`downloaded ${megabytes} of about ${WHEEL_MB} MB`);
    reported = Math.max(reported, megabytes);
  }, PROGRESS_INTERVAL_MS);
  return () => clearInterval(timer);
}

function sizeOf(folder: string): number {
  let bytes = 0;
  for (const name of readdirSync(folder, { recursive: true })) {
    bytes += statSync(join(folder, String(name)), { throwIfNoEntry: false })?.size ?? 0;
  }
  return bytes;
}

function requireDisk(cacheDir: string): void {
  const { bavail, bsize } = statfsSync(cacheDir);
  if (bavail * bsize >= NEEDED_DISK_BYTES) return;
  const gigabytes = (bytes: number): string => (bytes / 1e9).toFixed(1);
  throw new CannotProvide(
    `${gigabytes(NEEDED_DISK_BYTES)} GB of disk are needed in ${cacheDir}, ${gigabytes(bavail * bsize)} GB are free`,
  );
}

/** Unpacks what is needed into `part`, by Python or unzip, whichever is there; both verify checksums. */
async function extractWheel(wheel: string, part: string, context: SetupContext): Promise<string> {
  if (!startsLikeZip(wheel)) throw new CannotProvide(`${wheel} is not a wheel: it is no zip archive`);
  requireDisk(context.cacheDir);
  context.progress("unpacking the library");
  const target = join(part, "unpacked");
  mkdirSync(target);
  const wanted = [...LIBRARIES, ...HEADERS].map((name) => `tensorflow/${name}`);
  const script = `
import sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as wheel:
    for name in wheel.namelist():
        if name.startswith(tuple(sys.argv[3:])):
            wheel.extract(name, sys.argv[2])
`;
  const options = { env: context.env, timeoutMs: EXTRACT_TIMEOUT_MS };
  let result = await runCommand(
    "unzip",
    ["-q", wheel, ...wanted.map((name) => `${name}*`), "-d", target],
    options,
  );
  if (result.failure === "not found")
    result = await runCommand("python3", ["-c", script, wheel, target, ...wanted], options);
  if (result.failure === "not found")
    throw new CannotProvide("neither unzip nor python3 is there to unpack the wheel");
  // unzip's 11: one of the patterns matched nothing; what is missing then is found out later, by name.
  if (result.code !== 0 && result.code !== 11)
    throw new CannotProvide(`${wheel} cannot be unpacked (${explain(result)})`);
  return join(target, "tensorflow");
}

function startsLikeZip(file: string): boolean {
  const head = Buffer.alloc(4);
  const descriptor = openSync(file, "r");
  try {
    readSync(descriptor, head, 0, 4, 0);
  } finally {
    closeSync(descriptor);
  }
  return head.toString("latin1") === "PK\u0003\u0004";
}

/** Puts libraries and addon together in `part` and moves them to `entry` when both are there. */
export async function buildEntry(
  packageFolder: string,
  entry: string,
  tensorflowFolder: string,
  part: string,
  context: SetupContext,
): Promise<Provision> {
  const missing = [...LIBRARIES, "include/tensorflow/c/c_api.h"].filter(
    (name) => !existsSync(join(tensorflowFolder, name)),
  );
  if (missing.length > 0) throw new CannotProvide(`${tensorflowFolder} has no ${missing.join(", no ")}`);

  const finished = join(part, "entry");
  const libraries = join(finished, "deps/lib");
  makeFolderSync(libraries);
  const isOurs = tensorflowFolder.startsWith(part);
  for (const name of LIBRARIES) {
    if (isOurs) renameSync(join(tensorflowFolder, name), join(libraries, name));
    else symlinkSync(join(tensorflowFolder, name), join(libraries, name));
    // What -ltensorflow and -ltensorflow_framework look for; the addon records the names with the 2.
    symlinkSync(name, join(libraries, name.replace("_cc", "").replace(/\.2$/, "")));
  }
  await compileAddon(packageFolder, join(tensorflowFolder, "include"), finished, context);
  publish(finished, entry, part);
  return { kind: "provided", entry };
}

async function compileAddon(
  packageFolder: string,
  include: string,
  entry: string,
  context: SetupContext,
): Promise<void> {
  const nodeHeaders = findNodeHeaders();
  const compiler = await findCompiler(context);
  context.progress("compiling the addon (10 to 30 s)");
  const addonFolder = join(entry, "lib/napi-v8");
  makeFolderSync(addonFolder);
  const sources = ["tfjs_backend.cc", "tfjs_binding.cc"].map((name) => join(packageFolder, "binding", name));
  const result = await runCommand(
    compiler,
    [
      "-O2",
      "-std=c++17",
      "-fPIC",
      "-shared",
      "-DNAPI_VERSION=8",
      "-I",
      nodeHeaders,
      "-I",
      include,
      ...sources,
      "-L",
      join(entry, "deps/lib"),
      "-ltensorflow",
      "-ltensorflow_framework",
      // Node loads an addon by its real path, so this finds the cache's libraries, wherever the cache is moved.
      "-Wl,-rpath,$ORIGIN/../../deps/lib",
      "-o",
      join(addonFolder, "tfjs_binding.node"),
    ],
    { env: context.env, timeoutMs: COMPILE_TIMEOUT_MS },
  );
  if (result.code !== 0)
    throw new CannotProvide(`${compiler} cannot compile tfjs-node's addon (${firstError(result)})`);
}

function firstError(result: Awaited<ReturnType<typeof runCommand>>): string {
  return (
    result.stderr
      .split("\n")
      .find((line) => /error|undefined reference/.test(line))
      ?.trim() ?? explain(result)
  );
}

/** From the package `node-api-headers`, else those that came with Node. */
function findNodeHeaders(): string {
  const beside = join(dirname(process.execPath), "../include/node");
  try {
    return join(dirname(require.resolve("node-api-headers/package.json")), "include");
  } catch {
    if (existsSync(join(beside, "node_api.h"))) return beside;
    throw new CannotProvide("Node's headers are missing: install the npm package node-api-headers");
  }
}

async function findCompiler(context: SetupContext): Promise<string> {
  const { env } = context;
  const candidates = [...(env["CXX"] ? [env["CXX"]] : []), "g++", "c++", "clang++"];
  const search = async (): Promise<string | undefined> => {
    for (const candidate of candidates) {
      const result = await runCommand(candidate, ["--version"], { env, timeoutMs: QUICK_TIMEOUT_MS });
      if (result.code === 0) return candidate;
    }
    return undefined;
  };
  const found = (await search()) ?? ((await installCompiler(context)) ? await search() : undefined);
  if (found === undefined)
    throw new CannotProvide("there is no C++ compiler: install g++ and run `saf setup` again");
  return found;
}

/** By apt-get, where we are root and it is there. */
async function installCompiler({ env, progress }: SetupContext): Promise<boolean> {
  if (process.getuid?.() !== 0) return false;
  const options = { env: { ...env, DEBIAN_FRONTEND: "noninteractive" }, timeoutMs: INSTALL_TIMEOUT_MS };
  if ((await runCommand("apt-get", ["--version"], options)).code !== 0) return false;
  progress("installing g++ by apt-get");
  await runCommand("apt-get", ["update"], options);
  const result = await runCommand("apt-get", ["install", "-y", "--no-install-recommends", "g++"], options);
  return result.code === 0;
}
