/** `npm run simulate -- --seeds N [--from S] [--brief] [--bug NAME]`, or one seed: `--seed S [--without 1,4] [--trace]`. */
import { parseArgs } from "node:util";
import { simulationWith } from "./bugs.js";

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "1000" },
    from: { type: "string", default: "1" },
    // Goes on after a seed that fails, and says only that it did.
    brief: { type: "boolean", default: false },
    seed: { type: "string" },
    // Faults of the seed that are left out, by their numbers.
    without: { type: "string", default: "" },
    trace: { type: "boolean", default: false },
    // A bug that the history fixed: bugs.ts.
    bug: { type: "string" },
  },
});
const { prepare, simulateMany, simulateOne } =
  values.bug === undefined ? await import("./simulate.js") : await simulationWith(values.bug);
prepare(values.bug);
const without = values.without.split(",").filter((text) => text !== "");
process.exitCode =
  values.seed === undefined
    ? await simulateMany(Number(values.from), Number(values.seeds), values.brief)
    : await simulateOne(Number(values.seed), without.map(Number), values.trace);
