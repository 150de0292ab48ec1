import assert from "node:assert/strict";
import { test } from "node:test";
import { runProgram } from "../../../deploy/bench/run-program.js";

const timers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === "Timeout").length;

test("a program that is not there is named at once, and nothing waits for its time limit", async () => {
  const before = timers();
  await assert.rejects(runProgram("/there/is/no/such", { args: [] }), {
    code: "unexpected",
    message: "Cannot run /there/is/no/such: not found",
  });
  assert.equal(timers(), before);
});

test("an exit code that is an answer is none of failure, and any other is", async () => {
  const ending = (code: number): string[] => ["-e", `console.error("it says why"); process.exit(${code})`];
  const { code, stderr } = await runProgram(process.execPath, { args: ending(77), accept: [77] });
  assert.deepEqual([code, stderr.trim()], [77, "it says why"]);
  await assert.rejects(runProgram(process.execPath, { args: ending(3) }), /exit code 3: it says why$/);
});
