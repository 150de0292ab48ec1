/**
 * The open connections of a server. At the limit the one that has been idle for longest makes room, so that a client
 * who holds hundreds open keeps nobody out: above all not the probes, without whose answers a pod would be killed.
 */
import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";

export const MOST_CONNECTIONS = 256;

interface Held {
  socket: Socket;
  /** Answers that are not finished. */
  busy: number;
  /** An upgrade took it over: whoever did limits these. */
  taken: boolean;
}

export class Connections {
  /** Oldest idle first: what was busy is put in again when it is done. */
  readonly #open = new Map<string, Held>();
  readonly #most: number;

  constructor(most = MOST_CONNECTIONS) {
    this.#most = most;
  }

  add(socket: Socket): void {
    const key = keyOf(socket);
    if (this.#open.size >= this.#most) this.#evict();
    const held = { socket, busy: 0, taken: false };
    this.#open.set(key, held);
    socket.once("close", () => {
      if (this.#open.get(key) === held) this.#open.delete(key);
    });
  }

  busy(socket: Socket, response: ServerResponse): void {
    const key = keyOf(socket);
    const held = this.#open.get(key);
    if (held === undefined) return;
    held.busy++;
    response.once("close", () => {
      held.busy--;
      if (this.#open.get(key) !== held) return;
      this.#open.delete(key);
      this.#open.set(key, held);
    });
  }

  /** An upgrade: no answer will ever finish. */
  take(socket: Socket): void {
    const held = this.#open.get(keyOf(socket));
    if (held !== undefined) held.taken = true;
  }

  closeAll(): void {
    for (const { socket } of this.#open.values()) socket.destroy();
  }

  #evict(): void {
    const all = [...this.#open];
    const [key, held] =
      all.find(([, { busy, taken }]) => busy === 0 && !taken) ??
      all.find(([, { taken }]) => !taken) ??
      all[0] ??
      [];
    if (key === undefined) return;
    this.#open.delete(key);
    held?.socket.destroy();
  }
}

/** The same for a TLS socket and the TCP socket below it. */
function keyOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}
