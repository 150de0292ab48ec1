/** A sweep's directory as one is left behind, its trials begun and ended by the book itself. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { SWEEP_JOURNAL_FILE, writeSweepSpec } from "../../coordinator/io/sweep-directory.js";
import { SweepBook } from "../../coordinator/sweeps/book.js";
import type { Segment, SegmentEnd } from "../../coordinator/sweeps/segment.js";
import { spaceOf } from "../../coordinator/sweeps/space.js";
import { sweepSchema } from "../../shared/config/sweep.js";
import type { SweepLine } from "../../shared/records/sweep-line.js";

/** Seconds since 1970. */
const BEGAN = 1_795_515_300;

/** `end`: how a trial comes to its rung; undefined leaves it under way. */
export async function writeSweep(
  directory: string,
  spec: unknown,
  end: (segment: Segment) => SegmentEnd | undefined,
): Promise<SweepLine[]> {
  const parsed = sweepSchema.parse(spec);
  const book = new SweepBook(spaceOf(parsed, parsed.base), "test");
  const lines = [...book.open(BEGAN)];
  for (let second = BEGAN + 1; ; second++) {
    const taken = book.take(second);
    lines.push(...taken.lines);
    if (taken.kind !== "begin") break;
    const ended = end(taken.segment);
    if (ended !== undefined) lines.push(...book.ended(taken.segment, ended, second + 0.5));
  }
  await mkdir(directory, { recursive: true });
  await writeSweepSpec(directory, parsed);
  const text = lines.map((line) => `${JSON.stringify(line)}\n`).join("");
  await writeFile(join(directory, SWEEP_JOURNAL_FILE), text);
  return lines;
}
