/**
 * A nats-server from the platform's packages. On Debian and its relatives the stable release has an old one, so a newer
 * package is taken from a newer suite of the same mirror: downloaded and verified by apt with private lists, unpacked
 * into our cache, nothing installed, no root needed. Never through sudo.
 */
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { addToCache, cacheRoot, probeBinary } from "./binary.js";
import type { InstallOptions, NatsBinary } from "./binary.js";
import { distributionSource, parseAptSources, privateAptConfig, sourceForSuite } from "./apt-sources.js";
import type { AptSource } from "./apt-sources.js";
import { explain, runCommand } from "../../run-command.js";
import type { CommandResult } from "../../run-command.js";
import { makeFolder } from "../../../shared/io/folders.js";

const UPDATE_TIMEOUT_MS = 120_000;
const DOWNLOAD_TIMEOUT_MS = 120_000;
const UNPACK_TIMEOUT_MS = 60_000;
const INSTALL_TIMEOUT_MS = 300_000;

/** Undefined when there is no package manager that saf knows, or none of its packages works here. */
export async function installByPackageManager(options: InstallOptions): Promise<NatsBinary | undefined> {
  if (process.platform === "darwin") return installWithBrew(options);
  if (process.platform !== "linux") return undefined;
  const release = parseOsRelease(await readIfThere("/etc/os-release"));
  const family = [release["ID"], ...(release["ID_LIKE"] ?? "").split(" ")];
  if (!family.includes("debian") && !family.includes("ubuntu")) return undefined;
  return (await unpackFirst(suitesToTry(release), options)) ?? (await installWithApt(options));
}

/** From a newer suite of the distribution, into our cache; the system stays as it is. Undefined when there is none. */
export async function newerByPackageManager(options: InstallOptions): Promise<NatsBinary | undefined> {
  if (process.platform !== "linux") return undefined;
  const release = parseOsRelease(await readIfThere("/etc/os-release"));
  const own = release["VERSION_CODENAME"] ?? "";
  return unpackFirst(
    suitesToTry(release).filter((suite) => suite !== own),
    options,
  );
}

