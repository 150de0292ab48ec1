/** The process's own monotonic clock and timers. */
import type { Clock } from "../clock.js";

export const realClock: Clock = {
  now: () => performance.now(),
  after(delayMs, run) {
    const timer = setTimeout(run, delayMs);
    return () => clearTimeout(timer);
  },
  every(periodMs, run) {
    let dueMs = performance.now() + periodMs;
    const timer = setInterval(() => {
      const nowMs = performance.now();
      const lateMs = Math.max(0, nowMs - dueMs);
      dueMs = nowMs + periodMs;
      run(lateMs);
    }, periodMs);
    return () => clearInterval(timer);
  },
};
