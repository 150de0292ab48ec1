/**
 * How messages come in and answers go out. No message ends the coordinator: what goes wrong over one is caught here,
 * counted, and told with who sent it. An answer goes into the inbox of the worker in whose name the subject was published,
 * and nowhere else. Answers with many bytes wait their turn, worker after worker, so that whoever asks for more than the
 * network takes costs others nothing, and the coordinator little memory.
 */
import type { Bus, BusMessage, Subscription } from "../shared/bus.js";
import type { Unheard } from "../shared/metrics.js";
import { Allowance, type AllowanceRule } from "./pool/allowance.js";
import { inboxPrefix, isWorkerName, speakerOf } from "../shared/subjects.js";
import type { LogLevel } from "./coordinator-edges.js";

/** Of answers, on their way to the server. */
export const MOST_BYTES_ON_THE_WAY = 16 * 1024 * 1024;
/** From here on the server is asked what it has taken. */
const ASK_FROM_BYTES = 1024 * 1024;
/** Twice what a worker asks for at a time; who asks for more gets no answer, and asks again. */
export const MOST_WAITING = 32;
/**
 * Messages of one worker that are decided on: several times what the fastest one sends. Each costs up to a millisecond, and
 * the heartbeats of the others wait behind them.
 */
export const MOST_HEARD = {
  control: { burst: 400, perSecond: 200 },
  bulk: { burst: 4000, perSecond: 2000 },
};
/** A question that waits is kept: it names a run or a part, and a place in it. */
const MOST_QUESTION_BYTES = 4096;

export interface HearingEdges {
  /** Milliseconds, from any beginning. */
  now(): number;
  unheard(why: Unheard): void;
  /** A line that a worker can cause as often as it likes. */
  log(worker: string, level: LogLevel, text: string): void;
  /** Who speaks here; without it, workers. */
  speakers?: { are: (name: string) => boolean; called: string };
}

const WORKERS = { are: isWorkerName, called: "worker" };

/** A message, and the worker whose it is: NATS lets it publish in no other name. */
export interface Heard extends Omit<BusMessage, "respond" | "replyTo"> {
  speaker: string;
  /** A short answer, at once. */
  answer(bytes: Uint8Array): void;
}

interface Question {
  message: BusMessage;
  answer(): Uint8Array;
}

export class Hearing {
  readonly #bus: Bus;
  readonly #edges: HearingEdges;
  readonly #subscriptions: Subscription[] = [];
  /** By worker; who was served last comes last. */
  readonly #waiting = new Map<string, Question[]>();
  readonly #allowance: Allowance;
  #bytesOnTheWay = 0;
  #isAsking = false;

  constructor(bus: Bus, most: AllowanceRule, edges: HearingEdges) {
    this.#bus = bus;
    this.#allowance = new Allowance(most);
    this.#edges = edges;
  }

