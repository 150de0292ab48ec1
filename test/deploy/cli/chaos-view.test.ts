import assert from "node:assert/strict";
import { test } from "node:test";
import type { Chaos } from "../../../deploy/chaos/chaos.js";
import { chaosDocument, renderChaos } from "../../../deploy/cli/chaos-view.js";

const sha256 = "ab".repeat(32);
const kill = { kind: "kill", target: "nats-server", atStep: 3, phaseMs: 0, lastsMs: 0, messages: 0 } as const;
const found: Chaos = {
  steps: 1000,
  interrupted: false,
  calm: { seconds: 12.3456, step: 1000, sha256, problems: [] },
  rounds: [
    {
      ...{ seed: 1, seconds: 20, step: 1000, sha256, problems: [], kept: undefined },
      faults: [
        { fault: kill, atMs: 8123.4, endMs: 8123.4, missed: "", commitMs: 750, afterEndMs: 750 },
        {
          fault: { ...kill, kind: "duplicate", target: "coordinator", messages: 17 },
          ...{ atMs: 9000, endMs: 13_000, missed: "", commitMs: 10, afterEndMs: undefined },
        },
        { fault: kill, atMs: 14_000, endMs: 14_000, missed: "it was down", commitMs: 1, afterEndMs: 1 },
      ],
    },
  ],
};
const ground = { engine: "emulated", workers: 4, skipped: [] };

test("the document says when a fault came, how long it took to the next commit, and what does not hold", () => {
  const document = chaosDocument(found, ground);
  assert.ok(document.holds);
  assert.deepEqual(
    document.rounds[0]?.faults.map(
      ({ fault, at_s, lasted_s, commit_after_s, commit_after_end_s, missed }) => [
        ...[fault, at_s, lasted_s, commit_after_s, commit_after_end_s, missed],
      ],
    ),
    [
      ["kill", 8.123, 0, 0.75, 0.75, null],
      ["duplicate", 9, 4, 0.01, null, null],
      ["kill", 14, 0, 0.001, 0.001, "it was down"],
    ],
  );
  assert.deepEqual(document.recovery, [
    { fault: "kill", count: 1, median_s: 0.75, worst_s: 0.75 },
    { fault: "duplicate", count: 1, median_s: null, worst_s: null },
  ]);
  const [round] = found.rounds;
  assert.ok(round);
  const broken = chaosDocument({ ...found, rounds: [{ ...round, problems: ["it is lost"] }] }, ground);
  assert.equal(broken.holds, false);
  assert.equal(chaosDocument({ ...found, rounds: [] }, ground).holds, false);
});

test("what people read fits into 80 columns, and names all that the document names", () => {
  const [round] = found.rounds;
  assert.ok(round);
  const why = "values lie in shared memory and do not travel; --set pool.shared_memory=false lets them";
  const problems = [
    "its ledger does not prove that every image counted once: its record 17 is of step 18, expected 17",
  ];
  const document = chaosDocument(
    { ...found, rounds: [{ ...round, problems }] },
    { ...ground, skipped: [{ kind: "corrupt", why }] },
  );
  const text = renderChaos(document, 80);
  assert.deepEqual(
    text.split("\n").filter((line) => line.length > 80),
    [],
  );
  for (const word of [
    "nats-server",
    "duplicate 17",
    "coordinator",
    "0.75 s",
    "missed",
    "none",
    "corrupt",
    "record 17",
  ])
    assert.ok(text.includes(word), `${word} is missing:\n${text}`);
  assert.match(text, /Something does not hold/);
  const early = renderChaos(chaosDocument({ ...found, rounds: [], interrupted: true }, ground), 80);
  assert.match(early, /Interrupted before a run under faults was over/);
  assert.match(renderChaos(chaosDocument(found, ground), 80), /every image counted exactly once/);
});
