/** Values and results on their way to the coordinator, until it has acknowledged them. */
import { type Bus, RequestError } from "../shared/bus.js";
import type { Clock } from "../shared/clock.js";
import { ONLY_SHARD } from "../shared/core/shards.js";
import { readMessage, type saf, wire, writeMessage } from "../shared/messages.js";
import { type RetryPolicy, retry } from "../shared/retry.js";
import type { Subjects } from "../shared/subjects.js";
import type { Log } from "./edges.js";
import { FrameSender, type Push } from "./frame-sender.js";

/** What ends a push, but for who says it. */
type End = Omit<saf.v1.PushEnd.$Properties, "workerId">;

const PUSH_TIMEOUT_MS = 3000;
/** What the coordinator misses goes again at once. */
const PUSH_RETRIES: RetryPolicy = {
  attempts: 20,
  pauseMs: (attempts, failure) => (failure === undefined ? 0 : 100 * attempts),
};

export interface PushEdges {
  workerId: string;
  bulk: Bus;
  subjects: Subjects;
  clock: Clock;
  log: Log;
  /** Aborts when the worker stops. */
  stopping: AbortSignal;
  /** Resolves when another lease waits, and when the worker stops. */
  nextLease(): Promise<void>;
}

export class Pusher {
  readonly #edges: PushEdges;

  /** By lease: who waits for what its push came to. */
  readonly #open = new Map<number, { term: number; settle: (reply: saf.v1.PushReply | undefined) => void }>();

  constructor(edges: PushEdges) {
    this.#edges = edges;
    edges.stopping.addEventListener("abort", () => this.resend(), { once: true });
  }

  /** What was said may be lost: whatever waits to be settled goes again at once. */
  resend(): void {
    for (const { settle } of this.#open.values()) settle(undefined);
  }

  /** Sends the frames of one push as they become ready. */
  begin(push: Push): FrameSender {
    const { bulk, subjects, workerId } = this.#edges;
    return new FrameSender(bulk, subjects.gradient(ONLY_SHARD, workerId), push);
  }

  /**
   * Says that everything is sent, and sends again what did not arrive, until the coordinator is content. The next lease
   * of blocks says so too, and sooner than its reply, for the coordinator gives one only to a worker whose last one is
   * settled; of a state the reply itself must be known. Undefined without one.
   */
  async finish(end: End, sender: FrameSender): Promise<saf.v1.PushReply.Status | undefined> {
    const { workerId, clock, stopping: signal } = this.#edges;
    const request = writeMessage(wire.PushEnd, { ...end, workerId, chunkCount: sender.chunkCount });
    const needsReply = (end.stepCount ?? 0) > 0;
    const pushed = await retry(PUSH_RETRIES, { clock, signal }, async (failure) => {
      // Nobody answered, or the connection broke: what was sent may be lost, so all of it goes again.
      if (failure !== undefined) sender.sendAll();
      await sender.settled();
      const reply = await this.#reply(request, needsReply);
      if (reply?.status !== wire.PushReply.Status.MISSING) return { reply };
      sender.sendMissing(reply.missing);
      return undefined;
    });
    return this.#told(end, pushed.kind === "answered" ? pushed.answer.reply : undefined);
  }

  /**
   * The same for what is short: the frames travel in the message that says so, and what it comes to is told with the next
   * command.
   */
  async deliver(end: End, sender: FrameSender): Promise<saf.v1.PushReply.Status | undefined> {
    const { workerId, bulk, subjects, clock, stopping: signal } = this.#edges;
    const { chunkCount } = sender;
    const message = writeMessage(wire.PushEnd, { ...end, workerId, chunkCount, frames: sender.sealed() });
    const subject = subjects.push(workerId);
    const pushed = await retry(PUSH_RETRIES, { clock, signal }, async () => {
      if (!bulk.connected) throw new RequestError("disconnected", subject);
      const settled = this.#settlement(end);
      bulk.publish(subject, message);
      const reply = await settled;
      return reply?.status === wire.PushReply.Status.MISSING ? undefined : reply;
    });
    return this.#told(end, pushed.kind === "answered" ? pushed.answer : undefined);
  }

  /** The coordinator says what a push came to. */
  settled({ leaseId, term, reply }: saf.v1.Settled.$Properties): void {
    const waiting = this.#open.get(leaseId ?? 0);
    if (waiting === undefined || waiting.term !== term || reply == null) return;
    // Decoded inner messages are whole, but the generated types call them partial.
    waiting.settle(reply as saf.v1.PushReply);
  }

  /** Undefined when nothing is heard for a while, and when the worker stops. */
  #settlement(end: End): Promise<saf.v1.PushReply | undefined> {
    const { leaseId, term } = { leaseId: end.leaseId ?? 0, term: end.term ?? 0 };
    return new Promise((resolve) => {
      const giveUp = this.#edges.clock.after(PUSH_TIMEOUT_MS, () => settle(undefined));
      const settle = (reply: saf.v1.PushReply | undefined): void => {
        giveUp();
        this.#open.delete(leaseId);
        resolve(reply);
      };
      this.#open.set(leaseId, { term, settle });
    });
  }

  #told({ step }: End, reply: saf.v1.PushReply | undefined): saf.v1.PushReply.Status | undefined {
    if (reply?.status === wire.PushReply.Status.REFUSED)
      this.#edges.log("warn", `The coordinator refused a push: ${reply.reason}`, { step: step ?? 0 });
    return reply?.status;
  }

  /** Sends the outcome of a task until it is answered; one that no message can hold is a failure of the task. */
  async result(result: Omit<saf.v1.TaskResult.$Properties, "workerId">): Promise<void> {
    const { workerId, bulk, subjects, clock, stopping: signal } = this.#edges;
    const whole = writeMessage(wire.TaskResult, { ...result, workerId });
    const message = whole.byteLength <= bulk.maxPayload ? whole : this.#tooLarge(result, whole.byteLength);
    await retry(PUSH_RETRIES, { clock, signal }, () =>
      bulk.request(subjects.result(workerId), message, PUSH_TIMEOUT_MS),
    );
  }

  #tooLarge(result: Omit<saf.v1.TaskResult.$Properties, "workerId">, byteLength: number): Uint8Array {
    const { workerId, bulk } = this.#edges;
    const message =
      `the result has ${byteLength} bytes, NATS takes ${bulk.maxPayload} (max_payload): ` +
      "choose fewer strengths or pictures";
    const empty = { outcomes: [], samples: [], diagnosticsJson: "", featuresJson: "" };
    return writeMessage(wire.TaskResult, { ...result, ...empty, workerId, error: { message } });
  }

  /** Undefined when another lease comes first, or the answer is none. Throws RequestError. */
  async #reply(request: Uint8Array, needsReply: boolean): Promise<saf.v1.PushReply | undefined> {
    const { bulk, subjects, workerId, nextLease } = this.#edges;
    const answer = bulk.request(subjects.push(workerId), request, PUSH_TIMEOUT_MS);
    const first = await (needsReply ? answer : Promise.race([answer, nextLease()]));
    if (first !== undefined) return readMessage(wire.PushReply, first);
    answer.catch(() => undefined);
    return undefined;
  }
}
