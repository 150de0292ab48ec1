/** Who hears of a run, from its turn to its end: everybody (public-voice.ts), or whoever made it. */
import type { RunOutcome } from "./context.js";
import type { RunObserver } from "./observer.js";
import type { RunData } from "./surroundings.js";

export interface RunVoice {
  /** It is its turn. */
  loading(): void;
  /** Its storage is ours. */
  pending(): void;
  /** What it does from now on. */
  observer(data: RunData): RunObserver;
  ended(outcome: RunOutcome): void;
  failed(error: unknown): void;
}
