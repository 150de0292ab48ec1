/** One run of a source: set up when its turn comes, told of while it goes on, forgotten when it is over. */
import type { EventPublisher, RunEvents } from "../telemetry/events.js";
import type { RunTelemetry, Telemetry } from "../telemetry/telemetry.js";
import type { RunEdges, RunOutcome } from "./context.js";
import { errorDocument, failureOf } from "./failure.js";
import { conductRun } from "./run.js";
import type { RunEnd, RunFailure, RunOrder, RunSource } from "./source.js";
import type { RunStatus } from "./status.js";
import type { RunStorage } from "./storage.js";
import { observerOf } from "./telling.js";

export interface ConductContext {
  edges: RunEdges;
  source: RunSource;
  storage: (directory: string) => RunStorage;
  events: EventPublisher;
  telemetry: Telemetry;
  /** Versions and machine, for env.json. */
  environment: () => Record<string, string>;
}

/** Throws the error of a run that is alone; that of others is written into their directory. */
export async function conductOrder(
  context: ConductContext,
  order: RunOrder,
  runsSideBySide: () => number,
): Promise<RunEnd> {
  const { telemetry, edges } = context;
  const storage = context.storage(order.directory);
  const told = context.events.ofRun(order.runId, order.name);
  told.phase("loading", "");
  let shown: RunTelemetry | undefined;
  let isOurs = false;
  try {
    await storage.create();
    isOurs = true;
    // Of an attempt before this one.
    await storage.remove("error.json");
    shown = telemetry.run(order.runId, order.config);
    shown.state("pending");
    const outcome = await inItsPlace(context, { order, storage, shown, told, runsSideBySide });
    if (outcome.isIncomplete) told.phase("waiting", "for the network that it is attacked from");
    else {
      if (outcome.result !== undefined) told.result(outcome.result);
      told.finished(outcome.result === undefined);
      telemetry.ended(shown, outcome.result === undefined ? "interrupted" : "finished");
    }
    return { outcome };
  } catch (error) {
    const failure = failureOf(error);
    told.failed(error);
    telemetry.ended(shown, "failed");
    if (order.isAlone) throw error;
    // Where another process writes, not even a failure is written.
    if (isOurs) await recordFailure(storage, failure, error, edges.wallClock()).catch(() => undefined);
    return { failure };
  } finally {
    if (isOurs) await storage.release().catch(() => undefined);
  }
}

interface Conducted {
  order: RunOrder;
  storage: RunStorage;
  shown: RunTelemetry;
  told: RunEvents;
  runsSideBySide: () => number;
}

async function inItsPlace(
  { edges, source, environment }: ConductContext,
  { order, storage, shown, told, runsSideBySide }: Conducted,
): Promise<RunOutcome> {
  const { config, runId, evaluateOnly } = order;
  const data = await edges.shelf.dataset(config.data);
  // A full disk costs the document, and not the run.
  const describe = (): Promise<void> =>
    storage.writeJson("env.json", environment()).catch((error: Error) => told.note("warning", error.message));
  await describe();
  const outcome = await conductRun({
    ...edges,
    runId,
    config,
    storage,
    data,
    evaluateOnly,
    runsSideBySide,
    beside: (directory) => source.beside(directory),
    onTrained: () => source.trained(order),
    observer: observerOf(order, data, told, shown),
  });
  // Once more: workers may have joined on the way.
  await describe();
  return outcome;
}

async function recordFailure(
  storage: RunStorage,
  failure: RunFailure,
  error: unknown,
  wallMs: number,
): Promise<void> {
  await storage.writeJson("error.json", errorDocument(failure, error, wallMs));
  const status = await storage.readJson<RunStatus>("status.json").catch(() => undefined);
  if (status !== undefined)
    await storage.writeJson("status.json", { ...status, state: "failed", exit_code: failure.exit_code });
}
