/** A run that everybody hears of: with events and metrics of its own. */
import type { EventPublisher } from "../telemetry/events.js";
import type { RunTelemetry, Telemetry } from "../telemetry/telemetry.js";
import type { RunOrder } from "./source.js";
import { observerOf } from "./telling.js";
import type { RunVoice } from "./voice.js";

export function publicVoice(
  { events, telemetry }: { events: EventPublisher; telemetry: Telemetry },
  order: RunOrder,
): RunVoice {
  const told = events.ofRun(order.runId, order.name);
  let shown: RunTelemetry | undefined;
  return {
    loading: () => told.phase("loading", ""),
    pending() {
      shown = telemetry.run(order.runId, order.config);
      shown.state("pending");
    },
    observer(data) {
      shown ??= telemetry.run(order.runId, order.config);
      return observerOf(order, data, told, shown);
    },
    ended({ result, isIncomplete }) {
      if (isIncomplete) {
        told.phase("waiting", "for the network that it is attacked from");
        return;
      }
      if (result !== undefined) told.result(result);
      told.finished(result === undefined);
      telemetry.ended(shown, result === undefined ? "interrupted" : "finished");
    },
    failed(error) {
      told.failed(error);
      telemetry.ended(shown, "failed");
    },
  };
}
