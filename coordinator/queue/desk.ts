/** Where work is handed in and asked for: requests on NATS, checked before anything comes of them. */
import type { Bus } from "../../shared/bus.js";
import { ClusterError, wordsOf } from "../../shared/errors.js";
import { PROTOCOL_VERSION, readMessage, type saf, wire, writeMessage } from "../../shared/messages.js";
import { WORK_KINDS, type WorkKind } from "../../shared/records/queue-line.js";
import { redact } from "../../shared/redact.js";
import { type Subjects, isSubmitterName } from "../../shared/subjects.js";
import { type Heard, Hearing, type HearingEdges } from "../hearing.js";
import { type Submission, stateOf } from "./book.js";
import type { Queue, Request } from "./queue.js";

/** Of one submitter, and of all observers together. */
const MOST_SUBMITTED = { burst: 50, perSecond: 5 };
const MOST_ASKED = { burst: 60, perSecond: 20 };
/** Of a sweep's or a run's settings. */
export const MOST_SPEC_BYTES = 512 * 1024;
/** In an answer. */
const MOST_ENTRIES = 500;
const MOST_LINES = 200;
/** Of a reason: it may hold what was sent. */
const LONGEST_REASON = 4000;
const KEY = /^[0-9a-f]{16,64}$/;

export interface ToldLine {
  /** From 1 on. */
  number: number;
  /** Seconds since 1970. */
  time: number;
  level: "info" | "warning" | "error";
  message: string;
}

export interface DeskEdges {
  bus: Bus;
  subjects: Subjects;
  queue: Queue;
  folderOf: (id: string) => string;
  /** What a submission has told behind this line, at most so many lines. */
  linesOf: (id: string, after: number, most: number) => Promise<readonly ToldLine[]>;
  hearing: Omit<HearingEdges, "speakers">;
}

export function openDesk({ bus, subjects, hearing, ...edges }: DeskEdges): { close(): void } {
  const desk = new Desk(edges, hearing);
  const submitters = new Hearing(bus, MOST_SUBMITTED, {
    ...hearing,
    speakers: { are: isSubmitterName, called: "submitter" },
  });
  const askers = new Hearing(bus, MOST_ASKED, {
    ...hearing,
    speakers: { are: (name) => name === "observer" || isSubmitterName(name), called: "user" },
  });
  submitters.ask(subjects.submitPattern, (heard) => desk.onSubmit(heard));
  askers.ask(subjects.queuePattern, (heard) => desk.onQuestion(heard));
  return {
    close() {
      submitters.stop();
      askers.stop();
    },
  };
}

class Desk {
  readonly #edges: Omit<DeskEdges, "bus" | "subjects" | "hearing">;
  readonly #log: HearingEdges["log"];

  constructor(edges: Omit<DeskEdges, "bus" | "subjects" | "hearing">, { log }: Pick<HearingEdges, "log">) {
    this.#edges = edges;
    this.#log = log;
  }

  /** The bytes are looked at before this returns; the answer comes when what was asked is on the disk. */
  onSubmit({ data, speaker, answer }: Heard): void {
    const accepted = (entry: Submission): void =>
      answer(writeMessage(wire.SubmitReply, { accepted: true, entry: this.#entry(entry) }));
    this.#done(speaker, data).then(accepted, (error: unknown) => {
      const reason = reasonOf(error);
      this.#log(speaker, "warn", `Refused what ${speaker} asked: ${reason}`);
      answer(writeMessage(wire.SubmitReply, { accepted: false, reason }));
    });
  }

  async #done(user: string, data: Uint8Array): Promise<Submission> {
    const { queue } = this.#edges;
    const { submission, cancel, resume } = requestIn(data);
    if (submission != null) return queue.submit(user, submissionIn(submission));
    if (cancel != null) return queue.cancel(user, cancel);
    if (resume != null) return queue.resume(user, resume);
    throw new ClusterError("protocol", "The request asks for nothing that is known here");
  }

