/** One run of a source: set up when its turn comes, told of while it goes on, forgotten when it is over. */
import type { EventPublisher } from "../telemetry/events.js";
import type { Telemetry } from "../telemetry/telemetry.js";
import type { RunEdges, RunOutcome } from "./context.js";
import { errorDocument, failureOf } from "./failure.js";
import { publicVoice } from "./public-voice.js";
import { conductRun } from "./run.js";
import type { RunEnd, RunFailure, RunOrder, RunSource } from "./source.js";
import type { RunStatus } from "./status.js";
import type { RunStorage } from "./storage.js";
import type { RunVoice } from "./voice.js";

/** A row of a picture. */
const REPORT_PICTURES = 8;

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
  const storage = order.storage ?? context.storage(order.directory);
  const voice = order.voice ?? publicVoice(context, order);
  voice.loading();
  let isOurs = false;
  try {
    await storage.create();
    isOurs = true;
    // Of an attempt before this one.
    await storage.remove("error.json");
    voice.pending();
    const outcome = await inItsPlace(context, { order, storage, voice, runsSideBySide });
    voice.ended(outcome);
    return { outcome };
  } catch (error) {
    const failure = failureOf(error);
    voice.failed(error);
    if (order.isAlone) throw error;
    // Where another process writes, not even a failure is written.
    if (isOurs)
      await recordFailure(storage, failure, error, context.edges.wallClock()).catch(() => undefined);
    return { failure };
  } finally {
    if (isOurs) await storage.release().catch(() => undefined);
  }
}

interface Conducted {
  order: RunOrder;
  storage: RunStorage;
  voice: RunVoice;
  runsSideBySide: () => number;
}

async function inItsPlace(
  { edges, source, environment, storage: storageAt }: ConductContext,
  { order, storage, voice, runsSideBySide }: Conducted,
): Promise<RunOutcome> {
  const { config, runId, evaluateOnly, account, mostLosses, origin } = order;
  const signal = order.signal === undefined ? edges.signal : AbortSignal.any([edges.signal, order.signal]);
  const data = await edges.shelf.dataset(config.data);
  const observer = voice.observer(data);
  // Where nobody looks into a directory of its own, nobody asks what it was made with. A full disk costs the document, and
  // not the run.
  const describe = async (): Promise<void> => {
    if (order.storage !== undefined) return;
    await storage
      .writeJson("env.json", environment())
      .catch((error: Error) => observer.note("warning", error.message));
  };
  await describe();
  const outcome = await conductRun({
    ...edges,
    signal,
    runId,
    account,
    mostLosses,
    config,
    storage,
    ...(origin === undefined ? {} : { origin: storageAt(origin) }),
    data,
    // A trial has no report of its own.
    pictures: order.storage === undefined ? REPORT_PICTURES : 0,
    evaluateOnly,
    runsSideBySide,
    beside: (directory) => source.beside(directory),
    onTrained: () => source.trained(order),
    observer,
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
