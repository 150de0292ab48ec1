/** A nats-server of ours that is started again when it ends by itself. */
import type { Bus } from "../../shared/bus.js";
import { type Clock, pause } from "../../shared/clock.js";
import { ClusterError } from "../../shared/errors.js";
import type { NatsExit } from "./nats/server-process.js";
import type { RunningNatsServer } from "./nats/server.js";
import { describeExit } from "./process-exit.js";
import { SERVER_RESTARTS, decideRestart } from "./restarts.js";

export interface KeptServerEdges {
  clock: Clock;
  /** Aborts when nobody needs the server any more. */
  signal: AbortSignal;
  onNote: (message: string) => void;
  /** It does not start again. */
  onLost: (message: string) => void;
}

export function keepServer(server: RunningNatsServer, edges: KeptServerEdges): void {
  server.onExit((exit) => void serverEnded(server, exit, edges));
}

async function serverEnded(server: RunningNatsServer, exit: NatsExit, edges: KeptServerEdges): Promise<void> {
  const { signal, onNote, onLost } = edges;
  if (signal.aborted) return;
  const ended = `nats-server ended (${describeExit(exit)})`;
  onNote(`${ended}: ${exit.logLines.at(-1) ?? "no log"}; starting it again`);
  const isBack = await restarted(server, exit, edges);
  if (!isBack && !signal.aborted) onLost(`${ended} and does not start again`);
}

/** Is the server there again? Tries a few times, until `signal` says that nobody needs it. */
async function restarted(
  server: RunningNatsServer,
  exit: NatsExit,
  { clock, signal, onNote }: KeptServerEdges,
): Promise<boolean> {
  for (let restarts = 0; ; restarts++) {
    const next = decideRestart(SERVER_RESTARTS, exit, restarts);
    if (next.kind !== "restart") return false;
    await pause(clock, next.pauseMs, signal);
    if (signal.aborted) return false;
    try {
      await server.restart();
      return true;
    } catch (error) {
      onNote(error instanceof Error ? error.message : String(error));
    }
  }
}

/** An ear on what a pool tells, and how long it is of use. */
export interface Observed {
  events: Bus;
  /** Nobody needs it any more. */
  stopping: AbortController;
  /** Aborts, with a ClusterError, when nobody is left who could do the work. */
  hopeless: AbortController;
}

/**
 * Connects to a server. One of `ours` is started again from its first second on, whoever connects to it; where nothing
 * comes of it, or `signal` gives up, it is stopped.
 */
export async function observe(
  ours: RunningNatsServer | undefined,
  connect: (signal: AbortSignal) => Promise<Bus>,
  { clock, onNote, signal }: Pick<KeptServerEdges, "clock" | "onNote"> & { signal: AbortSignal | undefined },
): Promise<Observed> {
  const stopping = new AbortController();
  const hopeless = new AbortController();
  const onLost = (message: string): void => hopeless.abort(new ClusterError("dependency", message));
  if (ours !== undefined) keepServer(ours, { clock, onNote, onLost, signal: stopping.signal });
  const given = AbortSignal.any(signal === undefined ? [hopeless.signal] : [hopeless.signal, signal]);
  try {
    const events = await connect(given);
    if (given.aborted) await events.close();
    given.throwIfAborted();
    return { events, stopping, hopeless };
  } catch (error) {
    stopping.abort();
    await ours?.stop();
    throw given.aborted ? given.reason : error;
  }
}
