/**
 * Whether an engine works or hangs, from how long it has said nothing about its order. Only time in which this process ran
 * counts: one that was stopped or starved saw no answer because nobody could see any.
 */

/** The engine is looked at this often. */
export const LOOK_MS = 1000;
/** So much may pass between two looks; more, and the process itself stood still. */
const MOST_BETWEEN_LOOKS_MS = 2 * LOOK_MS;

export interface Silence {
  /** Since the engine last said something, as far as we could have heard it. */
  silentMs: number;
  /** What it had done by then. */
  progress: number;
}

export const NO_SILENCE: Silence = { silentMs: 0, progress: 0 };

/** After another look, `sinceMs` after the one before; by then the engine has done `progress`. */
export function afterLook(
  { silentMs, progress: before }: Silence,
  sinceMs: number,
  progress: number,
): Silence {
  if (progress !== before) return { silentMs: 0, progress };
  return { silentMs: silentMs + Math.min(sinceMs, MOST_BETWEEN_LOOKS_MS), progress };
}

/** `late`: most of its patience is over. `patienceMs`: what the lease allows; 0: for ever. */
export function stateOfEngine({ silentMs }: Silence, patienceMs: number): "works" | "late" | "hangs" {
  if (patienceMs === 0 || silentMs < patienceMs / 2) return "works";
  return silentMs < patienceMs ? "late" : "hangs";
}
