/**
 * A run that goes on from where another one ended, with settings of its own: its past is the other one's, and so are the books
 * of that past.
 */
import { basename } from "node:path";
import { ClusterError } from "../../shared/errors.js";
import { hashOf } from "../../shared/io/hash.js";
import { ORIGIN, type Origin } from "../../shared/records/origin.js";
import type { TrainingState } from "../../shared/records/checkpoint.js";
import { ENGINES, recordedEngines } from "./engines.js";
import type { RunSetup } from "./setup.js";
import { LEDGER, METRICS, WEIGHTS } from "./step-books.js";
import type { RunStorage } from "./storage.js";

/**
 * Its first checkpoint is the state that it begins with: written last, so a run that has one has the rest, and goes on as any
 * other. Throws ClusterError: "data" (there is no such state), "storage".
 */
export async function inherit(run: RunSetup, from: RunStorage): Promise<TrainingState> {
  const { storage, checkpoints, layout, resolved, identity, observer } = run;
  const warn = (message: string): void => observer.note("warning", message);
  const found = await from.openCheckpoints(layout, 1).readLatest(warn);
  if (found === undefined)
    throw new ClusterError("data", `Cannot begin ${storage.path}: there is no checkpoint in ${from.path}`);
  const { state } = found;
  const behind = (line: { step: number }): boolean => line.step < state.step;
  await copyJournal(run, from, LEDGER, behind);
  await copyJournal(run, from, METRICS, behind);
  await copyJournal(run, from, WEIGHTS, ({ step }) => step <= state.step);
  await storage.writeJson(ENGINES, await recordedEngines(from));
  const weights = hashOf(state.parameters);
  const origin: Origin = { run: basename(from.path), step: state.step, weights_sha256: weights };
  await storage.writeJson(ORIGIN, origin);
  const { name: model, settings } = resolved.network;
  await checkpoints.write(state, { model, settings, identity, cleanAccuracy: null, best: false });
  observer.note("info", `Goes on from step ${state.step} of ${basename(from.path)}, with its own settings`);
  return state;
}

/** In place of what an attempt before this one left. */
async function copyJournal(
  { storage, observer }: RunSetup,
  from: RunStorage,
  name: string,
  isWanted: (line: { step: number }) => boolean,
): Promise<void> {
  const warn = (message: string): void => observer.note("warning", message);
  const lines = await from.readJournal<{ step: number }>(name, warn);
  await storage.trimJournal<object>(name, () => false, warn);
  const journal = await storage.openJournal(name, (error) => warn(error.message));
  try {
    for (const line of lines.filter(isWanted)) journal.append(line);
    await journal.flush();
  } finally {
    await journal.close();
  }
}
