/** Where runs come from: a list of settings (list-source.ts), or a search that makes them as it goes. */
import type { Config } from "../../shared/config/run.js";
import type { ErrorCode } from "../../shared/errors.js";
import type { Account } from "../pool/fairness.js";
import type { RunOutcome } from "./context.js";
import type { RunStorage } from "./storage.js";
import type { Neighbour } from "./surroundings.js";
import type { RunVoice } from "./voice.js";

/** A run to be conducted. */
export interface RunOrder {
  name: string;
  /** The same for every process that works on this directory; letters, digits and dashes. */
  runId: string;
  /** The run's directory, an absolute path. */
  directory: string;
  config: Config;
  /** The directory of the run whose newest state it begins with, while it has none of its own. */
  origin?: string;
  /** Measure the newest checkpoint as it is. */
  evaluateOnly: boolean;
  /** There is no other run: its error ends the coordinator, and messages need not name it. */
  isAlone: boolean;
  /** Where it is kept, when that is no directory of its own. */
  storage?: RunStorage;
  /** Who hears of it, when that is not everybody: one of very many is told of together with the others. */
  voice?: RunVoice;
  /** Ends this run alone, as a signal ends all. */
  signal?: AbortSignal;
  /** In whose name its work asks for workers. */
  account?: Account;
  /** Workers that may be lost at one piece of its work before it is taken to be what ends them; any number when undefined. */
  mostLosses?: number;
}

export interface RunFailure {
  code: ErrorCode;
  message: string;
  exit_code: number;
}

export type RunEnd = { outcome: RunOutcome } | { failure: RunFailure };

export interface RunSource {
  /** A run to begin now; "wait": ask again when a run has ended; "none": no run will come any more. */
  next(): RunOrder | "wait" | "none";
  /** Runs that begin first, as far as they are known: they are shown while workers are awaited. */
  soon(count: number): readonly RunOrder[];
  /** Runs that are known and have not begun. */
  readonly pending: number;
  /** The run in this directory, if this source has made it or will. */
  beside(directory: string): Neighbour | undefined;
  /** The weights of the run are final. */
  trained(order: RunOrder): void;
  /** The run is over, this time; every run that `next` gave ends. */
  ended(order: RunOrder, end: RunEnd): void;
}
