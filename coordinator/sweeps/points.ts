/**
 * All settings of a finite space in a fixed order, by their place: none is stored. The last parameter changes fastest; one
 * whose condition does not hold is not tried, so what differs in it alone is one point.
 */
import { at } from "../../shared/core/at.js";
import type { SettingValue } from "../../shared/config/sweep.js";
import type { Values } from "../../shared/records/sweep-line.js";
import { type Conditional, type Test, inOrder, passes, testsOf } from "./conditions.js";
import { type Domain, sizeOf, valueAt } from "./domains.js";

type Dimension = Conditional & { domain: Domain };

interface Placed {
  path: string;
  domain: Domain;
  size: number;
  /** What later parameters ask of this one. */
  asked: { by: number; test: Test }[];
}

/** A parameter with more values counts as if nobody asked anything of it. */
const MOST_ASKED = 10_000;

export class Points {
  /** Infinite where a range has no steps; an upper bound where something is asked of one with very many values. */
  readonly count: number;
  readonly #placed: readonly Placed[];
  readonly #counts = new Map<string, number>();
  /** By place and standing: how many points lie before each value's own. */
  readonly #before = new Map<string, Float64Array>();

  /** What a condition asks of other parameters than these is taken to hold. */
  constructor(parameters: readonly Dimension[]) {
    const ordered = inOrder(parameters);
    this.#placed = ordered.map(({ path, domain }) => {
      const size = sizeOf(domain);
      return { path, domain, size, asked: size > MOST_ASKED ? [] : askedOf(path, ordered) };
    });
    this.count = this.#countFrom(0, NONE);
  }

  /** Throws RangeError where there is no such point. */
  at(place: number): Values {
    if (!(place >= 0 && place < this.count)) throw new RangeError(`No point ${place} among ${this.count}`);
    const values: Record<string, SettingValue> = {};
    let out = NONE;
    let rest = place;
    this.#placed.forEach((parameter, i) => {
      if (out.has(i)) {
        out = withoutAsked(parameter, out, i);
        return;
      }
      const { chosen, before } = this.#chosen(i, out, rest);
      const value = valueAt(parameter.domain, chosen);
      values[parameter.path] = value;
      rest -= before;
      out = asking(parameter, value, out);
    });
    return values;
  }

  /** Points over the parameters from `i` on. `out`: which of them are not tried. */
  #countFrom(i: number, out: ReadonlySet<number>): number {
    const parameter = this.#placed[i];
    if (parameter === undefined) return 1;
    const key = keyOf(i, out);
    const known = this.#counts.get(key);
    if (known !== undefined) return known;
    const count = out.has(i)
      ? this.#countFrom(i + 1, withoutAsked(parameter, out, i))
      : this.#countOfValues(parameter, i, out);
    this.#counts.set(key, count);
    return count;
  }

  #countOfValues(parameter: Placed, i: number, out: ReadonlySet<number>): number {
    const { size, asked } = parameter;
    if (asked.length === 0) return size * this.#countFrom(i + 1, out);
    return this.#placesBefore(parameter, i, out)[size] ?? 0;
  }

  #placesBefore(parameter: Placed, i: number, out: ReadonlySet<number>): Float64Array {
    const key = keyOf(i, out);
    const known = this.#before.get(key);
    if (known !== undefined) return known;
    const before = new Float64Array(parameter.size + 1);
    for (let place = 0; place < parameter.size; place += 1) {
      const next = asking(parameter, valueAt(parameter.domain, place), out);
      before[place + 1] = at(before, place) + this.#countFrom(i + 1, next);
    }
    this.#before.set(key, before);
    return before;
  }

  /** Which value of a parameter the point has, and how many points lie before that value's. */
  #chosen(i: number, out: ReadonlySet<number>, rest: number): { chosen: number; before: number } {
    const parameter = at(this.#placed, i);
    if (parameter.asked.length === 0) {
      const each = this.#countFrom(i + 1, out);
      const chosen = Math.floor(rest / each);
      return { chosen, before: chosen * each };
    }
    const before = this.#placesBefore(parameter, i, out);
    let [low, high] = [0, parameter.size];
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if (at(before, middle) <= rest) low = middle;
      else high = middle;
    }
    return { chosen: low, before: at(before, low) };
  }
}

function askedOf(path: string, ordered: readonly Dimension[]): Placed["asked"] {
  return ordered.flatMap((other, by) =>
    testsOf(other)
      .filter(([asked]) => asked === path)
      .map(([, test]) => ({ by, test })),
  );
}

const NONE: ReadonlySet<number> = new Set();

function keyOf(i: number, out: ReadonlySet<number>): string {
  return `${i}|${[...out].sort((a, b) => a - b).join(",")}`;
}

/** Whoever asks something of a parameter that is not tried is not tried either. */
function withoutAsked({ asked }: Placed, out: ReadonlySet<number>, i: number): ReadonlySet<number> {
  return new Set([...[...out].filter((other) => other !== i), ...asked.map(({ by }) => by)]);
}

function asking({ asked }: Placed, value: SettingValue, out: ReadonlySet<number>): ReadonlySet<number> {
  const failing = asked.filter(({ test }) => !passes(test, value));
  return failing.length === 0 ? out : new Set([...out, ...failing.map(({ by }) => by)]);
}
