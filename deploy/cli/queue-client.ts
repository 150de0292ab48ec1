/** Asks a coordinator that takes work in: over NATS, with a submitter's or an observer's rights. */
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Bus, RequestError } from "../../shared/bus.js";
import { parseCredentials } from "../../shared/credentials.js";
import { ClusterError } from "../../shared/errors.js";
import { type NatsAccess, connectNats } from "../../shared/io/nats-bus.js";
import { realClock } from "../../shared/io/real-clock.js";
import { PROTOCOL_VERSION, readMessage, type saf, wire, writeMessage } from "../../shared/messages.js";
import { redact } from "../../shared/redact.js";
import { retry } from "../../shared/retry.js";
import { type Subjects, isSubmitterName, subjectsOf } from "../../shared/subjects.js";
import { POOL } from "../local/cluster.js";
import { attachPool } from "../machines/attached-pool.js";
import { poolHome, stateDirectory } from "../machines/home.js";
import { natsAccessOf } from "./nats-options.js";
import type { QueuePlace } from "./queue-options.js";

export type Entry = saf.v1.QueueEntry.$Properties;
export type Line = saf.v1.LogLine.$Properties;

const CONNECT_MS = 10_000;
/** The coordinator answers when the disk has it. */
const ANSWER_MS = 5000;
/** A coordinator that is about to start is waited for. */
const TRIES = 20;
const PAUSE_MS = 500;
/** A coordinator that was killed is there again within this. */
const COMES_BACK_TRIES = 120;

export class QueueClient {
  readonly bus: Bus;
  readonly subjects: Subjects;
  readonly identity: string;
  readonly #url: string;
  readonly #refused: () => string | undefined;

  constructor(
    bus: Bus,
    place: { pool: string; identity: string; url: string },
    refused: () => string | undefined,
  ) {
    this.bus = bus;
    this.subjects = subjectsOf(place.pool);
    this.identity = place.identity;
    this.#url = place.url;
    this.#refused = refused;
  }

  /** Throws ClusterError: "config" (the coordinator refuses it), "dependency" (nobody answers). */
  async change(request: Omit<saf.v1.SubmitRequest.$Properties, "protocol">): Promise<Entry> {
    if (!isSubmitterName(this.identity)) {
      throw new ClusterError("usage", `${this.identity} may look at work, and not change it`, {
        hint: "a submitter's credentials are needed: saf creds mint --role submitter",
      });
    }
    const bytes = writeMessage(wire.SubmitRequest, { protocol: PROTOCOL_VERSION, ...request });
    const answer = await this.#ask(this.subjects.submit(this.identity), bytes, TRIES);
    const reply = readMessage(wire.SubmitReply, answer);
    if (reply?.accepted === true && reply.entry != null) return reply.entry;
    throw new ClusterError("config", reply?.reason || "The coordinator's answer is damaged");
  }

  async list(): Promise<{ entries: readonly Entry[]; leftOut: number }> {
    const { entries, leftOut } = await this.#question({ list: {} }, TRIES);
    return { entries: entries ?? [], leftOut: leftOut ?? 0 };
  }

  /** What a submission told behind a line. `isPatient`: a coordinator that is away may come back. */
  async log(id: string, after: number, isPatient = false): Promise<{ entry: Entry; lines: readonly Line[] }> {
    const tries = isPatient ? COMES_BACK_TRIES : TRIES;
    const { entries, lines } = await this.#question({ log: { id, after } }, tries);
    const [entry] = entries ?? [];
    if (entry === undefined) throw new ClusterError("dependency", "The coordinator's answer is damaged");
    return { entry, lines: lines ?? [] };
  }

