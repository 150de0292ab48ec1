import assert from "node:assert/strict";
import { existsSync, openSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { createLogger, logTo } from "../../../shared/io/logger.js";
import { LogFile } from "../../../shared/io/log-file.js";
import { temporaryDirectory } from "../../coordinator/io/storage-support.js";

const skip = existsSync("/dev/full") ? false : "no file here that is always full";

test("a log on a full disk loses its lines, says so once, and nobody waits for it", { skip }, () => {
  const lost: string[] = [];
  const log = new LogFile("/dev/full", (reason) => lost.push(reason));
  for (let line = 0; line < 1000; line++) log.write(`${line}\n`);
  assert.equal(lost.length, 1);
  assert.match(lost[0] ?? "", /^ENOSPC/);
});

test("a logger on a full disk throws nothing, now or later", { skip }, async () => {
  const log = logTo(createLogger("worker", { file: "/dev/full" }));
  for (let line = 0; line < 100; line++) log("info", "x".repeat(500));
  await new Promise((resolve) => setImmediate(resolve));
});

test("the next line that can be written says how many were lost", { skip }, async (t) => {
  const folder = await temporaryDirectory(t);
  const place = join(folder, "log.jsonl");
  symlinkSync("/dev/full", place);
  const full = openSync(place, "a");
  const log = new LogFile(full, () => undefined);
  log.write("one\n");
  log.write("two\n");
  rmSync(place);
  // The same descriptor leads to another file now, as it does to a disk that has room again.
  const { dup2 } = await descriptors(full, place);
  if (!dup2) return t.skip("the descriptor cannot be led elsewhere here");
  log.write("three\n");
  const [told = "", third] = readFileSync(place, "utf8").split("\n");
  assert.match(told, /"2 line\(s\) of this log could not be written"/);
  assert.equal(third, "three");
});

test("a log whose folder is not there loses all its lines", () => {
  const lost: string[] = [];
  const log = new LogFile("/nowhere/log.jsonl", (reason) => lost.push(reason));
  log.write("one\n");
  assert.equal(lost.length, 1);
});

/** Opens `file` under the number of a descriptor that is given back first: the lowest free number is taken. */
async function descriptors(number: number, file: string): Promise<{ dup2: boolean }> {
  const { closeSync } = await import("node:fs");
  closeSync(number);
  return { dup2: openSync(file, "a") === number };
}
