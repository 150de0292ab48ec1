import assert from "node:assert/strict";
import { test } from "node:test";
import { failedMessages, refusedMessages } from "../../../shared/io/failed-messages.js";
import { LINES_A_MINUTE } from "../../../shared/line-limit.js";

test("every message that came to nothing is counted; of their lines only so many are written in a minute", () => {
  let nowMs = 0;
  const counts: unknown[] = [];
  const lines: string[] = [];
  const failed = failedMessages(
    (level, message) => lines.push(`${level}: ${message}`),
    { add: (...counted: unknown[]) => counts.push(counted) },
    () => nowMs,
  );
  for (let i = 0; i < 1000; i++) failed("saf.v1.local.ctl.w0", new Error("a bug"));
  assert.equal(counts.length, 1000);
  assert.deepEqual(counts[0], ["unheard", 1, { reason: "failed" }]);
  assert.equal(lines.length, LINES_A_MINUTE);
  assert.equal(lines[0], "error: A message on saf.v1.local.ctl.w0 came to nothing: a bug");
  nowMs = 60_000;
  failed("saf.v1.local.ctl.w0", "no error");
  assert.deepEqual(lines.slice(LINES_A_MINUTE), [
    `warn: ${1000 - LINES_A_MINUTE} lines about messages that came to nothing were left out`,
    "error: A message on saf.v1.local.ctl.w0 came to nothing: no error",
  ]);
});

test("every refusal of NATS is counted; one worker that causes them fills no log, and hides no fault of ours", () => {
  const counts: unknown[] = [];
  const lines: string[] = [];
  const refused = refusedMessages(
    (level, message) => lines.push(`${level}: ${message}`),
    { add: (...counted: unknown[]) => counts.push(counted) },
    () => 0,
  );
  for (let i = 0; i < 20_000; i++) refused(`publish on _INBOX.evil.x${i}`);
  refused("publish on saf.v1.local.ctl.w0");
  assert.equal(counts.length, 20_001);
  assert.deepEqual(counts[0], ["natsRefusals"]);
  assert.equal(lines.length, LINES_A_MINUTE + 1);
  assert.equal(lines.at(-1), "error: NATS refused: publish on saf.v1.local.ctl.w0");
});
