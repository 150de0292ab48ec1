/** A rung by hand. */
import { type Contender, type Rung, byLoss, byMean } from "../../../../coordinator/sweeps/pruners/pruner.js";
import { Ranked } from "../../../../coordinator/sweeps/ranked.js";

export interface RungByHand extends Rung {
  gone: number;
}

/** Trials by their losses, the first is number 0; `decided`: numbers on which something is decided already. */
export function rungOf(
  losses: readonly number[],
  { rung = 0, decided = [] as number[], gone = 0 } = {},
): RungByHand {
  const contenders = losses.map(contender);
  const ranked = (compare: typeof byLoss, from: readonly Contender[]): Ranked<Contender> => {
    const made = new Ranked<Contender>(compare);
    for (const one of from) made.add(one);
    return made;
  };
  return {
    rung,
    samples: 20_000 * 3 ** rung,
    measured: ranked(byLoss, contenders),
    byMean: ranked(byMean, contenders),
    waiting: ranked(
      byLoss,
      contenders.filter(({ number }) => !decided.includes(number)),
    ),
    gone,
  };
}

export function contender(loss: number, number: number): Contender {
  return { trial: `t${number}`, number, loss, best: loss, mean: loss };
}