/** NAME=value lines, the value perhaps in quotes. */
export function parseOsRelease(text: string): Record<string, string> {
  const lines = text.split("\n").map((line) => /^([A-Z_]+)=(["']?)(.*)\2$/.exec(line.trim()));
  return Object.fromEntries(
    lines.flatMap((match) => (match === null ? [] : [[match[1] ?? "", match[3] ?? ""]])),
  );
}

/** Newest first; the machine's own suite last. */
export function suitesToTry(release: Record<string, string>): string[] {
  const newer = release["ID"] === "debian" ? ["sid", "trixie"] : release["ID"] === "ubuntu" ? ["devel"] : [];
  const own = release["VERSION_CODENAME"] ?? "";
  return [...new Set([...newer, own])].filter((suite) => suite !== "");
}

async function unpackFirst(
  suites: readonly string[],
  options: InstallOptions,
): Promise<NatsBinary | undefined> {
  for (const suite of suites) {
    options.progress(`looking for a nats-server package in the suite ${suite}`);
    try {
      return await unpackFromSuite(suite, options);
    } catch (error) {
      options.progress(`none from ${suite}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  return undefined;
}

/**
 * Downloads the package from a suite of the machine's own mirror and unpacks the program into the cache. About 16 MB
 * travel; the lists are removed again.
 * @throws Error saying which step failed; ClusterError("dependency") when the program does not work here.
 */
export async function unpackFromSuite(suite: string, options: InstallOptions): Promise<NatsBinary> {
  const release = parseOsRelease(await readIfThere("/etc/os-release"));
  const source = distributionSource(await readAptSources(), release["VERSION_CODENAME"] ?? "");
  if (source === undefined) throw new Error("this machine's apt sources name no mirror of the distribution");
  await makeFolder(cacheRoot(options.cacheDir));
  const directory = await mkdtemp(join(cacheRoot(options.cacheDir), ".apt-"));
  try {
    return await unpackInto(directory, sourceForSuite(source, suite), `the suite ${suite}`, options);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function unpackInto(
  directory: string,
  aptSource: string,
  from: string,
  options: InstallOptions,
): Promise<NatsBinary> {
  for (const folder of ["empty", "state/lists/partial", "cache/archives/partial", "unpacked"]) {
    await makeFolder(join(directory, folder));
  }
  await writeFile(join(directory, "state/status"), "");
  await writeFile(join(directory, "private.sources"), aptSource);
  await writeFile(join(directory, "apt.conf"), privateAptConfig(directory));

  const env = { ...options.env, LC_ALL: "C" };
  const apt = ["-c", join(directory, "apt.conf"), "-q"];
  const step = async (program: string, args: string[], timeoutMs: number): Promise<void> =>
    requireSuccess(program, await runCommand(program, args, { timeoutMs, env, cwd: directory }));
  await step("apt-get", [...apt, "update"], UPDATE_TIMEOUT_MS);
  await step("apt-get", [...apt, "download", "nats-server"], DOWNLOAD_TIMEOUT_MS); // checked against the signed lists
  const packageFile = (await readdir(directory)).find((name) => name.endsWith(".deb"));
  if (packageFile === undefined) throw new Error("apt-get download left no package");
  await step("dpkg-deb", ["-x", packageFile, "unpacked"], UNPACK_TIMEOUT_MS);

  const places = ["unpacked/usr/sbin/nats-server", "unpacked/usr/bin/nats-server"];
  const program = await readFirst(places.map((place) => join(directory, place)));
  return addToCache(program, { cacheDir: options.cacheDir, env: options.env, from });
}

/** Changes the system, so it is the last resort, and only for root. */
async function installWithApt(options: InstallOptions): Promise<NatsBinary | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  options.progress("installing the package nats-server with apt-get");
  const env = { ...options.env, LC_ALL: "C", DEBIAN_FRONTEND: "noninteractive" };
  await runCommand("apt-get", ["-q", "update"], { timeoutMs: UPDATE_TIMEOUT_MS, env });
  const result = await runCommand(
    "apt-get",
    ["-q", "install", "-y", "--no-install-recommends", "nats-server"],
    {
      timeoutMs: INSTALL_TIMEOUT_MS,
      env,
    },
  );
  if (result.code !== 0) {
    options.progress(`apt-get could not install it: ${explain(result)}`);
    return undefined;
  }
  return firstWorking(["/usr/sbin/nats-server", "/usr/bin/nats-server"], "apt-get install", options);
}

async function installWithBrew(options: InstallOptions): Promise<NatsBinary | undefined> {
  options.progress("installing nats-server with brew");
  const result = await runCommand("brew", ["install", "nats-server"], {
    timeoutMs: INSTALL_TIMEOUT_MS,
    env: options.env,
  });
  if (result.code !== 0) {
    options.progress(`brew could not install it: ${explain(result)}`);
    return undefined;
  }
  return firstWorking(["/opt/homebrew/bin/nats-server", "/usr/local/bin/nats-server"], "brew", options);
}

async function firstWorking(
  paths: readonly string[],
  from: string,
  options: InstallOptions,
): Promise<NatsBinary | undefined> {
  for (const path of paths) {
    const probe = await probeBinary(path, options.env);
    if (probe.kind === "works")
      return { path, version: probe.version, capabilities: probe.capabilities, from };
  }
  return undefined;
}

function requireSuccess(program: string, result: CommandResult): void {
  if (result.code !== 0) throw new Error(`${program}: ${explain(result)}`);
}

async function readAptSources(): Promise<AptSource[]> {
  const folder = "/etc/apt/sources.list.d";
  const names = await readdir(folder).catch(() => []);
  const files = names.filter((name) => /\.(sources|list)$/.test(name)).map((name) => join(folder, name));
  const sources: AptSource[] = [];
  for (const file of [...files.sort(), "/etc/apt/sources.list"]) {
    sources.push(...parseAptSources(file, await readIfThere(file)));
  }
  return sources;
}

async function readIfThere(path: string): Promise<string> {
  return readFile(path, "utf8").catch(() => "");
}

async function readFirst(paths: readonly string[]): Promise<Buffer> {
  for (const path of paths) {
    const content = await readFile(path).catch(() => undefined);
    if (content !== undefined) return content;
  }
  throw new Error("the package has no nats-server in it");
}
