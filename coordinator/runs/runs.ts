/** Runs of a source on one pool: so many at a time; the next one begins when one ends, or when there is room for more. */
import { ClusterError } from "../../shared/errors.js";
import { type ConductContext, conductOrder } from "./conduct.js";
import type { RunEnd, RunOrder, RunSource } from "./source.js";

const ASK_AGAIN_MS = 500;

export interface RunsContext extends ConductContext {
  /** Runs at a time; asked again whenever one ends, and from time to time where it may change. */
  lanes: number | (() => number);
  /** Runs that others conduct on the pool meanwhile. */
  besides?: (() => number) | undefined;
  /** Writes the report of a run that has ended; the others go on meanwhile. */
  report?: ((order: RunOrder) => Promise<unknown>) | undefined;
}

/** Resolves when no run is left, or the signal has come and those that had begun are over. The error of an only run is thrown. */
export async function conductRuns(context: RunsContext): Promise<void> {
  const { source, lanes, telemetry, edges, besides = () => 0 } = context;
  const most = typeof lanes === "number" ? () => lanes : lanes;
  let active = 0;
  // One after another, and behind the runs: the next run begins at once.
  let reports: Promise<unknown> = Promise.resolve();
  const finished = (order: RunOrder, end: RunEnd): void => {
    active--;
    source.ended(order, end);
    reports = reports.then(() => reportOn(context, order, end));
  };
  let stopAsking: () => void = () => undefined;
  await new Promise<void>((resolve, reject) => {
    const fill = (): void => {
      while (active < most() && !edges.signal.aborted) {
        const order = nextOf(source, active);
        if (order === undefined) break;
        active++;
        conductOrder(context, order, () => active + besides()).then((end) => {
          finished(order, end);
          fill();
        }, reject);
      }
      telemetry.pending(source.pending);
      if (active === 0) resolve();
    };
    fill();
    if (typeof lanes === "function") stopAsking = edges.clock.every(ASK_AGAIN_MS, fill);
  }).finally(() => stopAsking());
  await reports;
}

function nextOf(source: RunSource, active: number): RunOrder | undefined {
  const next = source.next();
  if (next === "wait" && active === 0)
    throw new ClusterError("unexpected", "The source of runs waits for a run to end, and none is active");
  return typeof next === "string" ? undefined : next;
}

/** A report that fails costs nothing but itself: the results are on the disk. */
async function reportOn({ report, events, edges }: RunsContext, order: RunOrder, end: RunEnd): Promise<void> {
  const isWhole = "outcome" in end && end.outcome.result !== undefined && !end.outcome.isIncomplete;
  if (report === undefined || !isWhole || edges.signal.aborted) return;
  await report(order).catch((error: unknown) => {
    events.note("warning", `${order.name}: ${error instanceof Error ? error.message : String(error)}`);
  });
}
