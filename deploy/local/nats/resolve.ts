/**
 * Finds a nats-server program, or gets one: saf ships none. In this order: the one that was named, the machine's, the
 * one in our cache, a download that the user named and vouched for, the platform's package manager.
 */
import { constants } from "node:fs";
import { access, readdir, realpath, stat, writeFile } from "node:fs/promises";
import { delimiter, isAbsolute, join, resolve as resolvePath } from "node:path";
import { ClusterError } from "../../../shared/errors.js";
import { cachedPath, cacheRoot, probeBinary } from "./binary.js";
import type { InstallOptions, NatsBinary } from "./binary.js";
import { compareVersions, isAtLeast, OLDEST_SUPPORTED } from "./capabilities.js";
import { downloadServer } from "./download.js";
import { installByPackageManager, newerByPackageManager } from "./package-managers.js";
import { makeFolder } from "../../../shared/io/folders.js";

export type { NatsBinary } from "./binary.js";

/** `env` is read for PATH, SAF_NATS_SERVER, NATS_SERVER_BIN, SAF_NATS_DOWNLOAD_URL and SAF_NATS_DOWNLOAD_SHA256. */
export interface ResolveOptions extends InstallOptions {
  /** A path that the user gave on the command line or in the configuration. */
  explicit?: string | undefined;
  /** Get one when none is there: a download if one is configured, else the package manager. */
  install: boolean;
  /** Folders searched after PATH. */
  places?: readonly string[];
  /** Gets a server that is newer than the distribution's own, without changing the system. */
  getNewer?: (options: InstallOptions) => Promise<NatsBinary | undefined>;
}

/** `sbin` is where Debian puts it, and is on no ordinary user's PATH. */
const USUAL_PLACES = [
  "/usr/sbin",
  "/usr/local/bin",
  "/usr/local/sbin",
  "/usr/bin",
  "/opt/homebrew/bin",
  "/home/linuxbrew/.linuxbrew/bin",
];

/**
 * Older ones cost about twice the CPU for each megabyte (section 4.2 of the NATS reference), and have known holes that
 * only the loopback address hides. One is asked for a successor, but used where there is none.
 */
const OLDEST_WANTED = "2.10.0";
/** An attempt to get a newer one that failed is not made again for a day. */
const RETRY_MS = 86_400_000;

/**
 * A server that was named is used; else the newer one of what the machine has (PATH first) and what our cache has: a
 * megabyte costs 2.9.10 about twice the CPU of 2.15. If that is an old one and we may install, a newer one is looked
 * for in the package manager's newer suites; the old one serves where none is to be had. Each program is asked for its version before it is accepted.
 * @throws ClusterError("dependency") when there is none, or the one that was named does not work. Nothing is ever
 *   tried instead of a program, address or checksum that was named.
 */
export async function resolveNatsServer(options: ResolveOptions): Promise<NatsBinary> {
  const binary =
    (await namedServer(options)) ??
    (await renewed(newerOf(await serverOfTheMachine(options), await cachedServer(options)), options)) ??
    (options.install
      ? ((await downloadServer(options)) ?? (await installByPackageManager(options)))
      : undefined);
  if (binary === undefined) throw noServer(options);
  return binary;
}

/** The first one when both are equally new. */
function newerOf(first: NatsBinary | undefined, second: NatsBinary | undefined): NatsBinary | undefined {
  if (first === undefined || second === undefined) return first ?? second;
  return compareVersions(second.version, first.version) > 0 ? second : first;
}

async function renewed(
  found: NatsBinary | undefined,
  options: ResolveOptions,
): Promise<NatsBinary | undefined> {
  if (found === undefined || !options.install || isAtLeast(found.version, OLDEST_WANTED)) return found;
  const stamp = join(cacheRoot(options.cacheDir), "no-newer");
  const triedMs = await stat(stamp).then(
    ({ mtimeMs }) => mtimeMs,
    () => 0,
  );
  if (Date.now() - triedMs < RETRY_MS) return found;
  options.progress(`nats-server ${found.version} (${found.path}) is old; looking for a newer one`);
  const newer = await (options.getNewer ?? newerByPackageManager)(options);
  if (newer === undefined) {
    await makeFolder(cacheRoot(options.cacheDir));
    await writeFile(stamp, "");
  }
  return newerOf(found, newer);
}

