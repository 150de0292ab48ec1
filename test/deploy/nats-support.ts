/** What the tests of the local nats-server share: the servers to test with, directories, clients, waiting. */
import { readFileSync, writeFileSync } from "node:fs";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { connect, nkeyAuthenticator } from "nats";
import type { NatsConnection } from "nats";
import { createUser } from "nkeys.js";
import { inboxPrefix } from "../../shared/subjects.js";
import { probeBinary } from "../../deploy/local/nats/binary.js";
import type { NatsBinary } from "../../deploy/local/nats/binary.js";
import { isAtLeast } from "../../deploy/local/nats/capabilities.js";
import { unpackFromSuite } from "../../deploy/local/nats/package-managers.js";
import { startNatsServer } from "../../deploy/local/nats/server.js";
import type { NatsCredentials } from "../../deploy/local/nats/server-files.js";
import type { RunningNatsServer, StartNatsOptions } from "../../deploy/local/nats/server.js";
import { processIdentity } from "../../deploy/local/nats/store-lock.js";

/** Downloads of several megabytes are kept for the next test file. */
const CACHE_DIR = process.env["SAF_CACHE_DIR"] ?? join(homedir(), ".cache", "saf");

export interface ServerAge {
  /** "old" lacks what came with 2.10 and 2.11; "new" has all of it. */
  name: "old" | "new";
  binary: NatsBinary | undefined;
}

/** One server of each age, where the machine has it or its packages do. */
export async function serversOfBothAges(): Promise<[ServerAge, ServerAge]> {
  const found = await serversHere();
  const isNew = (binary: NatsBinary): boolean => isAtLeast(binary.version, "2.12.0");
  const isOld = (binary: NatsBinary): boolean => !isAtLeast(binary.version, "2.10.0");
  return [
    { name: "old", binary: found.find(isOld) ?? (await fromSuites(["bookworm"], isOld)) },
    { name: "new", binary: found.find(isNew) ?? (await fromSuites(["sid"], isNew)) },
  ];
}

/** Any server, for tests that do not care. */
export async function anyServer(): Promise<NatsBinary | undefined> {
  return (await serversHere())[0] ?? (await fromSuites(["sid", "trixie", "bookworm"], () => true));
}

export const NO_SERVER = "this machine has no nats-server of this kind and its packages offer none";

async function serversHere(): Promise<NatsBinary[]> {
  const cached = await readdir(join(CACHE_DIR, "nats-server")).catch(() => []);
  const folders = ["/usr/sbin", "/usr/bin", "/usr/local/bin", ...(process.env["PATH"] ?? "").split(":")];
  const paths = [
    process.env["SAF_NATS_SERVER"] ?? "",
    ...cached
      .filter((name) => !name.startsWith("."))
      .map((name) => join(CACHE_DIR, "nats-server", name, "nats-server")),
    ...folders.map((folder) => join(folder, "nats-server")),
  ];
  const binaries: NatsBinary[] = [];
  for (const path of new Set(paths.filter((name) => name.startsWith("/")))) {
    const probe = await probeBinary(path, process.env);
    if (probe.kind === "works") {
      binaries.push({ path, version: probe.version, capabilities: probe.capabilities, from: "the machine" });
    }
  }
  return binaries;
}

async function fromSuites(
  suites: string[],
  fits: (binary: NatsBinary) => boolean,
): Promise<NatsBinary | undefined> {
  for (const suite of suites) {
    try {
      const binary = await unpackFromSuite(suite, {
        env: process.env,
        cacheDir: CACHE_DIR,
        progress: () => {},
      });
      if (fits(binary)) return binary;
    } catch {
      // the next one
    }
  }
  return undefined;
}

const cleanups = new WeakMap<TestContext, (() => Promise<unknown>)[]>();

/** After the test, last added first: a client is closed before its server, and that is stopped before its files go. */
function afterwards(t: TestContext, cleanup: () => Promise<unknown>): void {
  const known = cleanups.get(t);
  if (known !== undefined) return void known.push(cleanup);
  const all = [cleanup];
  cleanups.set(t, all);
  t.after(async () => {
    for (const next of all.reverse()) await next();
  });
}

export async function temporaryDirectory(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "saf-nats-test-"));
  afterwards(t, () => rm(directory, { recursive: true, force: true }));
  return directory;
}

/** A server in a directory of its own, stopped after the test. */
export async function startServer(
  t: TestContext,
  binary: NatsBinary,
  options: Partial<StartNatsOptions> = {},
): Promise<RunningNatsServer> {
  const directory = options.directory ?? (await temporaryDirectory(t));
  const server = await startNatsServer({
    pool: "pool",
    workers: ["w0", "w1"],
    binary,
    directory,
    ...options,
  });
  afterwards(t, () => server.stop());
  return server;
}

/** A client with this identity's key and inbox, closed after the test. */
export async function connectAs(
  t: TestContext,
  url: string,
  credentials: NatsCredentials,
): Promise<NatsConnection> {
  const connection = await connect({
    servers: url,
    name: credentials.identity,
    authenticator: nkeyAuthenticator(readFileSync(credentials.seedFile)),
    inboxPrefix: inboxPrefix(credentials.identity),
    reconnectTimeWait: 50,
    maxReconnectAttempts: -1,
    timeout: 5000,
  });
  afterwards(t, () => connection.close());
  return connection;
}

/** A client that may do everything, which no role of ours may: a user more in the server's file. */
export async function connectWithAllRights(
  t: TestContext,
  { url, pid }: RunningNatsServer,
  directory: string,
): Promise<NatsConnection> {
  const file = join(directory, "nats.json");
  const user = createUser();
  const config = JSON.parse(readFileSync(file, "utf8")) as { accounts: { SAF: { users: object[] } } };
  config.accounts.SAF.users.push({ nkey: user.getPublicKey() });
  writeFileSync(file, JSON.stringify(config));
  process.kill(pid, "SIGHUP");
  for (let attempt = 1; ; attempt++) {
    try {
      const authenticator = nkeyAuthenticator(user.getSeed());
      const connection = await connect({ servers: url, authenticator, reconnect: false, timeout: 5000 });
      afterwards(t, () => connection.close());
      return connection;
    } catch (error) {
      if (attempt === 100) throw error;
      await delay(50);
    }
  }
}

/** Rejects when `promise` takes longer. */
export async function within<T>(milliseconds: number, what: string, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${milliseconds} ms for ${what}`)), milliseconds);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Resolves when no process has this pid any more (or only its remains, not yet collected). */
export function processEnd(pid: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setInterval(() => {
      if (processIdentity(pid) !== undefined) return;
      clearInterval(timer);
      resolve();
    }, 20);
    timer.unref();
  });
}
