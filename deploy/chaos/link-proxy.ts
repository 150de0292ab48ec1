/** The link between one process and NATS, through which all its bytes go: it can be cut, broken, and lose messages. */
import { once } from "node:events";
import { type AddressInfo, type Server, type Socket, connect, createServer } from "node:net";
import { MessageFates, type MessageFault } from "./core/message-fates.js";
import { NatsSplitter } from "./core/nats-messages.js";

const HOST = "127.0.0.1";

export class LinkProxy {
  readonly #serverPort: number;
  readonly #sockets = new Set<Socket>();
  readonly #fates = new MessageFates();
  readonly #listener: Server;
  /** Who dialled while the link was cut. */
  #waiting: Socket[] = [];
  #isCut = false;

  private constructor(serverPort: number) {
    this.#serverPort = serverPort;
    this.#listener = createServer((client) => {
      this.#keep(client);
      if (this.#isCut) this.#waiting.push(client.pause());
      else this.#join(client);
    });
  }

  static async to(serverPort: number): Promise<LinkProxy> {
    const proxy = new LinkProxy(serverPort);
    proxy.#listener.listen(0, HOST);
    await once(proxy.#listener, "listening");
    return proxy;
  }

  get url(): string {
    return `nats://${HOST}:${(this.#listener.address() as AddressInfo).port}`;
  }

  /** No byte passes, and nobody is told. */
  cut(): void {
    this.#isCut = true;
    for (const socket of this.#sockets) socket.pause();
  }

  /** The bytes go on where they were, as TCP sends them again. */
  mend(): void {
    this.#isCut = false;
    for (const socket of this.#sockets) socket.resume();
    for (const client of this.#waiting.splice(0)) if (!client.destroyed) this.#join(client);
  }

  /** What is open breaks; the next dial passes. */
  break(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  /** Resolves when so many messages were taken, or `signal` takes the rest back. */
  take(fate: MessageFault, messages: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        disarm();
        signal.removeEventListener("abort", end);
        resolve();
      };
      const disarm = this.#fates.arm(fate, messages, end);
      if (signal.aborted) end();
      else signal.addEventListener("abort", end, { once: true });
    });
  }

  async close(): Promise<void> {
    const closed = once(this.#listener, "close");
    this.#listener.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #join(client: Socket): void {
    const server = connect(this.#serverPort, HOST);
    this.#keep(server);
    this.#pump(client, server);
    this.#pump(server, client);
    client.resume();
  }

  #pump(from: Socket, to: Socket): void {
    const splitter = new NatsSplitter();
    from.on("data", (bytes: Uint8Array) => {
      const going = splitter.take(bytes).flatMap((piece) => this.#fates.pass(piece));
      for (const part of going) if (!to.write(part)) from.pause();
    });
    to.on("drain", () => {
      if (!this.#isCut) from.resume();
    });
    from.on("close", () => to.destroySoon());
  }

  #keep(socket: Socket): void {
    socket.setNoDelay(true);
    this.#sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("close", () => this.#sockets.delete(socket));
  }
}

/** One for each process, made before the processes are. */
export class Links {
  readonly #proxies: ReadonlyMap<string, LinkProxy>;

  private constructor(proxies: ReadonlyMap<string, LinkProxy>) {
    this.#proxies = proxies;
  }

  static async to(serverUrl: string, names: readonly string[]): Promise<Links> {
    const port = Number(new URL(serverUrl).port);
    const proxies = await Promise.all(
      names.map(async (name): Promise<[string, LinkProxy]> => [name, await LinkProxy.to(port)]),
    );
    return new Links(new Map(proxies));
  }

  /** Throws RangeError for a process that has none. */
  of(name: string): LinkProxy {
    const proxy = this.#proxies.get(name);
    if (proxy === undefined) throw new RangeError(`There is no link of ${name}`);
    return proxy;
  }

  urlOf(name: string): string {
    return this.of(name).url;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#proxies.values()].map((proxy) => proxy.close()));
  }
}
