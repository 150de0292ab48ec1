/**
 * How bytes come from a NATS socket: into one large buffer that is used again and again, instead of fresh memory for
 * each 64 KiB. A chunk of gradients then arrives in one piece, is parsed in place and handed on as a view; the stock
 * transport lets the parser copy it together from pieces. Measured with 256 KiB messages (nats 2.29.3, Node 20):
 * 0.5 ms instead of 1.5 ms of CPU a megabyte for a subscriber.
 *
 * It stands on the client's own seam for transports (`setTransportFactory`), which other runtimes use. Only plain
 * sockets: under TLS the stock transport does the work, for the bytes of the socket are not ours to read.
 */
import { connect as dialSocket } from "node:net";
import { type PeerCertificate, checkServerIdentity } from "node:tls";
import type { ConnectionOptions, NatsConnection } from "nats";
import { NatsConnectionImpl, setTransportFactory } from "nats/lib/nats-base-client/internal_mod.js";
import { NodeTransport, nodeResolveHost } from "nats/lib/src/node_transport.js";

/** Holds several chunks: what the kernel has gathered while we were busy comes in one read. */
const READ_BUFFER_BYTES = 1024 * 1024;
/** A server greets at once. The client gives up on one that does not, but forgets its socket. */
const GREETING_TIMEOUT_MS = 5000;

/** Like `connect` of the `nats` package. */
export function connectWithLargeReads(options: ConnectionOptions): Promise<NatsConnection> {
  setTransportFactory({ factory: () => new LargeReadTransport(), dnsResolveFn: nodeResolveHost });
  // `null` keeps the client from upgrading to TLS behind our back.
  return NatsConnectionImpl.connect({ ...options, tls: options.tls ?? null });
}

/** What the client has gathered and what the socket could not write yet: the client's own counts end at `publish`. */
export function unsentBytes(connection: NatsConnection): number {
  const { protocol } = connection as unknown as {
    protocol: { outbound: { size(): number }; transport: { socket?: { writableLength: number } } };
  };
  return protocol.outbound.size() + (protocol.transport.socket?.writableLength ?? 0);
}

type Read = IteratorResult<Uint8Array, undefined>;

class LargeReadTransport extends NodeTransport {
  readonly #waiting: ((read: Read) => void)[] = [];
  readonly #queue: Uint8Array[] = [];
  /** The client reads from us, not from the handshake's listeners any more. */
  #handshaken = false;
  #isEncrypted = false;

  /** The certificate must be the dialled host's. The client leaves out the name of one that is dialled by its address. */
  override connect(
    host: { hostname: string; port: number; tlsName: string },
    options: ConnectionOptions,
  ): Promise<void> {
    if (options.tls == null) return super.connect(host, options);
    this.#isEncrypted = true;
    const expected = host.tlsName === "" ? host.hostname : host.tlsName;
    const check = {
      checkServerIdentity: (_: string, certificate: PeerCertificate) =>
        checkServerIdentity(expected, certificate),
    };
    return super.connect(host, { ...options, tls: { ...options.tls, ...check } });
  }

  override dial(host: { hostname: string; port: number }): Promise<NodeTransport["socket"]> {
    if (this.#isEncrypted) return super.dial(host);
    return new Promise((resolve, reject) => {
      const buffer = Buffer.allocUnsafeSlow(READ_BUFFER_BYTES);
      const onread = {
        buffer,
        callback: (bytes: number) => {
          this.#received(buffer.subarray(0, bytes));
          return true;
        },
      };
      const socket = dialSocket({ host: host.hostname, port: host.port, noDelay: true, onread }, () => {
        socket.removeAllListeners();
        setTimeout(() => {
          if (!this.#handshaken) socket.destroy();
        }, GREETING_TIMEOUT_MS).unref();
        resolve(socket);
      });
      socket.once("error", reject);
      socket.once("close", () => reject(new Error("the connection was closed while it was being made")));
    });
  }

  override setupHandlers(): void {
    super.setupHandlers();
    if (this.#isEncrypted) return;
    this.#queue.push(...this.yields.splice(0));
    this.#handshaken = true;
    this.socket.once("close", () => this.#end());
  }

  override [Symbol.asyncIterator](): AsyncIterableIterator<Uint8Array> {
    if (this.#isEncrypted) return super[Symbol.asyncIterator]();
    const iterator: AsyncIterableIterator<Uint8Array> = {
      next: () => {
        const queued = this.#queue.shift();
        if (queued !== undefined) return Promise.resolve({ value: queued, done: false });
        if (this.done) return Promise.resolve({ value: undefined, done: true });
        return new Promise((resolve) => this.#waiting.push(resolve));
      },
      [Symbol.asyncIterator]: () => iterator,
    };
    return iterator;
  }

  /**
   * `view` is overwritten by the next read. A reader that waits parses it before that: promises settle before the next
   * event. For one that is busy it is copied.
   */
  #received(view: Uint8Array): void {
    if (!this.#handshaken) {
      this.socket.emit("data", Buffer.from(view));
      return;
    }
    const waiting = this.#waiting.shift();
    if (waiting === undefined) this.#queue.push(new Uint8Array(view));
    else waiting({ value: view, done: false });
  }

  #end(): void {
    for (const resolve of this.#waiting.splice(0)) resolve({ value: undefined, done: true });
  }
}
