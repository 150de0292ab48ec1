/**
 * Those who look on. Each gets a snapshot, then what changed, at most a few times a second; every message is written
 * out once for all. Whoever reads too slowly is left out until the socket is empty and then gets a new snapshot: never
 * more than that waits for a viewer. Viewers send nothing but pongs.
 */
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { type WebSocket, WebSocketServer } from "ws";
import { hangUp } from "../../../shared/io/http-server.js";
import type { LiveState } from "../core/live-state.js";

export const MOST_VIEWERS = 128;
/** A viewer that has nothing to say may say this much before it is shown out. */
const LONGEST_MESSAGE_BYTES = 128;
const PUSH_EVERY_MS = 200;
/** While nothing happens: a sign of life, so that a page can tell silence from a dead line. */
const BEAT_MS = 2_000;
const PING_EVERY_MS = 15_000;
/** Behind for so long: shown out. */
const PATIENCE_MS = 30_000;
const CLOSE = { policy: 1008, goingAway: 1001 };

interface Viewer {
  socket: WebSocket;
  /** Answered the last ping. */
  isAlive: boolean;
  /** Since when it misses messages. */
  behindSinceMs: number | undefined;
}

export class Viewers {
  readonly #state: LiveState;
  readonly #clock: () => number;
  readonly #now: () => number;
  readonly #server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: LONGEST_MESSAGE_BYTES,
  });
  readonly #viewers = new Set<Viewer>();
  readonly #timers: NodeJS.Timeout[] = [];
  #push: NodeJS.Timeout | undefined;
  #pushedMs = -Infinity;
  #saidMs = -Infinity;
  /** Until something changes, all newcomers get the same. */
  #snapshot: Buffer | undefined;

  /** `clock` counts milliseconds, `now` those since 1970. */
  constructor(
    state: LiveState,
    clock: () => number = () => performance.now(),
    now: () => number = () => Date.now(),
  ) {
    this.#state = state;
    this.#clock = clock;
    this.#now = now;
    this.#timers.push(
      setInterval(() => this.#beat(), BEAT_MS / 2),
      setInterval(() => this.#ping(), PING_EVERY_MS),
    );
  }

  get count(): number {
    return this.#viewers.size;
  }

  /** The request has been looked at: path, origin and token are right. */
  admit(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    if (this.#viewers.size >= MOST_VIEWERS) {
      hangUp(socket, 503);
      return;
    }
    this.#server.handleUpgrade(request, socket, head, (opened) => this.#add(opened));
  }

  #add(socket: WebSocket): void {
    const viewer: Viewer = { socket, isAlive: true, behindSinceMs: undefined };
    this.#viewers.add(viewer);
    socket.on("pong", () => (viewer.isAlive = true));
    socket.on("message", () => socket.close(CLOSE.policy, "viewers only listen"));
    socket.on("error", () => socket.terminate());
    socket.on("close", () => this.#viewers.delete(viewer));
    socket.send(this.#currentSnapshot(), { binary: false });
  }

  #currentSnapshot(): Buffer {
    this.#snapshot ??= Buffer.from(JSON.stringify(this.#state.snapshot()));
    return this.#snapshot;
  }

  /** The state changed: tell, now or when the last telling is long enough ago. */
  changed(): void {
    this.#snapshot = undefined;
    this.#push ??= setTimeout(
      () => this.#pushNow(),
      Math.max(0, this.#pushedMs + PUSH_EVERY_MS - this.#clock()),
    );
  }

  #pushNow(): void {
    this.#push = undefined;
    this.#pushedMs = this.#clock();
    // Also without viewers: what a newcomer's snapshot holds already must not be told again as news.
    const delta = this.#state.takeDelta();
    if (delta === undefined || this.#viewers.size === 0) return;
    this.#broadcast(JSON.stringify(delta));
  }

  #beat(): void {
    if (this.#viewers.size === 0 || this.#clock() - this.#saidMs < BEAT_MS) return;
    // As a time that passed: a viewer's clock may be another.
    const silentMs = Math.max(0, this.#now() - this.#state.cluster.heard);
    this.#broadcast(JSON.stringify({ type: "beat", silent_ms: silentMs }));
  }

  #broadcast(text: string): void {
    this.#saidMs = this.#clock();
    const bytes = Buffer.from(text);
    for (const viewer of this.#viewers) this.#send(viewer, bytes);
  }

  #send(viewer: Viewer, bytes: Buffer): void {
    const { socket } = viewer;
    if (socket.bufferedAmount > 0) {
      viewer.behindSinceMs ??= this.#clock();
      if (this.#clock() - viewer.behindSinceMs > PATIENCE_MS) socket.terminate();
      return;
    }
    if (viewer.behindSinceMs === undefined) socket.send(bytes, { binary: false });
    else {
      viewer.behindSinceMs = undefined;
      socket.send(this.#currentSnapshot(), { binary: false });
    }
  }

  #ping(): void {
    for (const viewer of this.#viewers) {
      if (!viewer.isAlive) viewer.socket.terminate();
      viewer.isAlive = false;
      viewer.socket.ping();
    }
  }

  close(): void {
    for (const timer of this.#timers) clearInterval(timer);
    clearTimeout(this.#push);
    // What happened last is told before the line goes.
    this.#pushNow();
    for (const { socket } of this.#viewers) socket.close(CLOSE.goingAway, "the coordinator ends");
  }
}
