/**
 * What bf16 costs in accuracy, beside the noise of seeds: `npm run bench:codec [-- --epochs mnist=3,cifar10=2 --seeds 3
 * --images 1000 --model mrelu-r-m --folder DIR]`. Each run is a real one: `saf train` with two workers and a slot each, so that
 * all gradients and weights travel in two bytes a value. Codecs take turns. A finished run is not trained again in the same
 * folder, so what was broken off goes on. Prints a table as the documents have it, and one JSON line on standard error for
 * each run.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { markdownTable } from "../../coordinator/results/report/markdown.js";
import { CODECS, type Codec } from "../../shared/core/codec.js";
import { keysOf } from "../../shared/core/keys.js";
import type { ModelResult } from "../../shared/results.js";
import { type CodecRun, rowsOf } from "./codec-table.js";

const SAF = fileURLToPath(new URL("../../../deploy/saf.mjs", import.meta.url));
const WORKERS = 2;
/** Of the one attack: ε in units of the pixel range. */
const STRENGTH = { mnist: 0.1, cifar10: 0.01 } as const;
type DataSet = keyof typeof STRENGTH;

const { values } = parseArgs({
  options: {
    epochs: { type: "string", default: "mnist=3,cifar10=2" },
    seeds: { type: "string", default: "3" },
    images: { type: "string", default: "1000" },
    model: { type: "string", default: "mrelu-r-m" },
    folder: { type: "string", default: join(tmpdir(), "saf-codec-accuracy") },
  },
});

/** What of each data set is trained, from `mnist=3,cifar10=2`. */
function wanted(text: string): [DataSet, number][] {
  return text.split(",").map((part) => {
    const [name, count] = part.split("=");
    const set = keysOf(STRENGTH).find((known) => known === name);
    const epochs = Number(count);
    if (set === undefined || !(epochs > 0))
      throw new RangeError(`--epochs: ${part} is not SET=EPOCHS with one of ${keysOf(STRENGTH).join(", ")}`);
    return [set, epochs];
  });
}

function countIn(name: "seeds" | "images"): number {
  const count = Number(values[name]);
  if (!Number.isInteger(count) || count < 1) throw new RangeError(`--${name}: ${values[name]} is no count`);
  return count;
}

/** Trains and measures one run, or reads what it came to. */
function runOf(set: DataSet, epochs: number, seed: number, codec: Codec): CodecRun {
  const file = join(
    values.folder,
    `${set}-${values.model}-${epochs}-${countIn("images")}-${codec}-${seed}.json`,
  );
  if (!existsSync(file)) writeFileSync(file, JSON.stringify(trained(set, epochs, seed, codec)));
  const result = JSON.parse(readFileSync(file, "utf8")) as ModelResult;
  const attacked = result.curves.find(({ attack }) => attack === "pgd-40");
  if (attacked === undefined) throw new Error(`${file} holds no curve of pgd-40`);
  const clean = 100 * (1 - result.clean_accuracy);
  return { codec, seed, clean, attacked: 100 * attacked.error };
}

function trained(set: DataSet, epochs: number, seed: number, codec: Codec): ModelResult {
  const images = countIn("images");
  const settings = {
    "data.set": set,
    seed,
    "train.epochs": epochs,
    "train.codec": codec,
    "train.slots": WORKERS,
    "train.lease": "step",
    "train.evaluate_every_epochs": 0,
    "evaluate.protocol": "modern",
    "evaluate.kinds": "[clean, adversarial]",
    "evaluate.attacks": "[pgd-40]",
    "evaluate.strengths": `[${STRENGTH[set]}]`,
    "evaluate.images": images,
    "evaluate.diagnostics": false,
  };
  const options = Object.entries(settings).flatMap(([key, value]) => ["--set", `${key}=${value}`]);
  const where = ["--workers", String(WORKERS), "--alone", "--runs", join(values.folder, "runs")];
  const args = ["train", "--model", values.model, ...where, "--progress", "none", "--json", ...options];
  const { status, stdout, stderr, error } = spawnSync(process.execPath, [SAF, ...args], { encoding: "utf8" });
  if (status !== 0)
    throw new Error(`saf ${args.join(" ")} ended with ${String(status)}: ${error?.message ?? stderr}`);
  const [result] = (JSON.parse(stdout) as { models: ModelResult[] }).models;
  if (result === undefined) throw new Error(`saf ${args.join(" ")} printed no result`);
  return result;
}

mkdirSync(values.folder, { recursive: true });
const rows: string[][] = [];
for (const [set, epochs] of wanted(values.epochs)) {
  const runs: CodecRun[] = [];
  for (let seed = 1; seed <= countIn("seeds"); seed++) {
    for (const codec of keysOf(CODECS)) {
      const run = runOf(set, epochs, seed, codec);
      process.stderr.write(`${JSON.stringify({ set, epochs, ...run })}\n`);
      runs.push(run);
    }
  }
  const title = `${set}, ${values.model}, ${epochs} epochs`;
  rows.push(...rowsOf(title, `pgd-40 at ${STRENGTH[set]}`, runs));
}
const heading = ["run", "error, %", "seeds", "fp32", "bf16", "bf16 − fp32", "spread of fp32"];
process.stdout.write(`${markdownTable(heading, rows)}\n`);
