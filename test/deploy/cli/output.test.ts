import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { errorLines } from "../../../deploy/cli/output.js";
import { quote } from "../../../deploy/cli/quote.js";
import { ClusterError } from "../../../shared/errors.js";

const output = JSON.stringify(new URL("../../../deploy/cli/output.js", import.meta.url).href);
const errors = JSON.stringify(new URL("../../../shared/errors.js", import.meta.url).href);

/** Runs a script that uses output.ts in a process of its own. */
function run(script: string): { status: number | null; stdout: string; stderr: string } {
  const source = `import * as output from ${output};\nimport { ClusterError } from ${errors};\n${script}`;
  return spawnSync(process.execPath, ["--input-type=module", "-e", source], {
    encoding: "utf8",
    timeout: 30_000,
  });
}

test("a known error is what and what to do, without a stack, and sets its exit code", () => {
  const { status, stdout, stderr } = run(
    `output.reportError(new ClusterError("data", "Cannot read part 3: checksum differs", { hint: "Run saf data fetch" }));`,
  );
  assert.equal(status, 3);
  assert.equal(stdout, "");
  assert.equal(stderr, "saf: Cannot read part 3: checksum differs\n     Run saf data fetch\n");
});

test("the stack and the causes appear with debug only", () => {
  const failing = (options: string): string =>
    run(`output.reportError(new Error("broken", { cause: new Error("deeper") }), ${options});`).stderr;
  assert.doesNotMatch(failing("{}"), /\n\s+at /);
  assert.match(failing("{}"), /saf: broken\n.*--debug/);
  assert.match(failing("{ debug: true }"), /Error: broken\n\s+at [\s\S]*caused by Error: deeper/);
});

test("with json the error is one document on stdout", () => {
  const { status, stdout, stderr } = run(
    `output.reportError(new ClusterError("diverged", "loss is NaN"), { json: true });`,
  );
  assert.equal(status, 4);
  assert.equal(stderr, "");
  assert.deepEqual(JSON.parse(stdout), { error: { code: "diverged", message: "loss is NaN", exit_code: 4 } });
});

test("an error without a hint says why, when the cause adds something", () => {
  const error = new ClusterError("storage", "Cannot write the ledger", {
    cause: new Error("no space left on device"),
  });
  assert.deepEqual(errorLines(error), ["saf: Cannot write the ledger", "     why: no space left on device"]);
});

test("what is not an Error is still said", () => {
  assert.match(errorLines("just text")[0] ?? "", /^saf: just text$/);
  assert.match(errorLines(undefined)[0] ?? "", /^saf: undefined$/);
});

test("a result is one JSON document, whatever kind of values it holds", () => {
  const { stdout } = run(
    `output.printResult({ big: 2n ** 60n, bytes: Uint8Array.of(1, 2), map: new Map([["a", 1]]) });`,
  );
  assert.deepEqual(JSON.parse(stdout), { big: "1152921504606846976", bytes: "AQI=", map: { a: 1 } });
  assert.equal(run(`output.printResult("plain");`).stdout, "plain\n");
});

test("a reader that stops early is no error", () => {
  const script = `import * as output from ${output}; output.outliveReaders(); const tick = () => { output.printResult("x".repeat(65536)); setImmediate(tick); }; tick();`;
  const { status, stderr } = spawnSync(
    "sh",
    ["-c", `"$NODE" --input-type=module -e "$SCRIPT" | head -c 10 >/dev/null`],
    {
      env: { ...process.env, NODE: process.execPath, SCRIPT: script },
      encoding: "utf8",
      timeout: 30_000,
    },
  );
  assert.equal(status, 0);
  assert.equal(stderr, "");
});

test("quoted text is short and has nothing a terminal would obey", () => {
  assert.equal(quote("a\u001b[31m\u009b\u202e\n"), '"a\\u001b[31m\\u009b\\u202e\\n"');
  assert.equal(quote("x".repeat(100)).length, 62);
});
