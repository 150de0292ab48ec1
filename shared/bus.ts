/**
 * The bus: publish, subscribe, request. Two implementations (NATS, and one in memory for tests) pass one contract
 * suite. Delivery is at most once: what must arrive is acknowledged and sent again by the protocol above.
 */
import type { VectorMemory } from "./core/vectors/vector-memory.js";

export interface BusMessage {
  subject: string;
  /** Valid only during the handler: copy what you keep. */
  data: Uint8Array;
  /** The data are read where the sender keeps them, and he may change them: see `sealOf` in core/chunk.ts. */
  inPlace?: boolean | undefined;
  /** The inbox where an answer goes: the asker's word, which nobody has checked. Undefined for a plain message. */
  replyTo?: string | undefined;
  /** Answers a request; does nothing for a plain message. */
  respond(data: Uint8Array): void;
}

export interface Subscription {
  unsubscribe(): void;
}

/** Nobody serves the subject right now; `timeout`: nobody answered in time; `closed`: this side is closed. */
export type RequestFailure = "no-responders" | "timeout" | "closed" | "disconnected";

export class RequestError extends Error {
  readonly failure: RequestFailure;

  constructor(failure: RequestFailure, subject: string) {
    super(`Request on ${subject} failed: ${failure}`);
    this.name = "RequestError";
    this.failure = failure;
  }
}

/** Memory that other processes of this machine map: frames in it travel as references, and nobody copies them. */
export interface MappedMemory {
  /** Where it lies, and what others have of theirs. */
  readonly vectors: VectorMemory;
  /** Undefined when there is no more. */
  allocate(byteLength: number): Uint8Array<SharedArrayBuffer> | undefined;
  /** Readers that are at it still keep what they have. */
  release(bytes: Uint8Array): void;
}

export interface Bus {
  /** Undefined where bytes are copied. */
  readonly mapped?: MappedMemory | undefined;
  /** Does the other side answer? One that is gone without a word is noticed after seconds. What is published then, is lost. */
  readonly connected: boolean;
  /** Largest payload, in bytes. */
  readonly maxPayload: number;
  /** Bytes published that the operating system has not taken yet, where that is known. */
  readonly pendingBytes?: number;
  /**
   * Sends once, without waiting. The bytes may be read until the next await of the caller: do not change them before.
   * Throws ClusterError("protocol") when they exceed `maxPayload`.
   */
  publish(subject: string, data: Uint8Array): void;
  /** `*` stands for one token, a final `>` for the rest. Handlers run in order of arrival; keep them short. */
  subscribe(pattern: string, handler: (message: BusMessage) => void): Subscription;
  /** Rejects with RequestError. */
  request(subject: string, data: Uint8Array, timeoutMs: number): Promise<Uint8Array>;
  /** Resolves when the broker has taken everything published so far: the sender's back-pressure. */
  flush(): Promise<void>;
  /** Called at each loss and each return of the connection. */
  onConnection(handler: (connected: boolean) => void): void;
  close(): Promise<void>;
}