  async #question(
    request: Omit<saf.v1.QueueRequest.$Properties, "protocol">,
    tries: number,
  ): Promise<saf.v1.QueueReply> {
    const bytes = writeMessage(wire.QueueRequest, { protocol: PROTOCOL_VERSION, ...request });
    const answer = await this.#ask(this.subjects.queue(this.identity), bytes, tries);
    const reply = readMessage(wire.QueueReply, answer);
    if (reply === undefined) throw new ClusterError("dependency", "The coordinator's answer is damaged");
    if (reply.reason !== "") throw new ClusterError("usage", reply.reason);
    return reply;
  }

  /** The same request again is the same submission: it carries a key. */
  async #ask(subject: string, bytes: Uint8Array, tries: number): Promise<Uint8Array> {
    if (bytes.byteLength > this.bus.maxPayload)
      throw new ClusterError(
        "config",
        `The settings have ${bytes.byteLength} bytes, and NATS takes ${this.bus.maxPayload}`,
      );
    const policy = { attempts: tries, pauseMs: () => PAUSE_MS };
    const edges = { clock: realClock, signal: new AbortController().signal };
    let isTold = false;
    const asked = await retry(policy, edges, (failure) => {
      if (failure !== undefined && !isTold) process.stderr.write("nobody answers yet; trying again\n");
      isTold ||= failure !== undefined;
      return this.bus.request(subject, bytes, ANSWER_MS);
    });
    if (asked.kind === "answered") return asked.answer;
    throw this.#silence(asked.kind === "exhausted" ? asked.failure : undefined);
  }

  #silence(failure: RequestError | undefined): ClusterError {
    const refused = this.#refused();
    const where = redact(this.#url);
    if (refused !== undefined)
      return new ClusterError("dependency", `NATS at ${where} refuses ${this.identity}: ${refused}`, {
        hint: "are these the credentials of this pool, and is --id the name in them?",
      });
    if (failure?.failure === "no-responders")
      return new ClusterError("dependency", `Nobody takes work in at ${where}`, {
        hint: "saf up --queue does on one machine, saf coordinator --queue FOLDER on a cluster",
      });
    return new ClusterError("dependency", `The coordinator at ${where} does not answer`);
  }
}

/** Closed when `work` has ended. Throws ClusterError: "config", "dependency". */
export async function withQueue<Result>(
  place: QueuePlace,
  work: (queue: QueueClient) => Promise<Result>,
): Promise<Result> {
  const { access, pool, identity } = await whereTo(place);
  let refused: string | undefined;
  const bus = await connectNats({
    ...access,
    ...{ identity, purpose: "queue", connectTimeoutMs: CONNECT_MS },
    onPermissionError: (message) => (refused = message),
    onWarning: (message) => process.stderr.write(`saf: ${message}\n`),
  });
  try {
    return await work(new QueueClient(bus, { pool, identity, url: access.url }, () => refused));
  } finally {
    await bus.close();
  }
}

interface Where {
  access: NatsAccess;
  pool: string;
  identity: string;
}

/** The cluster that the options name, or the pool that this machine leads. Throws ClusterError("dependency"). */
async function whereTo(place: QueuePlace): Promise<Where> {
  if (place.isElsewhere) {
    const access = natsAccessOf(place);
    const identity = place.id ?? (await identityIn(access.credentialsFile)) ?? "submitter";
    return { access, pool: place.pool, identity };
  }
  const found = await attachPool(poolHome(stateDirectory(process.env)));
  if (found === undefined) {
    throw new ClusterError("dependency", "No pool is led on this machine", {
      hint: "start one that takes work in by saf up --queue, or say where the cluster is: --nats-url, --creds-file",
    });
  }
  const { url, credentials } = found.server;
  const { seedFile } = credentials.submitter;
  return { access: { url, seedFile, caFile: found.caFile }, pool: POOL, identity: "submitter" };
}

/** Whose credentials a file holds; of a folder, a submitter's before an observer's. */
async function identityIn(file: string | undefined): Promise<string | undefined> {
  if (file === undefined) return undefined;
  const found = await stat(file).catch(() => undefined);
  if (found === undefined) return undefined;
  if (!found.isDirectory()) return parseCredentials(await readFile(file, "utf8"), file).claims?.name;
  for (const name of ["submitter", "observer"])
    if ((await stat(join(file, `${name}.creds`)).catch(() => undefined)) !== undefined) return name;
  return undefined;
}
