/** A machine asks for names for its workers. Their seeds are made here, and stay. */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { RequestError } from "../../shared/bus.js";
import { type Clock, pause } from "../../shared/clock.js";
import { ClusterError } from "../../shared/errors.js";
import { connectNats } from "../../shared/io/nats-bus.js";
import { type machines, machineWire } from "../../shared/machine-messages.js";
import { PROTOCOL_VERSION, readMessage, writeMessage } from "../../shared/messages.js";
import { subjectsOf } from "../../shared/subjects.js";
import { VERSION } from "../../shared/version.js";
import { writeSecret } from "../credentials/secret-file.js";
import { POOL } from "../local/cluster.js";
import { publicKeyOf } from "../local/nats/user-keys.js";
import type { JoinToken } from "./token.js";

export interface EnrolOptions {
  token: JoinToken;
  /** `tls://host:port` */
  url: string;
  caFile: string;
  /** Private folder of this machine. */
  home: string;
  host: string;
  workers: number;
  clock: Clock;
}

export interface EnrolledMachine {
  pool: string;
  /** Name and seed of each worker. */
  workers: { name: string; seedFile: string }[];
  /** Of the machine that leads. */
  release: string;
}

const CONNECT_TIMEOUT_MS = 10_000;
/** The server reloads its users before the answer. */
const ANSWER_TIMEOUT_MS = 20_000;
const ATTEMPTS = 3;
const AGAIN_MS = 1000;

/** Throws ClusterError("dependency") when it is refused, or nobody answers. */
export async function enrolMachine(options: EnrolOptions): Promise<EnrolledMachine> {
  const { home, host, workers } = options;
  const seedFiles = Array.from({ length: workers }, (_, i) => join(home, `worker-${i + 1}.seed`));
  const keys: string[] = [];
  for (const seedFile of seedFiles) keys.push(await publicKeyOf(seedFile));
  const reply = await ask(options, { release: VERSION, protocol: PROTOCOL_VERSION, host, keys });
  if (!reply.accepted)
    throw new ClusterError("dependency", `The pool refused this machine: ${reply.reason}`, {
      hint: `this is saf ${VERSION}, the pool has ${reply.release || "another release"}`,
    });
  if (reply.names.length !== workers)
    throw new ClusterError("protocol", `The pool gave ${reply.names.length} names for ${workers} workers`);
  const named = reply.names.map((name, i) => ({ name, seedFile: seedFiles[i] as string }));
  return { pool: reply.pool, workers: named, release: reply.release };
}

async function ask(
  { token, url, caFile, home, clock }: EnrolOptions,
  request: machines.v1.EnrolRequest.$Properties,
): Promise<machines.v1.EnrolReply> {
  const seedFile = join(home, "guest.seed");
  await writeSecret(seedFile, token.seed);
  try {
    const bus = await connectNats({
      ...{ url, caFile, seedFile, identity: "guest", purpose: "enrolment" },
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
    }).catch((cause: unknown) => {
      throw refusedOf(cause, token);
    });
    try {
      return await answered(
        () =>
          bus.request(
            subjectsOf(POOL).enrol,
            writeMessage(machineWire.EnrolRequest, request),
            ANSWER_TIMEOUT_MS,
          ),
        clock,
      );
    } finally {
      await bus.close();
    }
  } finally {
    await rm(seedFile, { force: true });
  }
}

async function answered(send: () => Promise<Uint8Array>, clock: Clock): Promise<machines.v1.EnrolReply> {
  for (let attempt = 1; ; attempt++) {
    try {
      const reply = readMessage(machineWire.EnrolReply, await send());
      if (reply !== undefined) return reply;
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
    }
    if (attempt === ATTEMPTS)
      throw new ClusterError("dependency", "The pool is there, but does not answer", {
        hint: "does saf up --listen still run there?",
      });
    await pause(clock, AGAIN_MS);
  }
}

/** In words that say what to do. */
function refusedOf(cause: unknown, { expiresMs }: JoinToken): unknown {
  if (!(cause instanceof ClusterError) || cause.hint?.includes("refused the credentials") !== true)
    return cause;
  const end = new Date(expiresMs).toISOString().slice(0, 16).replace("T", " ");
  return new ClusterError("dependency", "The pool refused the token", {
    hint: `it was good until ${end} UTC, or was replaced before: \`saf up --listen\` prints a new one`,
    cause,
  });
}
