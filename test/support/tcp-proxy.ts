/** A proxy on the loopback whose link can fail as real ones do: silently, with everything in flight lost. */
import { once } from "node:events";
import { type AddressInfo, type Server, type Socket, connect, createServer } from "node:net";

export class TcpProxy {
  readonly #target: number;
  readonly #sockets = new Set<Socket>();
  /** The server's side of a client's. */
  readonly #peers = new WeakMap<Socket, Socket>();
  #server: Server | undefined;
  #port = 0;
  #isSilent = false;
  /** Dials that came so far. */
  dials = 0;

  constructor(target: number) {
    this.#target = target;
  }

  /** Where it listens, or did: the same port each time. */
  get url(): string {
    return `nats://127.0.0.1:${this.#port}`;
  }

  async start(): Promise<this> {
    const server = createServer((client) => this.#join(client));
    server.listen(this.#port, "127.0.0.1");
    await once(server, "listening");
    this.#port = (server.address() as AddressInfo).port;
    this.#server = server;
    return this;
  }

  /** Nobody listens any more, and what is open breaks. */
  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    for (const socket of this.#sockets) socket.destroy();
    if (server === undefined) return;
    server.close();
    await once(server, "close");
  }

  /** From now on no byte passes, and nobody is told: no FIN, no RST. */
  silence(): void {
    this.#isSilent = true;
    for (const socket of this.#sockets) socket.pause();
  }

  /** New connections pass again; those cut before stay dead. */
  mend(): void {
    this.#isSilent = false;
  }

  /** Lets so few bytes a second through from the client's side. */
  slow(bytesPerSecond: number): void {
    for (const socket of this.#sockets) {
      if (socket.localPort !== this.#port) continue;
      socket.unpipe();
      socket.on("data", (piece: Buffer) => {
        this.#peers.get(socket)?.write(piece);
        socket.pause();
        setTimeout(() => socket.resume(), (1000 * piece.byteLength) / bytesPerSecond);
      });
      socket.resume();
    }
  }

  #join(client: Socket): void {
    this.dials++;
    this.#keep(client);
    if (this.#isSilent) {
      client.pause();
      return;
    }
    const server = connect(this.#target, "127.0.0.1");
    this.#keep(server);
    this.#peers.set(client, server);
    client.pipe(server);
    server.pipe(client);
    client.on("close", () => server.destroy());
    server.on("close", () => client.destroy());
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("close", () => this.#sockets.delete(socket));
  }
}
