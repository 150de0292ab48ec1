/** `saf reproduce theory`: the paper's lemma as a picture and a number. Needs no engine and no data. */
import { resolve } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import type { TheoryDocument } from "../../coordinator/results/theory/write.js";
import { printResult, shown } from "./output.js";

interface TheoryOptions {
  out: string;
  dimension: number;
  units: number;
  blocks: number;
  points: number;
  shell: number;
  seed: number;
  json?: true;
}

const wholeFrom =
  (low: number, high: number) =>
  (text: string): number => {
    const value = Number(text);
    if (Number.isInteger(value) && value >= low && value <= high) return value;
    throw new InvalidArgumentError(`Expected a whole number from ${low} to ${high}.`);
  };

function shareOf(text: string): number {
  const value = Number(text);
  if (value > 0 && value < 1) return value;
  throw new InvalidArgumentError("Expected a number between 0 and 1.");
}

export function theoryCommand(): Command {
  return new Command("theory")
    .description(
      "the lemma: blocks of symmetric units decide membership in a ball; error falls with their number",
    )
    .option("--out <folder>", "where page, pictures and tables go", "runs/theory")
    .addOption(
      new Option("--dimension <d>", "dimension of the space").default(32).argParser(wholeFrom(2, 4096)),
    )
    .addOption(
      new Option("--units <count>", "units of the largest block")
        .default(1024)
        .argParser(wholeFrom(2, 65_536)),
    )
    .addOption(
      new Option("--blocks <count>", "blocks of each size").default(20).argParser(wholeFrom(2, 1000)),
    )
    .addOption(
      new Option("--points <count>", "test points of each block")
        .default(1000)
        .argParser(wholeFrom(2, 100_000)),
    )
    .addOption(
      new Option("--shell <share>", "test points lie within this share of the radius from the ball's edge")
        .default(0.25)
        .argParser(shareOf),
    )
    .addOption(
      new Option("--seed <number>", "seed of all draws").default(0).argParser(wholeFrom(0, 2 ** 32 - 1)),
    )
    .option("--json", "print the numbers as one JSON document")
    .action(async (_options: TheoryOptions, command: Command) => {
      // The parent knows --out and --json too, and takes them first.
      const options = command.optsWithGlobals<TheoryOptions>();
      const { out, json, dimension, units, blocks, points, shell, seed } = options;
      const numbers = { dimension, units, blocks, points, shell, seed };
      // Drawing needs vega, which takes a while to load.
      const { writeTheory } = await import("../../coordinator/results/theory/write.js");
      const document = await writeTheory(resolve(out), { ...numbers, radius: 1 });
      printResult(json === true ? document : tableOf(document));
      if (json !== true) process.stderr.write(`\nreport     ${shown(document.page)}\n`);
    });
}

/** Error in percent, measured and expected, by units. */
function tableOf({ errors, exponents }: TheoryDocument): string {
  const cell = (share: number | undefined): string => (100 * (share ?? NaN)).toFixed(2).padStart(9);
  const of = (unit: string, units: number): (typeof errors)[number] | undefined =>
    errors.find((error) => error.unit === unit && error.units === units);
  const sizes = [...new Set(errors.map(({ units }) => units))];
  const rows = sizes.map((units) => {
    const [mrelu, rbf] = [of("mrelu", units), of("rbf", units)];
    return `${String(units).padStart(6)} ${cell(mrelu?.error)} ${cell(mrelu?.predicted)} ${cell(rbf?.error)} ${cell(rbf?.predicted)}`;
  });
  const exponent = (unit: string): string => (exponents[unit] ?? NaN).toFixed(2);
  return [
    "points on the wrong side of the ball, %",
    " units     mReLU  expected       RBF  expected",
    ...rows,
    `error falls as units^${exponent("mrelu")} (mReLU) and units^${exponent("rbf")} (RBF)`,
  ].join("\n");
}
