/**
 * Does an evaluation get faster with workers? One trained run is measured by one worker and by two in turns, each time
 * from nothing: `node deploy/bootstrap.mjs exec dist/test/bench/evaluation-scaling.js RUN [ROUNDS] [IMAGES]`.
 * Timed from the moment the last worker has joined until the last result is written.
 */
import { ratios, summarise } from "../../deploy/bench/core/statistics.js";
import { timedEvaluation } from "../../deploy/bench/evaluation.js";

const [run, rounds = "3", images = "1000"] = process.argv.slice(2);
if (run === undefined) throw new RangeError("Name the directory of a trained run");
const seconds = async (place: string, workers: number): Promise<number> =>
  (await timedEvaluation(place, { workers, images: Number(images), protocol: "paper" })).seconds;
const one: number[] = [];
const two: number[] = [];
for (let round = 1; round <= Number(rounds); round++) {
  one.push(await seconds(run, 1));
  two.push(await seconds(run, 2));
  process.stderr.write(`round ${round}: ${one.at(-1)?.toFixed(1)} s, ${two.at(-1)?.toFixed(1)} s\n`);
}
const result = {
  images: Number(images),
  one_worker_seconds: summarise(one),
  two_workers_seconds: summarise(two),
  speedup: ratios(one, two),
};
process.stdout.write(`${JSON.stringify(result, null, 1)}\n`);