async function namedServer(options: ResolveOptions): Promise<NatsBinary | undefined> {
  const names: [string, string | undefined][] = [
    ["the option", options.explicit],
    ["SAF_NATS_SERVER", options.env["SAF_NATS_SERVER"]],
    ["NATS_SERVER_BIN", options.env["NATS_SERVER_BIN"]],
  ];
  for (const [from, name] of names) {
    if (name === undefined || name === "") continue;
    const path = await findNamed(name, options.env);
    const probe = await probeBinary(path, options.env);
    if (probe.kind === "works")
      return { path, version: probe.version, capabilities: probe.capabilities, from };
    throw new ClusterError(
      "dependency",
      `Cannot use the nats-server named by ${from} (${path}): ${probe.reason}`,
      {
        hint: `Name a working nats-server ${OLDEST_SUPPORTED} or newer, or name none and let saf look for one.`,
      },
    );
  }
  return undefined;
}

/** A name without a slash is looked for on PATH, like a shell would. */
async function findNamed(name: string, env: NodeJS.ProcessEnv): Promise<string> {
  if (name.includes("/")) return isAbsolute(name) ? name : resolvePath(name);
  for (const folder of foldersOnPath(env)) {
    if (await isExecutable(join(folder, name))) return join(folder, name);
  }
  return resolvePath(name);
}

async function serverOfTheMachine(options: ResolveOptions): Promise<NatsBinary | undefined> {
  const onPath = foldersOnPath(options.env);
  const folders = [...onPath, ...(options.places ?? USUAL_PLACES)];
  const seen = new Set<string>();
  for (const [index, folder] of folders.entries()) {
    const path = join(folder, "nats-server");
    if (!(await isExecutable(path))) continue;
    const real = await realpath(path);
    if (seen.has(real)) continue;
    seen.add(real);
    const probe = await probeBinary(path, options.env);
    if (probe.kind === "works") {
      const from = index < onPath.length ? "PATH" : folder;
      return { path, version: probe.version, capabilities: probe.capabilities, from };
    }
    options.progress(`${path} is not used: ${probe.reason}`);
  }
  return undefined;
}

async function cachedServer(options: ResolveOptions): Promise<NatsBinary | undefined> {
  let versions: string[];
  try {
    versions = await readdir(cacheRoot(options.cacheDir));
  } catch {
    return undefined;
  }
  const newestFirst = versions
    .filter((name) => /^\d+\.\d+\.\d+/.test(name))
    .sort((a, b) => compareVersions(b, a));
  for (const version of newestFirst.filter((name) => isAtLeast(name, OLDEST_SUPPORTED))) {
    const path = cachedPath(options.cacheDir, version);
    if (!(await isExecutable(path))) continue;
    const probe = await probeBinary(path, options.env);
    if (probe.kind === "works") {
      return { path, version: probe.version, capabilities: probe.capabilities, from: "the cache" };
    }
    options.progress(`${path} is not used: ${probe.reason}`);
  }
  return undefined;
}

function foldersOnPath(env: NodeJS.ProcessEnv): string[] {
  return (env["PATH"] ?? "").split(delimiter).filter((folder) => isAbsolute(folder));
}

async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function noServer({ install }: ResolveOptions): ClusterError {
  const ways = [
    "Three ways to get one:",
    "  1. the package manager: apt-get install nats-server (Debian, Ubuntu) or brew install nats-server (macOS)",
    "  2. a release of github.com/nats-io/nats-server: unpack it and set SAF_NATS_SERVER=/path/to/nats-server,",
    "     or set SAF_NATS_DOWNLOAD_URL and SAF_NATS_DOWNLOAD_SHA256 and let `saf setup` fetch and check it",
    "  3. the explicit option: --nats-server /path/to/nats-server",
    ...(install ? [] : ["`saf setup` tries the first by itself, without root where it can."]),
  ];
  return new ClusterError(
    "dependency",
    `Cannot find a nats-server (${OLDEST_SUPPORTED} or newer): looked on PATH, in the usual places and in saf's cache` +
      (install ? ", and could not install one" : ""),
    { hint: ways.join("\n") },
  );
}
