/**
 * The bars of what is promised under faults, each by a command: `npm run bars -- NAME [KEY=NUMBER ...]`. Prints one JSON
 * document; ends with 1 where the bar is not met. They take minutes and want a quiet machine, so `npm test` has no part of
 * them.
 */
import type { Bar } from "./pools.js";
import { cuts } from "./cuts.js";
import { hashes } from "./hashes.js";
import { hostile } from "./hostile.js";
import { many } from "./many.js";
import { namespaces } from "./namespaces.js";
import { remote } from "./remote.js";
import { goodput, late, recovery, slow } from "./speed.js";
import { asha, exclusive, rerun } from "./real-sweeps.js";
import { shares, sweepKills, trials, unequal } from "./sweeps.js";

const BARS: Record<string, Bar> = {
  ...{ recovery, remote, goodput, slow, late, hashes, namespaces, cuts, many, hostile },
  ...{ trials, "sweep-kills": sweepKills, unequal, shares, asha, rerun, exclusive },
};

const [name = "", ...words] = process.argv.slice(2);
const bar = BARS[name];
const options = words.map((word): [string, number] => {
  const [key = "", value = ""] = word.split("=");
  return [key, Number(value)];
});
if (bar === undefined || options.some(([, value]) => !Number.isFinite(value))) {
  process.stderr.write(
    `usage: npm run bars -- ${Object.keys(BARS).join("|")} [rounds=N] [seconds=N] [seed=N]\n`,
  );
  process.exitCode = 2;
} else {
  const result = await bar(Object.fromEntries(options));
  process.stdout.write(`${JSON.stringify({ name, ...result }, undefined, 2)}\n`);
  process.exitCode = result.isMet ? 0 : 1;
}
