/**
 * A machine that has joined looks now and then who answers at its pool's address. Workers that dial a pool which was begun anew
 * (`saf up --fresh`) dial in vain, and only their logs would say so.
 */
import type { Clock } from "../../shared/clock.js";
import { isOfAnotherAuthority } from "./find-authority.js";

const LOOK_EVERY_MS = 30_000;

export interface WatchEdges {
  /** Throws where the token's authority is not shown. */
  look: () => Promise<unknown>;
  clock: Clock;
  onNote: (message: string) => void;
}

/** Says so once each time another authority has taken its place; whoever answers there has no say in what runs here. Returns what ends it. */
export function watchAuthority({ look, clock, onNote }: WatchEdges): () => void {
  let isTold = false;
  let isLooking = false;
  const lookOnce = async (): Promise<void> => {
    isLooking = true;
    const failure = await look().then(
      () => undefined,
      (error: unknown) => error,
    );
    isLooking = false;
    // A server that does not answer tells nothing: it may be the same one again.
    if (failure === undefined) isTold = false;
    if (!isOfAnotherAuthority(failure) || isTold) return;
    isTold = true;
    onNote(
      "the pool shows another authority than the one that was joined: it was begun anew (saf up --fresh), or somebody else answers there. " +
        "The workers here dial in vain: end this by Ctrl-C, and join with the new token",
    );
  };
  return clock.every(LOOK_EVERY_MS, () => {
    if (!isLooking) void lookOnce();
  });
}
