/** Whether a ledger proves what it is kept for: every step committed once, every image of an epoch counted once. */
import { type StepPlan, stepImages } from "../../shared/core/schedule.js";
import type { LedgerLine } from "./step-books.js";

/** What is wrong with the lines of the steps [0, step), in words; undefined when they prove each image once. */
export function ledgerFault(lines: readonly LedgerLine[], plan: StepPlan, step: number): string | undefined {
  for (let expected = 0; expected < step; expected++) {
    const line = lines[expected];
    if (line === undefined) return `it ends before step ${expected} of ${step}`;
    const fault = lineFault(line, plan, expected);
    if (fault !== undefined) return `its record ${expected + 1} ${fault}`;
  }
  return undefined;
}

function lineFault(line: LedgerLine, plan: StepPlan, step: number): string | undefined {
  if (line.step !== step) return `is of step ${line.step}, expected step ${step}`;
  const { epoch, first, end } = stepImages(plan, step);
  if (line.epoch !== epoch || line.first !== first || line.end !== end)
    return `counts images [${line.first}, ${line.end}) of epoch ${line.epoch}, expected [${first}, ${end}) of epoch ${epoch}`;
  if (line.samples !== end - first) return `counts ${line.samples} images, expected ${end - first}`;
  return slotsFault(line, plan.slots);
}

/** The blocks cover the step's slots without gap or overlap. */
function slotsFault({ blocks }: LedgerLine, slots: number): string | undefined {
  if (!isListOfBlocks(blocks)) return "does not say which slots it holds";
  let covered = 0;
  for (const { slots: range } of [...blocks].sort((a, b) => a.slots[0] - b.slots[0])) {
    if (range[0] !== covered) return `has a block from slot ${range[0]} on, expected slot ${covered}`;
    covered = range[1];
  }
  return covered === slots ? undefined : `covers ${covered} slots, expected ${slots}`;
}

/** A line is whatever a file says. */
function isListOfBlocks(blocks: unknown): boolean {
  const isRange = (range: unknown): boolean =>
    Array.isArray(range) && range.length === 2 && range.every((end) => Number.isSafeInteger(end));
  return Array.isArray(blocks) && blocks.every((block: { slots?: unknown } | null) => isRange(block?.slots));
}
