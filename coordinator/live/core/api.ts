/** The HTTP API: each path with its answer's schema, and how the answer comes from the live state. All are GET. */
import { z } from "zod";
import type { LiveState } from "./live-state.js";
import {
  clusterView,
  curveView,
  evaluationView,
  eventView,
  runView,
  sweepView,
  takenView,
  waitView,
  workerView,
} from "./views.js";

export const API = "/api/v1";

export interface Endpoint {
  /** Below /api/v1; `{run}` and `{sweep}` are names. */
  path: string;
  summary: string;
  schema: z.ZodType;
  /** `name` is empty where the path has none; the answer is undefined where nothing is called so. */
  answer: (state: LiveState, name: string, query: URLSearchParams) => unknown;
}

export const errorView = z
  .strictObject({ error: z.strictObject({ status: z.int(), message: z.string() }) })
  .meta({ id: "Error" });

const healthView = z.strictObject({ status: z.literal("ok"), cluster: clusterView }).meta({ id: "Health" });

const statusView = z
  .strictObject({
    cluster: clusterView,
    runs: z.array(runView),
    workers: z.array(workerView),
    waits: z.array(waitView).describe("what is waited for"),
    taken: z.array(takenView).describe("the last leases that were taken away, the newest first"),
  })
  .meta({ id: "Status", description: "Who is slow, what is waited for, and why leases were taken away." });
export type StatusView = z.infer<typeof statusView>;

const evaluationAnswer = evaluationView.meta({
  id: "Evaluation",
  description: "What an evaluation has found so far, point by point.",
});

export const ENDPOINTS: readonly Endpoint[] = [
  {
    path: "/health",
    summary: "The cluster, and when its coordinator last spoke",
    schema: healthView,
    answer: (state) => ({ status: "ok", cluster: state.cluster }),
  },
  {
    path: "/status",
    summary: "All that `saf status` shows",
    schema: statusView,
    answer: ({ cluster, runs, workers, waits, taken }): StatusView => ({
      ...{ cluster, workers, waits, taken },
      runs: runs.map(({ view }) => view),
    }),
  },
  {
    path: "/runs",
    summary: "All runs",
    schema: z.strictObject({ runs: z.array(runView) }),
    answer: (state) => ({ runs: state.runs.map(({ view }) => view) }),
  },
  {
    path: "/runs/{run}",
    summary: "One run",
    schema: runView,
    answer: (state, name) => state.run(name)?.view,
  },
  {
    path: "/runs/{run}/curve",
    summary: "Loss and accuracy of a run by step",
    schema: curveView,
    answer: (state, name) => state.run(name)?.curve(),
  },
  {
    path: "/runs/{run}/evaluation",
    summary: "Accuracy against strength, as far as it is measured, and the sanity checks",
    schema: evaluationAnswer,
    answer: (state, name) => {
      const run = state.run(name);
      if (run === undefined) return undefined;
      const { view, final, series, checks } = run;
      const { evaluation, clean_accuracy, unreliable } = view;
      const found = { series: [...series.values()], checks };
      return { run: view.name, evaluation, clean_accuracy, final, unreliable, ...found };
    },
  },
  {
    path: "/sweeps",
    summary: "All sweeps: counts, rungs, the best trials, throughput and the newest decisions",
    schema: z.strictObject({ sweeps: z.array(sweepView) }),
    answer: (state) => ({ sweeps: state.sweeps }),
  },
  {
    path: "/sweeps/{sweep}",
    summary: "One sweep",
    schema: sweepView,
    answer: (state, name) => state.sweep(name),
  },
  {
    path: "/workers",
    summary: "The workers of the pool, and for a while those that left",
    schema: z.strictObject({ workers: z.array(workerView) }),
    answer: (state) => ({ workers: state.workers }),
  },
  {
    path: "/events",
    summary: "The newest events, oldest first; `after` leaves out those up to a number",
    schema: z.strictObject({ events: z.array(eventView) }),
    answer: (state, _, query) => {
      const after = query.get("after");
      return { events: state.events.filter(({ seq }) => after === null || seq > Number(after)) };
    },
  },
];

/** What a path is about, where it has a name in it: "run". */
export function namedIn(path: string): string | undefined {
  return /\{(\w+)\}/.exec(path)?.[1];
}

/** The endpoint of a path below /api/v1, and the name in it. */
export function endpointOf(path: string): { endpoint: Endpoint; name: string } | undefined {
  const parts = path.split("/");
  for (const endpoint of ENDPOINTS) {
    const wanted = endpoint.path.split("/");
    const isName = (part: string): boolean => namedIn(part) !== undefined;
    const fits = (part: string, i: number): boolean => part === parts[i] || (isName(part) && parts[i] !== "");
    if (wanted.length !== parts.length || !wanted.every(fits)) continue;
    return { endpoint, name: parts[wanted.findIndex(isName)] ?? "" };
  }
  return undefined;
}
