/** A full disk pauses what needs room on it: it is tried again until there is some. */
import { type Clock, pause } from "../../shared/clock.js";
import { ClusterError, codeIn, wordsOf } from "../../shared/errors.js";

const LOOK_MS = 2000;
const NO_ROOM: readonly string[] = ["ENOSPC", "EDQUOT"];

export interface RoomEdges {
  clock: Clock;
  signal: AbortSignal;
  /** Told once, when the wait begins. */
  onWaiting: (message: string) => void;
}

/** Throws what `action` throws for another reason; ClusterError("dependency") when `signal` ends the wait. */
export async function whenThereIsRoom<Value>(
  action: () => Promise<Value>,
  { clock, signal, onWaiting }: RoomEdges,
): Promise<Value> {
  for (let isFirst = true; ; isFirst = false) {
    try {
      return await action();
    } catch (error) {
      if (!lacksRoom(error)) throw error;
      if (signal.aborted)
        throw new ClusterError("dependency", `There is still no room on the disk: ${wordsOf(error)}`, {
          cause: error,
        });
      if (isFirst) onWaiting(`${wordsOf(error)}; waiting until there is room on the disk`);
      await pause(clock, LOOK_MS, signal);
    }
  }
}

function lacksRoom(error: unknown): boolean {
  const cause = error instanceof ClusterError ? error.cause : error;
  return NO_ROOM.includes(codeIn(cause) ?? "");
}
