/** The answer to a result that does not count. */
import type { saf } from "../../shared/messages.js";
import type { Verdict } from "../leases/job.js";

/** `unitId`: where the sender held it, so that it counts against both. */
export function refused(reason: string, unitId?: string): Verdict<saf.v1.TaskReply.$Properties> {
  return {
    reply: { accepted: false, reason },
    settled: { ...(unitId === undefined ? {} : { unitId }), outcome: "refused", reason },
  };
}
