import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import picocolors from "picocolors";
import { renderVerification } from "../../../deploy/cli/verify-view.js";
import { finding } from "../../../deploy/verify/finding.js";
import type { Verification } from "../../../deploy/verify/verify-run.js";

const run: Verification = {
  directory: join(process.cwd(), "runs/latest"),
  name: "mrelu-r-m",
  steps: 1000,
  recomputed: [
    { from: 0, to: 12 },
    { from: 500, to: 512 },
  ],
  findings: [
    finding("ledger", "holds", "every image exactly once: 4 epochs of 60,000 images, in 1,000 steps"),
    finding("ledger", "holds", "4,000 blocks by 2 workers, 3 of them leased again"),
    finding(
      "recomputed",
      "holds",
      "steps 0–11, 500–511 in one process: same loss and accuracy, to the bit; same weights after step 8, 508",
    ),
    finding(
      "not recomputed",
      "unproven",
      "976 steps of 1000: the ledger proves which images they counted, not what they computed",
    ),
  ],
};
const terminal = (width: number, unicode = true): Parameters<typeof renderVerification>[1] => ({
  width,
  unicode,
  palette: picocolors.createColors(false),
});

test("80 columns say what was proven, and what was not", () => {
  assert.equal(
    renderVerification(run, terminal(80)),
    `mrelu-r-m  runs/latest
✓ ledger          every image exactly once: 4 epochs of 60,000 images, in 1,000
                  steps
✓                 4,000 blocks by 2 workers, 3 of them leased again
✓ recomputed      steps 0–11, 500–511 in one process: same loss and accuracy, to
                  the bit; same weights after step 8, 508
· not recomputed  976 steps of 1000: the ledger proves which images they
                  counted, not what they computed

This run holds: every image once by the ledger; 24 of 1,000 steps computed
again, to the same bits`,
  );
});

test("no line is wider than the terminal", () => {
  for (const width of [30, 40, 80, 120]) {
    for (const unicode of [true, false]) {
      for (const line of renderVerification(run, terminal(width, unicode)).split("\n"))
        assert.ok(line.length <= width, `${width}: ${line}`);
    }
  }
});

test("what does not hold is named at the end, and what nobody here can tell is said", () => {
  const end = (findings: Verification["findings"]): string =>
    renderVerification({ ...run, findings }, terminal(120))
      .split("\n")
      .at(-1) ?? "";
  const holds = finding("ledger", "holds", "so");
  const broken = [finding("checkpoints", "broken", "x"), finding("result", "broken", "y")];
  assert.equal(end([holds, ...broken]), "This run does not hold: checkpoints, result");
  assert.match(
    end([holds, finding("recomputed", "incomparable", "z")]),
    /^Its files hold, and nothing here can tell/,
  );
  assert.match(
    renderVerification({ ...run, recomputed: [] }, terminal(120)),
    /This run holds: every image once by the ledger; no step was computed again$/,
  );
});
