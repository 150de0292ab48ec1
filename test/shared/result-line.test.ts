/** Results that a newer version of the measures has measured again do not count. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type ResultLine, currentLines } from "../../shared/records/result-line.js";

const CLEAN: ResultLine["task"] = {
  ...{ id: "a", kind: "clean", measure: { how: "clean" }, strengths: [0] },
  ...{ first_image: 0, image_count: 10, sample_count: 0, patience_ms: 1, passes: 1 },
};
const line = (
  worker: string,
  version: number | undefined,
  task: Partial<ResultLine["task"]> = {},
): ResultLine => ({
  ...(version === undefined ? {} : { measures_version: version }),
  checkpoint: "c",
  task: { ...CLEAN, ...task },
  worker,
  outcomes: [],
  samples: [],
});

test("of the same images under the same measure the newest version counts; the rest stays", () => {
  const lines = [
    line("old", undefined),
    line("alone", undefined, { first_image: 10 }),
    line("first", 1, { id: "b" }),
    line("second", 2, { id: "d" }),
    line("other weights", 1),
  ].map((one) => (one.worker === "other weights" ? { ...one, checkpoint: "d" } : one));
  assert.deepEqual(
    currentLines(lines).map(({ worker }) => worker),
    ["alone", "second", "other weights"],
  );
});
