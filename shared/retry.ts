/** The one loop around requests whose answer may not come. */
import { RequestError } from "./bus.js";
import { type Clock, pause } from "./clock.js";

export interface RetryPolicy {
  /** Tries in all; Infinity: until an answer comes. */
  attempts: number;
  /** The wait after so many tries. `failure` is undefined when an answer came that does not end the loop. */
  pauseMs(attempts: number, failure: RequestError | undefined): number;
}

/** Who retries needs the time, and a signal that ends it. */
export interface RetryEdges {
  clock: Clock;
  signal: AbortSignal;
}

export type Retried<Answer> =
  | { kind: "answered"; answer: Answer }
  | { kind: "aborted" }
  /** `failure`: of the last try, if its request failed. */
  | { kind: "exhausted"; failure: RequestError | undefined };

/**
 * Calls `attempt` until it returns an answer, until `signal` aborts or the policy's tries are used up. A RequestError and
 * the answer `undefined` mean: again. Every other error is thrown on. `attempt` is told how the request before it failed.
 */
export async function retry<Answer>(
  policy: RetryPolicy,
  { clock, signal }: RetryEdges,
  attempt: (failure: RequestError | undefined) => Promise<Answer | undefined>,
): Promise<Retried<Answer>> {
  let failure: RequestError | undefined;
  for (let attempts = 1; !signal.aborted; attempts++) {
    try {
      const answer = await attempt(failure);
      if (answer !== undefined) return { kind: "answered", answer };
      failure = undefined;
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      failure = error;
    }
    if (attempts >= policy.attempts) return { kind: "exhausted", failure };
    const pauseMs = policy.pauseMs(attempts, failure);
    if (pauseMs > 0) await pause(clock, pauseMs, signal);
  }
  return { kind: "aborted" };
}
