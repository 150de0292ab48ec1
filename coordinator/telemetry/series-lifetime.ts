/**
 * When the series of who is gone go too. A worker that left, or a run that ended, stays to be seen for two scrapes, so
 * that its last values are stored; where nobody scrapes it goes after a while, or names would pile up for ever.
 */

/** Scrapes after the departure that still show it. */
export const SCRAPES_SHOWN = 2;
/** Scrapes closer together than this count as one: somebody looks by hand, or there are two servers. */
export const SCRAPE_GAP_MS = 5_000;
/** Shown no longer than this, scraped or not. */
export const LONGEST_MS = 10 * 60_000;
/** Where many leave before a scrape, the newest so many are shown; the others go together, for that is cheaper. */
export const MOST_DEPARTED = 64;
const GO_TOGETHER = 32;

interface Departure {
  leftMs: number;
  scrapes: number;
  lastScrapeMs: number;
}

export class SeriesLifetime {
  readonly #departed = new Map<string, Departure>();

  /** Its series are not to stay. */
  left(name: string, nowMs: number): void {
    if (!this.#departed.has(name))
      this.#departed.set(name, { leftMs: nowMs, scrapes: 0, lastScrapeMs: -Infinity });
  }

  /** It is back before its series went. */
  returned(name: string): void {
    this.#departed.delete(name);
  }

  /** A scrape begins: names whose series it is not to show any more. They are forgotten here. */
  scraped(nowMs: number): string[] {
    const due: string[] = [];
    for (const [name, departure] of this.#departed) {
      if (departure.scrapes >= SCRAPES_SHOWN && nowMs - departure.lastScrapeMs >= SCRAPE_GAP_MS)
        due.push(name);
      else if (nowMs - departure.lastScrapeMs >= SCRAPE_GAP_MS) {
        departure.scrapes++;
        departure.lastScrapeMs = nowMs;
      }
    }
    return this.#forget([...due, ...this.#overdue(nowMs)]);
  }

  /** The same where nobody scrapes, or not often enough. */
  expired(nowMs: number): string[] {
    return this.#forget([...this.#overdue(nowMs), ...this.#surplus()]);
  }

  #overdue(nowMs: number): string[] {
    return [...this.#departed].filter(([, { leftMs }]) => nowMs - leftMs >= LONGEST_MS).map(([name]) => name);
  }

  /** Those that left first. */
  #surplus(): string[] {
    const names = [...this.#departed.keys()];
    return names.length < MOST_DEPARTED + GO_TOGETHER ? [] : names.slice(0, -MOST_DEPARTED);
  }

  #forget(names: readonly string[]): string[] {
    const unique = [...new Set(names)];
    for (const name of unique) this.#departed.delete(name);
    return unique;
  }
}
