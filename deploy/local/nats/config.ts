/**
 * The configuration of a local nats-server, as an object to be written as JSON (which the server reads). Everything
 * listens on loopback, but for a server that machines may join: that one encrypts. Every client needs a key; every key has
 * only the rights of its role. No JetStream: saf keeps no stream.
 */
import { ClusterError } from "../../../shared/errors.js";
import {
  type Permissions,
  RESERVED_NAMES,
  guestPermissions,
  isToken,
  isWorkerName,
  permissionsOf,
  registrarPermissions,
} from "../../../shared/subjects.js";

const MIB = 1024 * 1024;
export const MAX_PAYLOAD_BYTES = 2 * MIB;
export const MAX_PENDING_BYTES = 128 * MIB;

/** Ask the server for a free port; its ports file then says which. */
export const ANY_PORT = -1;

/** Public user keys (`U…`), one for each identity. */
export interface NatsPublicKeys {
  coordinator: string;
  observer: string;
  submitter: string;
  /** Reads the server's own account: monitoring and debugging only. */
  system: string;
  workers: ReadonlyMap<string, string>;
  /** Of a server that machines may join. */
  guest?: string;
  registrar?: string;
}

/** An address that others can reach, and the certificate that is shown there. */
export interface NatsListening {
  host: string;
  /** PEM: the chain and its key. */
  certFile: string;
  keyFile: string;
}

export interface NatsConfigOptions {
  pool: string;
  serverName: string;
  /** Where the server writes the file that tells its ports. */
  portsDirectory: string;
  /** Without it, loopback, not encrypted. */
  listening?: NatsListening | undefined;
  /** A fixed port, or ANY_PORT (the default). */
  port?: number;
  monitorPort?: number;
  keys: NatsPublicKeys;
}

/** @throws ClusterError("usage") on a worker name that is not a subject token or that another role owns. */
export function checkWorkerName(worker: string): void {
  if (!isToken(worker)) {
    throw new ClusterError(
      "usage",
      `Cannot give worker "${worker}" a key: expected a name of 1 to 32 of a-z, 0-9 and -`,
    );
  }
  if (!isWorkerName(worker)) {
    throw new ClusterError("usage", `Cannot give worker "${worker}" a key: the name is reserved`, {
      hint: `Any name works but ${RESERVED_NAMES.join(", ")}, and submitter with or without more behind a dash.`,
    });
  }
}

export function natsConfig(options: NatsConfigOptions): object {
  const { keys, pool, listening } = options;
  for (const worker of keys.workers.keys()) checkWorkerName(worker);
  return {
    server_name: options.serverName,
    host: listening?.host ?? "127.0.0.1",
    ...(listening === undefined ? {} : { tls: tlsOf(listening) }),
    port: options.port ?? ANY_PORT,
    http: `127.0.0.1:${options.monitorPort ?? ANY_PORT}`,
    ports_file_dir: options.portsDirectory,
    max_payload: MAX_PAYLOAD_BYTES,
    max_pending: MAX_PENDING_BYTES,
    write_deadline: "10s",
    ping_interval: "20s",
    accounts: {
      SAF: {
        users: [
          userEntry(keys.coordinator, permissionsOf("coordinator", pool)),
          userEntry(keys.observer, permissionsOf("observer", pool)),
          userEntry(keys.submitter, permissionsOf("submitter", pool, "submitter")),
          ...(keys.guest === undefined ? [] : [userEntry(keys.guest, guestPermissions(pool))]),
          ...(keys.registrar === undefined ? [] : [userEntry(keys.registrar, registrarPermissions(pool))]),
          ...[...keys.workers].map(([worker, key]) => userEntry(key, permissionsOf("worker", pool, worker))),
        ],
      },
      SYS: { users: [{ nkey: keys.system }] },
    },
    system_account: "SYS",
  };
}

/** Seconds: a handshake may have to wait for a busy machine. */
const HANDSHAKE_S = 10;

function tlsOf({ certFile, keyFile }: NatsListening): object {
  return { cert_file: certFile, key_file: keyFile, timeout: HANDSHAKE_S };
}

function userEntry(nkey: string, rights: Permissions): object {
  return {
    nkey,
    permissions: {
      publish: subjectRights(rights.publish),
      subscribe: subjectRights(rights.subscribe),
      // One answer for each request; the server forgets a request that stays unanswered.
      ...(rights.allowResponses ? { allow_responses: { max: 1, expires: "1m" } } : {}),
    },
  };
}

/** The server takes an empty list for "everything", so nothing allowed must be said as everything denied. */
export function subjectRights(allow: string[]): { allow: string[] } | { deny: string[] } {
  return allow.length === 0 ? { deny: [">"] } : { allow };
}
