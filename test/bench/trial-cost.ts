/**
 * What a trial costs this search's bookkeeping, one JSON line: `trial-cost.js memory|median|journal|tpe`. The objective is the formula
 * of peers/optuna_trials.py; a trial is proposed, named, begun, ended and written down as in a real sweep, and not trained.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { DirectoryLocks } from "../../coordinator/io/directory-locks.js";
import { realProcesses } from "../../coordinator/io/process-mark.js";
import { SweepJournal } from "../../coordinator/io/sweep-directory.js";
import { SweepBook } from "../../coordinator/sweeps/book.js";
import { spaceOf } from "../../coordinator/sweeps/space.js";
import type { Config } from "../../shared/config/run.js";
import { sweepSchema } from "../../shared/config/sweep.js";
import { at } from "../../shared/core/at.js";
import type { SweepLine } from "../../shared/records/sweep-line.js";
import { realClock } from "../../shared/io/real-clock.js";
import { MODES, type Mode, type TrialCost, WINDOW } from "./trial-modes.js";

function spec(mode: Mode): unknown {
  const { method, trials } = MODES[mode];
  return {
    name: "peers",
    parameters: {
      "train.learning_rate": { range: [1e-4, 1e-1], scale: "log" },
      "train.momentum": { range: [0, 0.95] },
      "train.weight_decay": { range: [1e-6, 1e-2], scale: "log" },
      "train.batch_size": { range: [32, 256], type: "int", step: 32 },
      model: { choice: ["plain", "mrelu", "rbf"] },
    },
    search: { method },
    limits: { trials },
    objective: "clean",
    // Two rungs: half of 20 epochs, and all of them.
    ...(mode === "median" ? { stopping: { method: "median", first_samples: 600_000, factor: 2 } } : {}),
  };
}

const BONUS: Readonly<Record<string, number>> = { plain: 0, mrelu: 0.25, rbf: 0.125 };

function objective({ model, train }: Config): number {
  const { learning_rate, weight_decay: decay = NaN, momentum, batch_size: batch = NaN } = train;
  const rate = Number(learning_rate);
  return (
    -Math.abs(Math.log10(rate) + 2) -
    Math.abs(momentum - 0.9) -
    Math.abs(Math.log10(decay) + 4) / 4 -
    batch / 1024 +
    (BONUS[model] ?? 0)
  );
}

async function trialCost(mode: Mode, write: (lines: readonly SweepLine[]) => void): Promise<TrialCost> {
  const parsed = sweepSchema.parse(spec(mode));
  const book = new SweepBook(spaceOf(parsed, {}), "peers");
  write(book.open(0));
  // When a trial begins, the one before is over: its last rung may come later, and counts to whatever is then under way.
  const marks: number[] = [];
  for (let second = 1; ; second++) {
    const before = cpuMs();
    const taken = book.take(second);
    write(taken.lines);
    if (taken.kind !== "begin") break;
    const { segment } = taken;
    if (segment.rung === 0) marks.push(before);
    const metrics = { clean: objective(segment.config) };
    const outcome = { metrics, weights: "0".repeat(64), samples: second, seconds: 1, images: 1 };
    write(book.ended(segment, { outcome }, second));
    // As between trials of a real sweep: the journal's timer has its turn.
    await setImmediate();
  }
  marks.push(cpuMs());
  if (marks.length !== MODES[mode].trials + 1) throw new Error(`${marks.length - 1} trials began`);
  const between = (from: number, to: number): number => (at(marks, to) - at(marks, from)) / (to - from);
  const last = marks.length - 1;
  return {
    first_ms: between(0, WINDOW),
    last_ms: between(last - WINDOW, last),
    all_ms: between(0, last),
  };
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

async function withJournal(mode: Mode): Promise<TrialCost> {
  const directory = await mkdtemp(join(tmpdir(), "saf-peers-"));
  const onError = (error: Error): never => {
    throw error;
  };
  const edges = { processes: realProcesses, wallClock: () => Date.now(), onLost: onError };
  const locks = new DirectoryLocks({ clock: realClock, ...edges });
  const journal = await SweepJournal.open(directory, { locks, clock: realClock, onError });
  try {
    return await trialCost(mode, (lines) => journal.append(lines));
  } finally {
    await journal.close();
    await rm(directory, { recursive: true, force: true });
  }
}

const isMode = (text: string | undefined): text is Mode => text !== undefined && Object.hasOwn(MODES, text);

const [mode] = process.argv.slice(2);
if (!isMode(mode)) throw new RangeError(`Name one of ${Object.keys(MODES).join(", ")}`);
const cost = mode === "journal" ? await withJournal(mode) : await trialCost(mode, () => undefined);
process.stdout.write(`${JSON.stringify(cost)}\n`);
