/**
 * A pool that machines may join: a nats-server on an address they reach, encrypted, with an authority of its own, and
 * the registrar who takes them in. It keeps its files, so that tokens and machines outlive it.
 */
import { readFile, rm } from "node:fs/promises";
import { availableParallelism, hostname, networkInterfaces } from "node:os";
import { join } from "node:path";
import type { Clock } from "../../shared/clock.js";
import type { Bus } from "../../shared/bus.js";
import { ClusterError } from "../../shared/errors.js";
import { connectNats } from "../../shared/io/nats-bus.js";
import { type OpenPool, POOL } from "../local/cluster.js";
import { keepServer } from "../local/kept-server.js";
import type { NatsBinary } from "../local/nats/binary.js";
import { credentialsIn } from "../local/nats/server-files.js";
import { type RunningNatsServer, startNatsServer } from "../local/nats/server.js";
import { type LockContent, lockStore, processIdentity } from "../local/nats/store-lock.js";
import {
  type CertifiedKey,
  fingerprintOf,
  isGoodFor,
  makeAuthority,
  makeServerCertificate,
} from "./certificates.js";
import { type Address, isEverywhere } from "./core/address.js";
import type { EnrolledWorker } from "./core/enrolment.js";
import {
  type PoolState,
  forgetRunning,
  makePrivate,
  readCertified,
  readPoolState,
  runFolder,
  writeCertified,
  writePoolState,
  writeRunning,
} from "./home.js";
import { checkListenable } from "./listenable.js";
import { Registrar } from "./registrar.js";
import { writeToken } from "./token.js";

export interface ListenOptions {
  /** Folder of the pool. */
  home: string;
  binary: NatsBinary;
  /** Where it listens; without a port, the one of the last time, or any. */
  place: { host: string; port: number | undefined };
  /** How long a new token is good. */
  tokenLifeMs: number;
  /** A new authority, new keys, a new token: whoever joined before must join again. */
  fresh: boolean;
  clock: Clock;
  wallClock: () => number;
  onNote: (message: string, level: "info" | "warning") => void;
}

export interface ListeningPool extends OpenPool {
  readonly caFile: string;
  /** Secret: who has it may bring workers. */
  readonly token: string;
  /** Where the token leads. */
  readonly addresses: readonly Address[];
  readonly expiresMs: number;
  /** SHA-256 of the authority's certificate. */
  readonly authority: Uint8Array;
  readonly lost: AbortSignal;
  close(): Promise<void>;
}

/** Workers of this machine have keys in advance: so many, or two a core. */
const LOCAL_WORKERS = 16;
/** A certificate is made anew when it is good for less. */
const LEAST_DAYS = 30;
/** A token that is over sooner is replaced at the start. */
const LEAST_TOKEN_MS = 3_600_000;
const MOST_ADDRESSES = 8;

/** Throws ClusterError("dependency") when the pool runs already, or the address cannot be listened on. */
export async function startListeningPool(options: ListenOptions): Promise<ListeningPool> {
  const { home, fresh } = options;
  const { clock, onNote } = options;
  await makePrivate(home);
  // Its files have one writer.
  const lock = await lockStore(home, { clock, serverWaitMs: 0, inUse: poolInUse });
  const stopping = new AbortController();
  const lost = new AbortController();
  const undo: (() => Promise<void> | void)[] = [() => lock.release()];
  const close = async (): Promise<void> => {
    stopping.abort();
    for (const step of undo.splice(0).reverse()) await step();
  };
  try {
    const state = fresh ? await begunAnew(home) : await readPoolState(home);
    const count = Math.max(LOCAL_WORKERS, 2 * availableParallelism());
    const local = Array.from({ length: count }, (_, i) => `worker-${i + 1}`);
    const authority = await authorityOf(options);
    const server = await startServer(options, state, local);
    undo.push(() => server.stop());
    keepServer(server, {
      ...{ clock, signal: stopping.signal },
      onNote: (message) => onNote(message, "warning"),
      onLost: (message) => lost.abort(new ClusterError("dependency", message)),
    });
    const caFile = join(home, "authority.crt");
    const expiresMs = state.token_expires ?? 0;
    const bus = await openRegistrar(options, { server, caFile, state, local: new Set(local), expiresMs });
    undo.push(() => bus.close());
    await announce(home, server.url);
    undo.push(() => forgetRunning(home));
    const { host } = options.place;
    const port = portOf(server.url);
    const addresses = reachable(host).map((each) => ({ host: each, port }));
    const fingerprint = fingerprintOf(authority.certificate);
    const seed = await guestSeed(home);
    const token = writeToken({ addresses, authority: fingerprint, seed, expiresMs });
    const found = { token, addresses, expiresMs, authority: fingerprint };
    return { ...found, server, caFile, folder: runFolder(home), lost: lost.signal, close };
  } catch (error) {
    await close();
    throw error;
  }
}

function poolInUse(_: string, { owner }: LockContent): ClusterError {
  return new ClusterError(
    "dependency",
    `A pool that machines may join runs here already: process ${owner.pid}`,
    {
      hint: "`saf train` uses it by itself; end that process first to listen elsewhere",
    },
  );
}

// ---- Files ------------------------------------------------------------------------------------------------------