  onQuestion({ data, speaker, answer }: Heard): void {
    const reply = (told: saf.v1.QueueReply.$Properties): void => answer(writeMessage(wire.QueueReply, told));
    this.#answered(data).then(reply, (error: unknown) => {
      const reason = reasonOf(error);
      this.#log(speaker, "warn", `No answer to what ${speaker} asked: ${reason}`);
      reply({ reason });
    });
  }

  async #answered(data: Uint8Array): Promise<saf.v1.QueueReply.$Properties> {
    const request = readMessage(wire.QueueRequest, data);
    if (request === undefined) throw new ClusterError("protocol", "The message is damaged");
    checkProtocol(request.protocol);
    const { book } = this.#edges.queue;
    if (request.log == null) {
      const all = book.submissions;
      const shown = all.slice(-MOST_ENTRIES);
      return { entries: shown.map((each) => this.#entry(each)), leftOut: all.length - shown.length };
    }
    const { id = "", after = 0 } = request.log;
    const found = book.get(id ?? "");
    if (found === undefined)
      throw new ClusterError("usage", `There is no submission "${(id ?? "").slice(0, 64)}"`);
    const lines = await this.#edges.linesOf(found.line.id, after ?? 0, MOST_LINES);
    return { entries: [this.#entry(found)], lines: [...lines] };
  }

  #entry(submission: Submission): saf.v1.QueueEntry.$Properties {
    const { line, end } = submission;
    const { id, work: kind, user, time: submitted } = line;
    const ended = end === undefined ? {} : { ended: end.time, exitCode: end.exitCode, message: end.message };
    return {
      id,
      kind,
      user,
      state: stateOf(submission),
      folder: this.#edges.folderOf(id),
      submitted,
      ...ended,
    };
  }
}

/** Throws ClusterError("protocol"). */
function requestIn(data: Uint8Array): saf.v1.SubmitRequest {
  const most = MOST_SPEC_BYTES + 1024;
  if (data.byteLength > most)
    throw new ClusterError(
      "protocol",
      `The request has ${data.byteLength} bytes, and at most ${most} are read`,
    );
  const request = readMessage(wire.SubmitRequest, data);
  if (request === undefined) throw new ClusterError("protocol", "The message is damaged");
  checkProtocol(request.protocol);
  return request;
}

function checkProtocol(protocol: number): void {
  if (protocol === PROTOCOL_VERSION) return;
  throw new ClusterError(
    "protocol",
    `It speaks protocol version ${protocol}, this coordinator ${PROTOCOL_VERSION}: the releases of saf differ`,
  );
}

/** Throws ClusterError: "protocol", "config". */
function submissionIn({ key, kind, specJson, share, priority }: saf.v1.Submission.$Properties): Request {
  if (!KEY.test(key ?? "")) throw new ClusterError("protocol", "The request has no key");
  const work = WORK_KINDS.find((each) => each === kind);
  if (work === undefined)
    throw new ClusterError(
      "config",
      `Expected a run, a sweep or an evaluation, got "${(kind ?? "").slice(0, 64)}"`,
    );
  if (!isWithin(share ?? 0, 0, 1000) || !isWithin(priority ?? 0, -100, 100))
    throw new ClusterError("config", "Expected a share up to 1000, and a priority from -100 to 100");
  return {
    ...{ key: key ?? "", work, spec: specIn(specJson ?? "", work) },
    ...(share == null || share === 0 ? {} : { share }),
    ...(priority == null ? {} : { priority }),
  };
}

function isWithin(value: number, from: number, to: number): boolean {
  return value >= from && value <= to;
}

function specIn(text: string, work: WorkKind): Record<string, unknown> {
  if (Buffer.byteLength(text) > MOST_SPEC_BYTES)
    throw new ClusterError("config", `The settings have more than ${MOST_SPEC_BYTES} bytes`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // Said below.
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ...value };
  throw new ClusterError("config", `The settings of the ${work} are no JSON object`);
}

function reasonOf(error: unknown): string {
  const hint = error instanceof ClusterError && error.hint !== undefined ? `\n${error.hint}` : "";
  return redact(`${wordsOf(error)}${hint}`).slice(0, LONGEST_REASON);
}