  /** What workers say on subjects that end with their name, each so often at most. */
  hear(pattern: string, handler: (heard: Heard) => void): void {
    this.listenTo(pattern, (heard) => {
      if (this.#allowance.take(heard.speaker, this.#edges.now())) handler(heard);
      else this.#edges.unheard("busy");
    });
  }

  /** The same for what has an answer: a question whose answer is wanted elsewhere than in the speaker's inbox is not heard. */
  ask(pattern: string, handler: (heard: Heard) => void): void {
    this.#subscribe(pattern, (message, speaker) => {
      if (!this.#mayAnswer(message)) return;
      const { subject, data } = message;
      if (!this.#allowance.take(speaker, this.#edges.now())) this.#edges.unheard("busy");
      else handler({ subject, data, speaker, answer: (bytes) => this.#send(message, bytes) });
    });
  }

  /** The same, as often as they like: for bytes that are looked at and mostly put away. */
  listenTo(pattern: string, handler: (heard: Heard) => void): void {
    this.#subscribe(pattern, (message, speaker) => {
      const { subject, data, inPlace } = message;
      handler({ subject, data, inPlace, speaker, answer: (bytes) => this.#send(message, bytes) });
    });
  }

  /** What is no worker's to say. */
  overhear(subject: string, handler: (data: Uint8Array) => void): void {
    const heard = (message: BusMessage): void => this.#guard(message, () => handler(message.data));
    this.#subscriptions.push(this.#bus.subscribe(subject, heard));
  }

  /** What they ask for. `read` looks at the bytes, which do not stay; its answer is made when there is room for it. */
  serve(pattern: string, read: (data: Uint8Array) => (() => Uint8Array) | undefined): void {
    this.#subscribe(pattern, (message, speaker) => {
      const answer = message.data.byteLength > MOST_QUESTION_BYTES ? undefined : read(message.data);
      if (answer === undefined || !this.#mayAnswer(message)) return;
      const queue = this.#waiting.get(speaker) ?? [];
      if (queue.length >= MOST_WAITING) {
        this.#edges.unheard("busy");
        return;
      }
      queue.push({ message, answer });
      this.#waiting.set(speaker, queue);
      this.#serveWaiting();
    });
  }

  stop(): void {
    for (const subscription of this.#subscriptions.splice(0)) subscription.unsubscribe();
    this.#waiting.clear();
  }

  get #speakers(): NonNullable<HearingEdges["speakers"]> {
    return this.#edges.speakers ?? WORKERS;
  }

  #subscribe(pattern: string, handler: (message: BusMessage, speaker: string) => void): void {
    const heard = (message: BusMessage): void => {
      const speaker = speakerOf(message.subject);
      if (this.#speakers.are(speaker)) this.#guard(message, () => handler(message, speaker));
    };
    this.#subscriptions.push(this.#bus.subscribe(pattern, heard));
  }

  /** The one place where what goes wrong over a message ends. */
  #guard({ subject }: BusMessage, work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#edges.unheard("failed");
      const reason = (error instanceof Error ? error.message : String(error)).slice(0, 300);
      const speaker = speakerOf(subject);
      this.#edges.log(speaker, "error", `A message on ${subject} came to nothing: ${reason}`);
    }
  }

  #serveWaiting(): void {
    while (this.#bytesOnTheWay < MOST_BYTES_ON_THE_WAY) {
      const [next] = this.#waiting;
      if (next === undefined) return;
      const [speaker, queue] = next;
      this.#waiting.delete(speaker);
      const question = queue.shift();
      if (queue.length > 0) this.#waiting.set(speaker, queue);
      if (question === undefined) continue;
      const { message, answer } = question;
      this.#guard(message, () => this.#send(message, answer()));
    }
  }

  #send(message: BusMessage, bytes: Uint8Array): void {
    if (!this.#mayAnswer(message)) return;
    if (bytes.byteLength > this.#bus.maxPayload) {
      this.#edges.unheard("size");
      const speaker = speakerOf(message.subject);
      const told = `An answer to ${this.#speakers.called} ${speaker} has ${bytes.byteLength} bytes, NATS takes ${this.#bus.maxPayload}`;
      this.#edges.log(speaker, "error", told);
      return;
    }
    message.respond(bytes);
    this.#bytesOnTheWay += bytes.byteLength;
    if (this.#bytesOnTheWay >= ASK_FROM_BYTES && !this.#isAsking) void this.#ask();
  }

  /** Only who may speak on the subject is answered, wherever the message wants its answer sent. */
  #mayAnswer({ subject, replyTo }: BusMessage): boolean {
    if (replyTo === undefined) return false;
    const speaker = speakerOf(subject);
    if (replyTo.startsWith(`${inboxPrefix(speaker)}.`)) return true;
    this.#edges.unheard("inbox");
    this.#edges.log(
      speaker,
      "error",
      `${capital(this.#speakers.called)} ${speaker} wants an answer sent to another's subject`,
    );
    return false;
  }

  /** What was sent before a flush has reached the server when that ends, or is lost. */
  async #ask(): Promise<void> {
    this.#isAsking = true;
    while (this.#bytesOnTheWay >= ASK_FROM_BYTES) {
      const sent = this.#bytesOnTheWay;
      await this.#bus.flush();
      this.#bytesOnTheWay -= sent;
      this.#serveWaiting();
    }
    this.#isAsking = false;
  }
}

function capital(word: string): string {
  return word.slice(0, 1).toUpperCase() + word.slice(1);
}
