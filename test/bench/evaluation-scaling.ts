/**
 * Does an evaluation get faster with workers? One trained run is measured by one worker and by two in turns, each time
 * from nothing: `node deploy/bootstrap.mjs exec dist/test/bench/evaluation-scaling.js RUN [ROUNDS] [IMAGES]`.
 * Timed from the moment the last worker has joined until the last result is written.
 */
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ratios, summarise } from "../../deploy/bench/statistics.js";
import { ROOT } from "../docs/tables.js";

const MEASURED = ["eval", "plots", "report.html", "result.json", "results.json", "log.jsonl"];

function evaluationSeconds(run: string, workers: number, images: string): number {
  const scratch = mkdtempSync(join(tmpdir(), "saf-scaling-"));
  try {
    const copy = join(scratch, "run");
    cpSync(run, copy, { recursive: true });
    for (const entry of MEASURED) rmSync(join(copy, entry), { recursive: true, force: true });
    const { status, stderr } = spawnSync(
      process.execPath,
      [
        join(ROOT, "deploy/saf.mjs"),
        "evaluate",
        copy,
        ...["--workers", String(workers), "--images", images, "--protocol", "paper", "--json"],
        ...["--progress", "none", "--set", `pool.min_workers=${workers}`],
      ],
      { encoding: "utf8", maxBuffer: 2 ** 26 },
    );
    if (status !== 0) throw new Error(`saf evaluate ended with ${String(status)}: ${stderr}`);
    return statSync(join(copy, "eval/results.jsonl")).mtimeMs / 1000 - lastJoined(join(copy, "log.jsonl"));
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function lastJoined(log: string): number {
  const joined = readFileSync(log, "utf8")
    .split("\n")
    .filter((line) => line.includes(" joined"))
    .map((line) => Date.parse((JSON.parse(line) as { time: string }).time) / 1000);
  if (joined.length === 0) throw new Error(`${log} tells of no worker that joined`);
  return Math.max(...joined);
}

const [run, rounds = "3", images = "1000"] = process.argv.slice(2);
if (run === undefined) throw new RangeError("Name the directory of a trained run");
const one: number[] = [];
const two: number[] = [];
for (let round = 1; round <= Number(rounds); round++) {
  one.push(evaluationSeconds(run, 1, images));
  two.push(evaluationSeconds(run, 2, images));
  process.stderr.write(`round ${round}: ${one.at(-1)?.toFixed(1)} s, ${two.at(-1)?.toFixed(1)} s\n`);
}
const result = {
  images: Number(images),
  one_worker_seconds: summarise(one),
  two_workers_seconds: summarise(two),
  speedup: ratios(one, two),
};
process.stdout.write(`${JSON.stringify(result, null, 1)}\n`);
