/** What was measured at each rung below the last, in order, and what the rule of early stopping makes of it. */
import { lossOf } from "../../shared/config/objectives.js";
import type { MetricValues } from "../../shared/records/sweep-line.js";
import {
  type Comparison,
  type Contender,
  type Outlook,
  type Pruner,
  type Rung,
  type Verdict,
  byLoss,
  byMean,
  placeWords,
} from "./pruners/pruner.js";
import { Ranked } from "./ranked.js";
import type { RungResult, TrialRecord } from "./trial-record.js";

class MeasuredRung implements Rung {
  readonly measured = new Ranked<Contender>(byLoss);
  readonly byMean = new Ranked<Contender>(byMean);
  readonly waiting = new Ranked<Contender>(byLoss);
  readonly rung: number;
  readonly samples: number;
  gone = 0;

  constructor(rung: number, samples: number) {
    this.rung = rung;
    this.samples = samples;
  }
}

export class MeasuredRungs {
  readonly #comparison: Comparison | undefined;
  readonly #pruner: Pruner | undefined;
  /** By number; rungs that nobody came to have 0 samples. */
  readonly #rungs: MeasuredRung[] = [];

  constructor(comparison: Comparison | undefined, pruner: Pruner | undefined) {
    this.#comparison = comparison;
    this.#pruner = pruner;
  }

  /** A trial was measured below its last rung: until something is decided it waits. */
  enter(record: TrialRecord, { rung, samples, metrics }: RungResult): void {
    const place = this.#rungOf(rung, samples);
    const contender = this.#contenderOf(record, metrics);
    record.contenders = record.contenders.concat(contender);
    place.measured.add(contender);
    place.byMean.add(contender);
    place.waiting.add(contender);
  }

  #contenderOf({ id, number, contenders }: TrialRecord, metrics: MetricValues): Contender {
    const comparison = this.#comparison;
    const loss = comparison === undefined ? Infinity : lossOf(comparison, metrics[comparison.metric]);
    const before = contenders.at(-1);
    if (before === undefined) return { trial: id, number, loss, best: loss, mean: loss };
    const count = contenders.length;
    const mean = (before.mean * count + loss) / (count + 1);
    return { trial: id, number, loss, best: Math.min(before.best, loss), mean };
  }

  #rungOf(rung: number, samples: number): MeasuredRung {
    while (this.#rungs.length <= rung) this.#rungs.push(new MeasuredRung(this.#rungs.length, 0));
    const found = this.#rungs[rung];
    if (found !== undefined && found.samples > 0) return found;
    const made = new MeasuredRung(rung, samples);
    this.#rungs[rung] = made;
    return made;
  }

  /** The trial, which waited, goes on or is stopped. */
  decided(record: TrialRecord, decision: Verdict["decision"]): void {
    const [rung, contender] = this.#newest(record);
    if (rung === undefined || contender === undefined) return;
    rung.waiting.remove(contender);
    if (decision === "go on") rung.gone++;
  }

  /** The trial has failed: its rungs are as if it had not been there, so that it takes nobody's place. */
  leave(record: TrialRecord): void {
    this.#each(record, (rung, contender) => {
      rung.measured.remove(contender);
      rung.byMean.remove(contender);
      rung.gone--;
    });
  }

  /** A trial that had failed tries again. */
  comeBack(record: TrialRecord): void {
    this.#each(record, (rung, contender) => {
      rung.measured.add(contender);
      rung.byMean.add(contender);
      rung.gone++;
    });
  }

  #each({ contenders, parent }: TrialRecord, act: (rung: MeasuredRung, contender: Contender) => void): void {
    const first = parent === undefined ? 0 : parent.rung + 1;
    contenders.forEach((contender, i) => {
      const rung = this.#rungs[first + i];
      if (rung !== undefined) act(rung, contender);
    });
  }

  #newest({ results, contenders }: TrialRecord): [MeasuredRung | undefined, Contender | undefined] {
    return [this.#rungs[results.at(-1)?.rung ?? -1], contenders.at(-1)];
  }

  /** What can be decided now, at the lowest such rung. */
  verdict(outlook: Outlook): Verdict | undefined {
    for (const rung of this.#rungs) {
      const verdict = rung.waiting.size === 0 ? undefined : this.#pruner?.verdict(rung, this.#rungs, outlook);
      if (verdict !== undefined) return verdict;
    }
    return undefined;
  }

  promotion(outlook: Outlook): Verdict | undefined {
    return this.#pruner?.promotion(this.#rungs, outlook);
  }

  /** May a later trial begin with this one's state at this rung? */
  isParent({ contenders, parent }: TrialRecord, rung: number, outlook: Outlook): boolean {
    const place = this.#rungs[rung];
    const contender = contenders[rung - (parent === undefined ? 0 : parent.rung + 1)];
    if (place === undefined || contender === undefined) return false;
    return this.#pruner?.isParent(place, contender, outlook) ?? false;
  }

  /** Where a trial that waits stands, in words. */
  placeOf(record: TrialRecord): string | undefined {
    const [rung, contender] = this.#newest(record);
    if (rung === undefined || contender === undefined) return undefined;
    return `${placeWords(rung, contender)}, waits`;
  }
}
