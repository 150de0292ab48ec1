/** Where new trials come from: draws of the sampler that are not there yet, within the limits. */
import type { Values } from "../../shared/records/sweep-line.js";
import { countOf } from "./counting.js";
import { type KnownTrial, knownTrial } from "./belonging.js";
import { samplerOf } from "./samplers/registry.js";
import type { Sampler, TriedTrial } from "./samplers/sampler.js";
import type { Space } from "./space-shape.js";

export interface Drawn {
  draw: number;
  values: Values;
  trial: KnownTrial;
}

/** What the limits look at. */
export interface Spent {
  /** Seconds since 1970: now, and when the sweep began. */
  timeS: number;
  beganS: number | undefined;
  samples: number;
}

type KnownTrials = ReadonlyMap<string, { outside: string | undefined }>;

/** So many draws in a row, and so many for each trial there is, may come to trials that are there already. */
const DRAWS_AT_LEAST = 100;
const DRAWS_A_TRIAL = 5;
const HOUR_S = 3600;

/** By the key of `limits`. */
export type Limit = "trials" | "samples" | "hours";

export class Search {
  /** How many trials there are to be; undefined while nothing bounds them. */
  readonly planned: number | undefined;
  readonly #space: Space;
  readonly #code: string;
  readonly #sampler: Sampler;
  readonly #tried: TriedTrial[] = [];
  #draw = 0;
  #made = 0;
  #hasEnded = false;

  constructor(space: Space, code: string) {
    this.planned = countOf(space);
    this.#space = space;
    this.#code = code;
    this.#sampler = samplerOf(space);
  }

  /** The journal has a trial that the present spec makes. `tried`: by the present search; not of one with a parent. */
  add(tried: TriedTrial | undefined, isDrawn: boolean): void {
    if (isDrawn) this.#made++;
    if (tried === undefined) return;
    this.#tried.push(tried);
    this.#draw = Math.max(this.#draw, tried.number + 1);
  }

  /** May more trials come, as far as is known before the sampler is asked? */
  isOpen(spent: Spent): boolean {
    return !this.#hasEnded && !this.isLimited(spent) && this.#made < (this.planned ?? Infinity);
  }

  isLimited(spent: Spent): boolean {
    return this.#reached(spent) !== undefined;
  }

  #reached({ timeS, beganS, samples }: Spent): Limit | undefined {
    const { limits } = this.#space.spec;
    if (this.#made >= (limits.trials ?? Infinity)) return "trials";
    if (samples >= (limits.samples ?? Infinity)) return "samples";
    return timeS - (beganS ?? timeS) >= (limits.hours ?? Infinity) * HOUR_S ? "hours" : undefined;
  }

  /** The limit without which more trials would begin. */
  heldBy(spent: Spent, known: KnownTrials): Limit | undefined {
    const limit = this.#reached(spent);
    return limit === undefined || this.#drawn(known) === "none" ? undefined : limit;
  }

  /** At most so many trials there will be. */
  most(spent: Spent): number {
    return this.isLimited(spent) ? this.#made : (this.planned ?? Infinity);
  }

  /** A trial that is not there yet. "wait": ask again when more is known; "none": for now there is none. */
  next(spent: Spent, known: KnownTrials): Drawn | "wait" | "none" {
    return this.isLimited(spent) ? "none" : this.#drawn(known);
  }

  #drawn(known: KnownTrials): Drawn | "wait" | "none" {
    if (this.#hasEnded) return "none";
    const draws = DRAWS_AT_LEAST + (this.#isBlind ? DRAWS_A_TRIAL * known.size : 0);
    for (let draw = this.#draw; draw < this.#draw + draws; draw++) {
      const values = this.#sampler.propose(draw, { trials: this.#tried });
      if (values === "none") this.#hasEnded = true;
      if (values === "none" || values === "wait") return values;
      const trial = knownTrial(this.#space, values, this.#code);
      const there = known.get(trial.id);
      if (there === undefined || there.outside !== undefined) return { draw, values, trial };
    }
    // A search that looks at results may find something else when it knows more.
    this.#hasEnded = this.#isBlind;
    return "none";
  }

  /** Does it look at no results? */
  get #isBlind(): boolean {
    return this.#space.method !== "tpe";
  }
}
