/**
 * Takes machines in: a guest asks with the public keys of its workers, the server learns them, and the answer has their
 * names. Seeds stay where they were made. One request after another, and only so many wait.
 */
import type { Bus, BusMessage } from "../../shared/bus.js";
import { wordsOf } from "../../shared/errors.js";
import { machineWire } from "../../shared/machine-messages.js";
import { PROTOCOL_VERSION, readMessage, writeMessage } from "../../shared/messages.js";
import { inboxPrefix, subjectsOf } from "../../shared/subjects.js";
import { VERSION } from "../../shared/version.js";
import { type EnrolledWorker, enrol, listed } from "./core/enrolment.js";

export interface RegistrarEdges {
  bus: Bus;
  pool: string;
  /** Names of the workers of this machine. */
  taken: ReadonlySet<string>;
  enrolled: readonly EnrolledWorker[];
  /** ms since 1970; when the token is over. */
  expiresMs: number;
  wallClock: () => number;
  /** Tells the server, and keeps what it was told. */
  admit: (added: readonly EnrolledWorker[], all: readonly EnrolledWorker[]) => Promise<void>;
  onNote: (message: string) => void;
}

const MOST_WAITING = 64;
/** Who has a token can cause a line; not as many as it likes. */
const MOST_REFUSALS_SAID = 20;
const MOST_HOST_SAID = 64;

export class Registrar {
  readonly #edges: RegistrarEdges;
  #enrolled: readonly EnrolledWorker[];
  #last: Promise<void> = Promise.resolve();
  #waiting = 0;
  #refusals = 0;

  constructor(edges: RegistrarEdges) {
    this.#edges = edges;
    this.#enrolled = edges.enrolled;
  }

  async open(): Promise<void> {
    const { bus, pool } = this.#edges;
    bus.subscribe(subjectsOf(pool).enrol, (message) => this.#onRequest(message));
    await bus.flush();
  }

  #onRequest(message: BusMessage): void {
    // Only into a guest's own inbox: on any other subject the answer would be somebody else's message.
    if (message.replyTo?.startsWith(`${inboxPrefix("guest")}.`) !== true) return;
    const request = readMessage(machineWire.EnrolRequest, message.data);
    if (request === undefined || this.#waiting >= MOST_WAITING) return;
    const { protocol, host, keys } = request;
    this.#waiting++;
    this.#last = this.#last
      .then(() => this.#answer({ protocol, host: host.slice(0, MOST_HOST_SAID), keys }))
      .then((reply) => message.respond(writeMessage(machineWire.EnrolReply, { ...reply, release: VERSION })))
      .catch((error: unknown) => this.#edges.onNote(`Could not answer a machine: ${wordsOf(error)}`))
      .finally(() => this.#waiting--);
  }

  async #answer(request: {
    protocol: number;
    host: string;
    keys: string[];
  }): Promise<{ accepted: boolean; reason: string; pool: string; names: string[] }> {
    const { pool, taken, expiresMs, wallClock, admit, onNote } = this.#edges;
    const isOver = wallClock() >= expiresMs;
    const verdict = isOver
      ? ({ accepted: false, reason: "its token is over: `saf up --listen` prints a new one" } as const)
      : enrol(this.#enrolled, taken, request, PROTOCOL_VERSION);
    const host = request.host.replace(/[^\w.-]+/g, "?");
    if (!verdict.accepted) {
      if (++this.#refusals <= MOST_REFUSALS_SAID) onNote(`Refused machine ${host}: ${verdict.reason}`);
      return { accepted: false, reason: verdict.reason, pool: "", names: [] };
    }
    const all = [...this.#enrolled, ...verdict.added];
    await admit(verdict.added, all);
    this.#enrolled = all;
    onNote(`Machine ${host} is in with ${verdict.names.length} worker(s): ${listed(verdict.names)}`);
    return { accepted: true, reason: "", pool, names: verdict.names };
  }
}
