/**
 * Sends a sweep to an MLflow server: each run is made once, then gets its parameters, metrics and tags in batches. It reads
 * the sweep's directory and nothing else: no training waits for it.
 */
import { createHash } from "node:crypto";
import { z } from "zod";
import { ClusterError } from "../../../../shared/errors.js";
import { batchesOf } from "./mlflow-batches.js";
import { type MlflowRun, type MlflowSweep, PARENT_TAG, RUN_TAG, SWEEP_TAG } from "./mlflow-runs.js";
import type { MlflowSent, SentRun } from "./mlflow-sent.js";
import type { MlflowServer } from "./mlflow-server.js";

export interface MlflowReport {
  format: "mlflow";
  tracking_uri: string;
  experiment_id: string;
  /** The file that remembers what was sent. */
  path: string;
  runs: number;
  /** Of them, made by this command. */
  created: number;
  /** Numbers sent by this command. */
  metrics: number;
}

export interface SendOptions {
  server: MlflowServer;
  /** Told so often of how many runs of how many are sent. */
  onProgress?: (done: number, all: number) => void;
}

/** Requests under way at once. */
const AT_ONCE = 4;
const PAGE = 1000;
const MOST_PAGES = 2000;

const anything = z.object({});
const experimentAnswer = z.object({
  experiment: z.object({ experiment_id: z.string(), lifecycle_stage: z.string().optional() }),
});
const newExperiment = z.object({ experiment_id: z.string() });
const foundRun = z.object({
  info: z.object({ run_id: z.string() }),
  data: z
    .object({
      tags: z.array(z.object({ key: z.string(), value: z.string().default("") })).default([]),
      metrics: z
        .array(z.object({ key: z.string(), step: z.union([z.number(), z.string()]).default(0) }))
        .default([]),
    })
    .prefault({}),
});
type FoundRun = z.output<typeof foundRun>;
const runAnswer = z.object({ run: foundRun });
const runsAnswer = z.object({
  runs: z.array(foundRun).default([]),
  next_page_token: z.string().optional(),
});

/** The experiment of this name; made where there is none. Throws ClusterError: "dependency", "usage" (it was deleted). */
export async function findExperiment(server: MlflowServer, name: string): Promise<string> {
  const find = async (): Promise<z.output<typeof newExperiment> | undefined> => {
    const found = await server.get("experiments/get-by-name", { experiment_name: name }, experimentAnswer);
    if (found?.experiment.lifecycle_stage === "deleted") throw deleted(name, server.uri);
    return found?.experiment;
  };
  const found = (await find()) ?? (await server.make("experiments/create", { name }, newExperiment, find));
  return found.experiment_id;
}

function deleted(name: string, uri: string): ClusterError {
  return new ClusterError("usage", `Cannot send to experiment "${name}" of ${uri}: it was deleted there`, {
    hint: `restore it, or delete it for good: mlflow gc`,
  });
}

/** Throws ClusterError: "dependency" (no server; the same command goes on later), "storage". */
export async function sendSweep(
  sweep: MlflowSweep,
  experiment: string,
  sent: MlflowSent,
  { server, onProgress }: SendOptions,
): Promise<MlflowReport> {
  const sender = new Sender(server, sent, experiment);
  const all = [sweep.parent, ...sweep.children];
  if (all.some(({ key }) => sent.of(key) === undefined)) await sender.lookUp(sweep.sweep);
  const parent = await sender.send(sweep.parent, undefined);
  let done = 1;
  await eachOf(sweep.children, async (run) => {
    await sender.send(run, parent);
    onProgress?.(++done, all.length);
  });
  return {
    format: "mlflow",
    tracking_uri: server.uri,
    experiment_id: experiment,
    path: sent.file,
    runs: all.length,
    ...sender.counts,
  };
}

/** A few at once; the first that fails ends them all, when those under way have ended. */
async function eachOf<Item>(items: readonly Item[], act: (item: Item) => Promise<void>): Promise<void> {
  let next = 0;
  let hasFailed = false;
  const lane = async (): Promise<void> => {
    for (let item = items[next++]; item !== undefined && !hasFailed; item = items[next++]) {
      await act(item).catch((error: unknown) => {
        hasFailed = true;
        throw error;
      });
    }
  };
  const ended = await Promise.allSettled(Array.from({ length: AT_ONCE }, lane));
  for (const one of ended) if (one.status === "rejected") throw one.reason;
}

