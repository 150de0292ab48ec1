/**
 * A list of runs, in its order. A run that is attacked from another one's weights may end before these are final: when all
 * others are done, what it lacks is measured.
 */
import { basename, join, resolve } from "node:path";
import type { Config } from "../../shared/config/run.js";
import type { Account } from "../pool/fairness.js";
import { nameOf, withDistinctNames } from "./run-names.js";
import type { RunEnd, RunFailure, RunOrder, RunSource } from "./source.js";
import type { Neighbour } from "./surroundings.js";

export interface ListOfRuns {
  out: string;
  evaluateOnly: boolean;
  account?: Account;
  /** Each run begins with the weights that the one before it ended with, and not where that one failed. */
  lineage?: boolean;
}

/** How a run of the list ended; its results are in its directory. */
export type ListedEnd =
  | {
      name: string;
      dataset: string;
      directory: string;
      /** The name in its results. */
      model: string;
      weightsSha256: string;
      interrupted: boolean;
    }
  | { name: string; failure: RunFailure };

interface Entry {
  order: RunOrder;
  isTrained: boolean;
  /** More can be measured. */
  isIncomplete: boolean;
  end: ListedEnd | undefined;
}

export class ListSource implements RunSource {
  readonly #entries: readonly Entry[];
  readonly #byDirectory: ReadonlyMap<string, Entry>;
  readonly #waiting: RunOrder[];
  readonly #isLineage: boolean;
  #active = 0;
  #isSecondLap = false;

  /** One run uses the folder `out` itself, several get a folder each inside. */
  constructor(configs: readonly Config[], { out, evaluateOnly, account, lineage = false }: ListOfRuns) {
    this.#isLineage = lineage;
    const isAlone = configs.length === 1;
    const directoryOf = (config: Config): string => resolve(isAlone ? out : join(out, nameOf(config)));
    this.#entries = withDistinctNames(configs).map((config, i, all) => {
      const name = nameOf(config);
      const directory = directoryOf(config);
      const before = lineage ? all[i - 1] : undefined;
      const runId = runIdOf(out, name);
      const more = { ...(account && { account }), ...(before && { origin: directoryOf(before) }) };
      const order = { name, runId, directory, config, evaluateOnly, isAlone, ...more };
      return { order, isTrained: false, isIncomplete: false, end: undefined };
    });
    this.#byDirectory = new Map(this.#entries.map((entry) => [entry.order.directory, entry]));
    this.#waiting = this.#entries.map(({ order }) => order);
  }

  /** In the order of the list; runs that did not begin are missing. */
  get ends(): ListedEnd[] {
    return this.#entries.flatMap(({ end }) => end ?? []);
  }

  get pending(): number {
    return this.#waiting.length;
  }

  soon(count: number): readonly RunOrder[] {
    return this.#waiting.slice(0, count);
  }

  next(): RunOrder | "wait" | "none" {
    if (this.#waiting.length === 0 && !this.#isSecondLap) {
      if (this.#active > 0) return "wait";
      this.#isSecondLap = true;
      const incomplete = this.#entries.filter(({ isIncomplete }) => isIncomplete);
      this.#waiting.push(...incomplete.map(({ order }) => ({ ...order, evaluateOnly: true })));
    }
    if (this.#isLineage && this.#active > 0) return "wait";
    const order = this.#waiting.shift();
    if (order === undefined) return "none";
    this.#active++;
    return order;
  }

  beside(directory: string): Neighbour | undefined {
    const entry = this.#byDirectory.get(directory);
    if (entry === undefined) return undefined;
    if (entry.isTrained) return "trained";
    return entry.end === undefined ? "coming" : "lost";
  }

  trained({ directory }: RunOrder): void {
    const entry = this.#byDirectory.get(directory);
    if (entry !== undefined) entry.isTrained = true;
  }

  ended({ name, directory, config }: RunOrder, end: RunEnd): void {
    this.#active--;
    const entry = this.#byDirectory.get(directory);
    if (entry === undefined) return;
    if ("failure" in end) {
      entry.end = { name, failure: end.failure };
      if (this.#isLineage) this.#waiting.length = 0;
      return;
    }
    const { name: model, weightsSha256, result, isIncomplete } = end.outcome;
    const interrupted = result === undefined;
    entry.isIncomplete = isIncomplete;
    entry.end = { name, dataset: config.data.set, directory, model, weightsSha256, interrupted };
  }
}

function runIdOf(out: string, name: string): string {
  return `${basename(out)
    .toLowerCase()
    .replace(/[^a-z0-9-]/g, "-")}-${name}`;
}
