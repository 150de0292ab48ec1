/** Child of the storage tests: writes for ever, says after each write which one is on the disk, and is killed. */
import { writeSync } from "node:fs";
import { writeFileAtomic } from "../../../shared/io/atomic-file.js";
import { Checkpoints } from "../../../coordinator/io/checkpoints.js";
import { Journal } from "../../../coordinator/io/journal.js";
import { LAYOUT, stateOf } from "./storage-support.js";
import { readJsonLines } from "../../../shared/io/json-lines.js";
import { realClock } from "../../../shared/io/real-clock.js";

const [task, path = ""] = process.argv.slice(2);
// Straight to the pipe: what was said is out before the kill.
const say = (number: number): void => void writeSync(1, `${number}\n`);
const INFO = { model: "m", identity: "i", best: false };

if (task === "file") {
  for (let i = 0; ; i++) {
    await writeFileAtomic(path, `${JSON.stringify({ i, filler: "x".repeat((i * 7919) % 300_000) })}\n`);
    say(i);
  }
} else if (task === "checkpoints") {
  const checkpoints = new Checkpoints(path, LAYOUT, 1);
  const first = (await checkpoints.readLatest((message) => assertNever(message)))?.state.step ?? 0;
  for (let step = first + 1; ; step++) {
    await checkpoints.write(stateOf(step), { ...INFO, cleanAccuracy: null });
    say(step);
    // As an interrupt right behind a checkpoint does: the same step again.
    await checkpoints.write(stateOf(step), { ...INFO, cleanAccuracy: null });
    say(step);
  }
} else if (task === "journal") {
  const first = (await readJsonLines<{ i: number }>(path)).length;
  const journal = await Journal.open(path, realClock, assertNever);
  for (let i = first; ; i++) {
    journal.append({ i, filler: "y".repeat((i * 7919) % 100_000) });
    await journal.flush();
    say(i);
  }
}

function assertNever(problem: string | Error): never {
  throw new Error(`unexpected: ${String(problem)}`);
}
