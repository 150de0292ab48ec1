/** A nats-server program on disk: does it run here, which version is it, and how one gets into our cache. */
import { chmod, rename, rm, writeFile } from "node:fs/promises";
import { randomBytes } from "node:crypto";
import { dirname, join } from "node:path";
import { createUser } from "nkeys.js";
import { ClusterError } from "../../../shared/errors.js";
import { capabilitiesOf, isAtLeast, OLDEST_SUPPORTED, parseNatsVersion } from "./capabilities.js";
import type { NatsCapabilities } from "./capabilities.js";
import { natsConfig } from "./config.js";
import { explain, runCommand } from "../../run-command.js";
import { makeFolder } from "../../../shared/io/folders.js";
import { temporaryFolder } from "../places.js";

const VERSION_TIMEOUT_MS = 10_000;
const CONFIG_TEST_TIMEOUT_MS = 20_000;

/** A nats-server that was found to run here. */
export interface NatsBinary {
  path: string;
  version: string;
  capabilities: NatsCapabilities;
  /** Where it came from, for people: "PATH", "SAF_NATS_SERVER", "the cache", … */
  from: string;
}

/** What every way of getting a server needs. */
export interface InstallOptions {
  env: NodeJS.ProcessEnv;
  /** saf's cache; the servers are in `nats-server/<version>/nats-server` below it. */
  cacheDir: string;
  /** Told, line by line, what was found and what is being done. */
  progress: (line: string) => void;
}

export type Probe =
  { kind: "works"; version: string; capabilities: NatsCapabilities } | { kind: "unusable"; reason: string };

/** Asks the program for its version. A program for another system, or one that needs a newer libc, fails here. */
export async function probeBinary(path: string, env: NodeJS.ProcessEnv): Promise<Probe> {
  const result = await runCommand(path, ["--version"], { timeoutMs: VERSION_TIMEOUT_MS, env });
  if (result.code !== 0) return { kind: "unusable", reason: explain(result) };
  const version = parseNatsVersion(result.stdout + result.stderr);
  if (version === undefined)
    return { kind: "unusable", reason: "it does not say its version as nats-server does" };
  if (!isAtLeast(version, OLDEST_SUPPORTED)) {
    return { kind: "unusable", reason: `version ${version} is older than ${OLDEST_SUPPORTED}` };
  }
  return { kind: "works", version, capabilities: capabilitiesOf(version) };
}

/** The server's own test of a configuration. Undefined when it accepts it, else what it says against it. */
export async function configFault(
  program: string,
  configFile: string,
  env: NodeJS.ProcessEnv,
): Promise<string | undefined> {
  const result = await runCommand(program, ["-t", "-c", configFile], {
    timeoutMs: CONFIG_TEST_TIMEOUT_MS,
    env,
  });
  return result.code === 0 ? undefined : explain(result);
}

export function cacheRoot(cacheDir: string): string {
  return join(cacheDir, "nats-server");
}

export function cachedPath(cacheDir: string, version: string): string {
  return join(cacheRoot(cacheDir), version, "nats-server");
}

/**
 * Puts a program into the cache, once it has told its version and accepted a configuration as saf generates it. It
 * appears there whole or not at all, and a process that runs the one it replaces is not disturbed.
 * @throws ClusterError("dependency") when it does not work on this machine.
 */
export async function addToCache(
  program: Buffer,
  options: { cacheDir: string; env: NodeJS.ProcessEnv; from: string },
): Promise<NatsBinary> {
  await makeFolder(cacheRoot(options.cacheDir));
  const staged = join(cacheRoot(options.cacheDir), `.new-${process.pid}-${randomBytes(4).toString("hex")}`);
  try {
    await writeFile(staged, program, { mode: 0o755, flush: true });
    await chmod(staged, 0o755); // whatever the umask says
    const probe = await probeBinary(staged, options.env);
    if (probe.kind !== "works") throw unusable(options.from, probe.reason);
    const fault = await faultWithOurConfig(staged, options.env);
    if (fault !== undefined) throw unusable(options.from, fault);
    const path = cachedPath(options.cacheDir, probe.version);
    await makeFolder(dirname(path));
    await rename(staged, path);
    return { path, version: probe.version, capabilities: probe.capabilities, from: options.from };
  } finally {
    await rm(staged, { force: true });
  }
}

async function faultWithOurConfig(program: string, env: NodeJS.ProcessEnv): Promise<string | undefined> {
  const directory = await temporaryFolder("saf-nats-try-");
  try {
    const key = (): string => createUser().getPublicKey();
    const config = natsConfig({
      pool: "try",
      serverName: "try",
      portsDirectory: directory,
      keys: {
        ...{ coordinator: key(), observer: key(), submitter: key(), system: key() },
        workers: new Map([["w0", key()]]),
      },
    });
    const file = join(directory, "nats.json");
    await writeFile(file, JSON.stringify(config), { mode: 0o600 });
    return await configFault(program, file, env);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

function unusable(from: string, reason: string): ClusterError {
  return new ClusterError(
    "dependency",
    `The nats-server from ${from} does not work on this machine: ${reason}`,
  );
}
