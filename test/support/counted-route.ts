/** The way of a cluster's processes to their server, through the test: it counts the bytes of each, in both directions. */
import { once } from "node:events";
import { type AddressInfo, type Server, type Socket, connect, createServer } from "node:net";
import type { Route } from "../../deploy/local/cluster.js";

export class CountedRoute implements Route {
  readonly #ports = new Map<string, number>();
  readonly #servers: Server[] = [];
  readonly #sockets = new Set<Socket>();
  readonly #bytes = new Map<string, number>();

  /** For these processes; others go straight. */
  static async to(serverUrl: string, names: readonly string[]): Promise<CountedRoute> {
    const route = new CountedRoute();
    for (const name of names) await route.#listen(name, Number(new URL(serverUrl).port));
    return route;
  }

  urlOf(name: string): string {
    return `nats://127.0.0.1:${this.#ports.get(name)}`;
  }

  /** Of all processes so called. */
  bytes(prefix: string): number {
    const counted = [...this.#bytes].filter(([name]) => name.startsWith(prefix));
    return counted.reduce((sum, [, bytes]) => sum + bytes, 0);
  }

  close(): Promise<void> {
    for (const server of this.#servers) server.close();
    for (const socket of this.#sockets) socket.destroy();
    return Promise.resolve();
  }

  async #listen(name: string, target: number): Promise<void> {
    const server = createServer((client) => this.#join(name, client, connect(target, "127.0.0.1")));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    this.#servers.push(server);
    this.#ports.set(name, (server.address() as AddressInfo).port);
  }

  #join(name: string, client: Socket, server: Socket): void {
    const pairs = [
      [client, server],
      [server, client],
    ] as const;
    for (const [from, to] of pairs) {
      this.#sockets.add(from);
      from.on("data", (piece) => this.#bytes.set(name, (this.#bytes.get(name) ?? 0) + piece.length));
      from.on("error", () => undefined);
      from.on("close", () => {
        this.#sockets.delete(from);
        to.destroy();
      });
      from.pipe(to);
    }
  }
}
