/** What is said of a process that ended and is started again. */
import { logFile } from "./program.js";
import { RECENT_MS } from "./restarts.js";

/** From so many ends within RECENT_MS on, they are counted in what is said of them. */
const MANY_ENDS = 3;

/** One end says little; of several, somebody has to find the reason. */
export function againWords(logs: string, name: string, recent: number): string {
  return recent < MANY_ENDS
    ? "starting it again"
    : `that is ${recent} times in ${RECENT_MS / 60_000} minutes, see ${logFile(logs, name)}; starting it again`;
}