const GUEST = "guest";

/** Nothing is left but the port: who comes with an old token then hears what has happened. */
async function begunAnew(home: string): Promise<PoolState> {
  const { port } = await readPoolState(home).catch(() => ({ port: undefined }));
  for (const name of ["authority.crt", "authority.key", "server.crt", "server.key"])
    await rm(join(home, name), { force: true });
  await rm(join(home, "nats", "keys"), { recursive: true, force: true });
  return { version: 1, ...(port === undefined ? {} : { port }), enrolled: [] };
}

/** Makes what is missing: an authority, and a certificate for the names under which the server is dialled. */
async function authorityOf({ home, place, wallClock }: ListenOptions): Promise<CertifiedKey> {
  const nowMs = wallClock();
  let authority = await readCertified(home, "authority");
  if (authority === undefined) {
    authority = makeAuthority(nowMs);
    await writeCertified(home, "authority", authority);
  }
  const names = certifiedNames(place.host);
  const found = await readCertified(home, "server");
  const isGood =
    found !== undefined &&
    isGoodFor(found.certificate, authority.certificate, names, { nowMs, days: LEAST_DAYS });
  if (!isGood) await writeCertified(home, "server", makeServerCertificate(authority, names, nowMs));
  return authority;
}

async function guestSeed(home: string): Promise<string> {
  const { seedFile } = credentialsIn(join(home, "nats"), GUEST);
  return (await readFile(seedFile, "utf8")).trim();
}

async function announce(home: string, url: string): Promise<void> {
  const identity = processIdentity(process.pid);
  if (identity === undefined) throw new ClusterError("unexpected", "Own start time is unknown");
  await writeRunning(home, { ...identity, url });
}

// ---- Processes --------------------------------------------------------------------------------------------------

/** `state` then has the server's port and the token's end, and is stored. */
async function startServer(
  options: ListenOptions,
  state: PoolState,
  local: readonly string[],
): Promise<RunningNatsServer> {
  const { home, binary, place, clock, wallClock, tokenLifeMs } = options;
  const directory = join(home, "nats");
  const isOver = (state.token_expires ?? 0) - wallClock() < Math.min(LEAST_TOKEN_MS, tokenLifeMs / 2);
  if (isOver) {
    // Another key for the guest: the old token opens nothing any more.
    await rm(credentialsIn(directory, GUEST).seedFile, { force: true });
    state.token_expires = wallClock() + tokenLifeMs;
  }
  const port = place.port ?? state.port;
  await checkListenable(place.host, port);
  const server = await startNatsServer({
    ...{ binary, directory, pool: POOL, clock },
    workers: local,
    open: {
      listening: {
        host: place.host,
        certFile: join(home, "server.crt"),
        keyFile: join(home, "server.key"),
      },
      dialHost: isEverywhere(place.host) ? (place.host === "::" ? "::1" : "127.0.0.1") : place.host,
      enrolled: new Map(state.enrolled.map(({ name, key }) => [name, key])),
    },
    ...(port === undefined ? {} : { port }),
  });
  state.port = portOf(server.url);
  await writePoolState(home, state);
  return server;
}

async function openRegistrar(
  { home, wallClock, onNote }: ListenOptions,
  {
    server,
    caFile,
    state,
    local,
    expiresMs,
  }: {
    server: RunningNatsServer;
    caFile: string;
    state: PoolState;
    local: ReadonlySet<string>;
    expiresMs: number;
  },
): Promise<Bus> {
  const { seedFile } = credentialsIn(join(home, "nats"), "registrar");
  const bus = await connectNats({
    ...{ url: server.url, caFile, seedFile, identity: "registrar", purpose: "enrolment" },
    connectTimeoutMs: 10_000,
  });
  const admit = async (added: readonly EnrolledWorker[], all: readonly EnrolledWorker[]): Promise<void> => {
    await server.enrol(new Map(added.map(({ name, key }) => [name, key])));
    state.enrolled = [...all];
    await writePoolState(home, state);
  };
  const { enrolled } = state;
  const registrar = new Registrar({
    ...{ bus, pool: POOL, taken: local, enrolled, expiresMs, wallClock, admit },
    onNote: (message) => onNote(message, "info"),
  });
  await registrar.open();
  return bus;
}

// ---- Addresses --------------------------------------------------------------------------------------------------

/** Where other machines may reach a server that listens on `host`: that host, or every address of this machine. */
function reachable(host: string): string[] {
  if (!isEverywhere(host)) return [host];
  const found = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    // An address of one link means nothing without the link.
    .filter(({ internal, address }) => !internal && !address.startsWith("fe80:"))
    .filter(({ family }) => host === "::" || family === "IPv4")
    .map(({ address }) => address);
  const all = [...new Set(found)].slice(0, MOST_ADDRESSES);
  return all.length > 0 ? all : ["127.0.0.1"];
}

/** Names that stand in the certificate: those of the token, and what this machine's own processes dial. */
function certifiedNames(host: string): string[] {
  const own = hostname();
  const ownName = /^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$/.test(own) ? [own] : [];
  return [...new Set([...reachable(host), "localhost", "127.0.0.1", "::1", ...ownName])];
}

function portOf(url: string): number {
  return Number(new URL(url).port);
}