class Sender {
  readonly counts = { created: 0, metrics: 0 };
  readonly #server: MlflowServer;
  readonly #sent: MlflowSent;
  readonly #experiment: string;
  /** Runs that the server has and the file does not know: the command was killed between the two, or the file is lost. */
  readonly #found = new Map<string, FoundRun>();

  constructor(server: MlflowServer, sent: MlflowSent, experiment: string) {
    this.#server = server;
    this.#sent = sent;
    this.#experiment = experiment;
  }

  async lookUp(sweep: string): Promise<void> {
    let token: string | undefined;
    for (let page = 0; page < MOST_PAGES; page++) {
      const { runs, next_page_token: next } = await this.#search(SWEEP_TAG, sweep, PAGE, token);
      for (const run of runs) {
        const key = run.data.tags.find((tag) => tag.key === RUN_TAG)?.value;
        if (key !== undefined) this.#found.set(key, run);
      }
      if (next === undefined || next === "") return;
      token = next;
    }
  }

  /** The run's id on the server. */
  async send(run: MlflowRun, parent: string | undefined): Promise<string> {
    const found = this.#found.get(run.key);
    let known = this.#sent.of(run.key);
    const isNew = known === undefined && found === undefined;
    if (known === undefined) {
      const id = found?.info.run_id ?? (await this.#create(run, parent));
      known = { id, params: 0, metrics: found === undefined ? 0 : metricsThere(run, found) };
      await this.#sent.note(run.key, known);
    }
    const state = stateOf(run);
    // A new run was made with its tags.
    const tags = isNew || known.state === state ? [] : [...run.tags];
    const params = run.params.slice(known.params);
    const metrics = run.metrics.slice(known.metrics);
    for (const batch of batchesOf({ params, metrics, tags })) {
      await this.#server.post("runs/log-batch", { run_id: known.id, ...batch }, anything);
      const { params: more, metrics: further } = batch;
      known = { ...known, params: known.params + more.length, metrics: known.metrics + further.length };
      this.counts.metrics += further.length;
      await this.#sent.note(run.key, known);
    }
    if (known.state !== state) await this.#update(run, known, state);
    return known.id;
  }

  async #create(run: MlflowRun, parent: string | undefined): Promise<string> {
    const tags = parent === undefined ? run.tags : [...run.tags, { key: PARENT_TAG, value: parent }];
    const body = { experiment_id: this.#experiment, run_name: run.name, start_time: run.startMs, tags };
    const find = async (): Promise<{ run: FoundRun } | undefined> => {
      const [found] = (await this.#search(RUN_TAG, run.key, 1)).runs;
      return found === undefined ? undefined : { run: found };
    };
    const { run: made } = await this.#server.make("runs/create", body, runAnswer, find);
    this.counts.created++;
    return made.info.run_id;
  }

  async #update(run: MlflowRun, known: SentRun, state: string): Promise<void> {
    const end = run.endMs === undefined ? {} : { end_time: run.endMs };
    await this.#server.post("runs/update", { run_id: known.id, status: run.status, ...end }, anything);
    await this.#sent.note(run.key, { ...known, state });
  }

  #search(tag: string, value: string, most: number, token?: string): Promise<z.output<typeof runsAnswer>> {
    const query = {
      experiment_ids: [this.#experiment],
      filter: `tags.\`${tag}\` = '${value}'`,
      max_results: most,
      ...(token === undefined ? {} : { page_token: token }),
    };
    return this.#server.post("runs/search", query, runsAnswer);
  }
}

/** What may change of a run besides its metrics. */
function stateOf({ status, endMs, tags }: MlflowRun): string {
  return createHash("sha256")
    .update(JSON.stringify([status, endMs, tags]))
    .digest("hex")
    .slice(0, 16);
}

/** How many of a run's metrics the server has: all up to the first that is newer than what it knows of that name. */
function metricsThere({ metrics }: MlflowRun, found: FoundRun): number {
  const newest = new Map(found.data.metrics.map(({ key, step }) => [key, Number(step)]));
  const missing = metrics.findIndex(({ key, step }) => step > (newest.get(key) ?? -1));
  return missing < 0 ? metrics.length : missing;
}
