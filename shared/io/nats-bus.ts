/** The bus over NATS. The only file that knows the `nats` package. */
import { readFileSync } from "node:fs";
import {
  ErrorCode,
  Events,
  nkeyAuthenticator,
  type Authenticator,
  type NatsConnection,
  type NatsError,
} from "nats";
import { type Bus, type BusMessage, RequestError, type Subscription } from "../bus.js";
import { ClusterError } from "../errors.js";
import { inboxPrefix } from "../subjects.js";
import { connectWithLargeReads, unsentBytes } from "./nats-transport.js";

export interface NatsBusOptions {
  url: string;
  /** "coordinator", "observer" or the worker's id: names the connection and its inbox. */
  identity: string;
  /** File with the nkey seed; read again at every dial, so that it can be renewed. */
  seedFile?: string;
  /** What this connection carries, for the server's monitoring: "control" or "bulk". */
  purpose: string;
  /** Give up the first dial after this long; later ones are retried for ever. */
  connectTimeoutMs: number;
  onPermissionError?: (message: string) => void;
}

/** Dials until the server answers. Throws ClusterError("dependency") when it never does. */
export async function connectNats(options: NatsBusOptions): Promise<Bus> {
  const deadline = Date.now() + options.connectTimeoutMs;
  for (;;) {
    try {
      const connection = await connectWithLargeReads({
        servers: options.url,
        name: `${options.identity} ${options.purpose}`,
        inboxPrefix: inboxPrefix(options.identity),
        ...(options.seedFile === undefined ? {} : { authenticator: seedAuthenticator(options.seedFile) }),
        maxReconnectAttempts: -1,
        reconnectTimeWait: 100,
        reconnectJitter: 100,
        pingInterval: 5000,
        maxPingOut: 2,
        timeout: 5000,
        noAsyncTraces: true,
        ignoreAuthErrorAbort: true,
      });
      return new NatsBus(connection, options.onPermissionError);
    } catch (cause) {
      const { code } = cause as NatsError;
      const final = code === ErrorCode.AuthorizationViolation || code === ErrorCode.BadAuthentication;
      if (final || Date.now() >= deadline) {
        throw new ClusterError(
          "dependency",
          `Cannot connect to NATS at ${options.url} as ${options.identity}: ${code ?? String(cause)}`,
          {
            hint: final ? "the server refused the credentials" : "is nats-server running there?",
            cause,
          },
        );
      }
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
}

function seedAuthenticator(file: string): Authenticator {
  return (nonce?: string) => {
    const seed = new TextEncoder().encode(readFileSync(file, "utf8").trim());
    return nkeyAuthenticator(seed)(nonce);
  };
}

class NatsBus implements Bus {
  readonly #connection: NatsConnection;
  readonly #handlers: ((connected: boolean) => void)[] = [];
  #connected = true;

  constructor(connection: NatsConnection, onPermissionError: ((message: string) => void) | undefined) {
    this.#connection = connection;
    void this.#watch(onPermissionError);
  }

  get connected(): boolean {
    return this.#connected && !this.#connection.isClosed();
  }

  get maxPayload(): number {
    return this.#connection.info?.max_payload ?? 1_048_576;
  }

  get pendingBytes(): number {
    return this.#connection.isClosed() ? 0 : unsentBytes(this.#connection);
  }

  publish(subject: string, data: Uint8Array): void {
    this.#checkSize(subject, data);
    if (this.#connection.isClosed()) return;
    this.#connection.publish(subject, data);
  }

  subscribe(pattern: string, handler: (message: BusMessage) => void): Subscription {
    if (this.#connection.isClosed()) return { unsubscribe: () => undefined };
    const subscription = this.#connection.subscribe(pattern, {
      callback: (error, message) => {
        if (error !== null) return;
        this.#handle(handler, {
          subject: message.subject,
          data: message.data,
          respond: (data) => {
            this.#checkSize(`the reply to ${message.subject}`, data);
            if (message.reply !== undefined && message.reply !== "" && !this.#connection.isClosed())
              message.respond(data);
          },
        });
      },
    });
    return { unsubscribe: () => subscription.unsubscribe() };
  }

  async request(subject: string, data: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    this.#checkSize(subject, data);
    if (this.#connection.isClosed()) throw new RequestError("closed", subject);
    if (!this.#connected) throw new RequestError("disconnected", subject);
    try {
      const reply = await this.#connection.request(subject, data, { timeout: timeoutMs });
      // The bytes lie in the socket's read buffer: copied before the next read.
      return new Uint8Array(reply.data);
    } catch (error) {
      const { code } = error as NatsError;
      // The client reports open requests of a connection that is being closed as timed out.
      if (this.#connection.isClosed()) throw new RequestError("closed", subject);
      if (code === ErrorCode.NoResponders) throw new RequestError("no-responders", subject);
      if (code === ErrorCode.Timeout) throw new RequestError("timeout", subject);
      if (code === ErrorCode.ConnectionDraining) throw new RequestError("closed", subject);
      if (code === ErrorCode.Disconnect) throw new RequestError("disconnected", subject);
      throw error;
    }
  }

  async flush(): Promise<void> {
    if (!this.connected) return;
    try {
      await this.#connection.flush();
    } catch {
      // The connection broke while flushing: what was published is lost, and `connected` says so.
    }
  }

  onConnection(handler: (connected: boolean) => void): void {
    this.#handlers.push(handler);
  }

  async close(): Promise<void> {
    await this.#connection.close();
  }

  #checkSize(subject: string, { byteLength }: Uint8Array): void {
    if (byteLength <= this.maxPayload) return;
    throw new ClusterError(
      "protocol",
      `Cannot publish ${byteLength} bytes on ${subject}: the server takes ${this.maxPayload}`,
    );
  }

  /** The client would swallow what a handler throws; a bug must end the process instead. */
  #handle(handler: (message: BusMessage) => void, message: BusMessage): void {
    try {
      handler(message);
    } catch (error) {
      setImmediate(() => {
        throw error;
      });
    }
  }

  async #watch(onPermissionError: ((message: string) => void) | undefined): Promise<void> {
    for await (const status of this.#connection.status()) {
      if (status.type === Events.Disconnect) this.#announce(false);
      else if (status.type === Events.Reconnect) this.#announce(true);
      else if (status.type === Events.Error && onPermissionError !== undefined) {
        onPermissionError(JSON.stringify(status.permissionContext ?? status.data));
      }
    }
    this.#announce(false);
  }

  #announce(connected: boolean): void {
    if (this.#connected === connected) return;
    this.#connected = connected;
    for (const handler of this.#handlers) handler(connected);
  }
}
