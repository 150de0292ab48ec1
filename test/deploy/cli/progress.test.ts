import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { wantsColor } from "../../../deploy/cli/progress.js";

const progress = new URL("../../../deploy/cli/progress.js", import.meta.url).href;
const start = `
import { createProgress } from "${progress}";
import { setTimeout as after } from "node:timers/promises";
const training = (done) => ({ progress: { runId: "a", model: "plain", phase: "training", done, total: 1000, epoch: done / 500, epochs: 2, loss: 0.5, accuracy: 0.9, etaSeconds: -1 } });
`;

interface Ran {
  status: number | null;
  stdout: string;
  stderr: string;
}

function inPipe(script: string, env: NodeJS.ProcessEnv = {}): Ran {
  return spawnSync(process.execPath, ["--input-type=module", "-e", start + script], {
    encoding: "utf8",
    timeout: 60_000,
    env: { PATH: process.env["PATH"], ...env },
  });
}

/** In a terminal of its own, through util-linux's `script`; both streams arrive as one. */
function inTerminal(script: string, env: NodeJS.ProcessEnv = {}): Ran {
  return spawnSync("script", ["-qec", '"$NODE" --input-type=module -e "$SCRIPT"', "/dev/null"], {
    encoding: "utf8",
    timeout: 60_000,
    env: {
      PATH: process.env["PATH"],
      TERM: "xterm-256color",
      SHELL: "/bin/sh",
      NODE: process.execPath,
      SCRIPT: start + script,
      ...env,
    },
  });
}

const hasScript = spawnSync("script", ["--version"]).status === 0;
const needsTerminal = { skip: hasScript ? false : "util-linux's `script` is not here" };

test("in a pipe it prints lines on stderr, nothing on stdout, and no escape codes", () => {
  const { status, stdout, stderr } = inPipe(`
const display = createProgress();
display.update({ phase: { name: "waiting", detail: "0 of 2 workers" } });
for (const done of [1, 2, 3, 500, 501]) display.update(training(done));
display.update({ note: { level: "warning", message: "worker-1 was lost" } });
display.update({ finished: { runId: "a", ok: true, message: "accuracy 99 %" } });
display.stop();`);
  assert.equal(status, 0);
  assert.equal(stdout, "");
  assert.deepEqual(stderr.replaceAll(/\[\d+ s\]/g, "[0 s]").split("\n"), [
    "[0 s] waiting: 0 of 2 workers",
    "[0 s] training plain: epoch 0.0 of 2, step 1 of 1000 (0 %), loss 0.5000, accuracy 90.0 %",
    "[0 s] training plain: epoch 1.0 of 2, step 500 of 1000 (50 %), loss 0.5000, accuracy 90.0 %",
    "warning: worker-1 was lost",
    "plain: accuracy 99 %",
    "",
  ]);
});

test("in a pipe a long wait is said every ten seconds", (t) => {
  t.mock.timers.enable({ apis: ["setInterval", "Date"] });
  const lines: string[] = [];
  const stream = {
    isTTY: false,
    write: (text: string) => lines.push(text),
    on: () => stream,
    off: () => stream,
  };
  return import("../../../deploy/cli/progress.js").then(({ createProgress }) => {
    const display = createProgress({ stream: stream as unknown as NodeJS.WriteStream, env: {} });
    display.update({ phase: { name: "waiting", detail: "0 of 2 workers" } });
    for (let second = 0; second < 35; second += 1) t.mock.timers.tick(1000);
    display.stop();
    assert.deepEqual(
      lines.map((line) => line.slice(0, line.indexOf("]") + 1)),
      ["[0 s]", "[10 s]", "[20 s]", "[30 s]"],
    );
    assert.match(lines[3] ?? "", /waiting: 0 of 2 workers, 30 s so far/);
  });
});

test("json mode prints one document a line, with snake_case keys", () => {
  const { stderr } = inPipe(`
const display = createProgress({ mode: "json" });
display.update({ timeMs: 1000, ...training(5) });
display.update({ timeMs: 2000, workers: { workers: [{ workerId: "w1", leaseMs: 3 }] } });
display.say("done soon");`);
  const documents = stderr
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  assert.equal(documents[0]?.["time"], "1970-01-01T00:00:01.000Z");
  assert.equal(documents[0]["event"], "progress");
  assert.equal(documents[0]["eta_seconds"], -1);
  assert.deepEqual(documents[1]?.["workers"], [{ worker_id: "w1", lease_ms: 3 }]);
  assert.equal(documents[2]?.["message"], "done soon");
});

test("mode none prints nothing", () => {
  const { stderr } = inPipe(
    `const display = createProgress({ mode: "none" }); display.update(training(5)); display.say("x", "error"); display.stop();`,
  );
  assert.equal(stderr, "");
});

test("a display does not keep a finished program alive", () => {
  for (const mode of ["bar", "plain", "json"]) {
    const { status } = inPipe(`createProgress({ mode: "${mode}" }).update(training(5));`);
    assert.equal(status, 0, mode);
  }
});

test(
  "in a terminal the region is redrawn at most ten times a second, and the cursor comes back",
  needsTerminal,
  () => {
    const { stdout } = inTerminal(`
const display = createProgress();
const startMs = Date.now();
let done = 0;
while (Date.now() - startMs < 1000) { display.update(training((done += 1) % 1000)); await after(1); }
display.update({ note: { level: "info", message: "above the region" } });
display.update({ finished: { runId: "a", ok: true, message: "over" } });
display.stop();`);
    const frames = stdout.split("\u001b[?2026h").length - 1;
    assert.ok(frames >= 2 && frames <= 16, `${frames} writes in about a second`);
    assert.match(stdout, /━/);
    assert.match(stdout, /\u001b\[32m/, "coloured");
    assert.match(stdout, /above the region/);
    assert.ok(
      stdout.lastIndexOf("\u001b[?25h") > stdout.lastIndexOf("\u001b[?25l"),
      "the cursor is shown at the end",
    );
    assert.match(stdout.slice(stdout.lastIndexOf("over")), /^over/);
  },
);

test("a terminal that wants no colours gets none, a dumb one gets lines", needsTerminal, () => {
  const script = `const display = createProgress(); display.update(training(5)); await after(300); display.stop();`;
  assert.doesNotMatch(inTerminal(script, { NO_COLOR: "1" }).stdout, /\u001b\[\d+m/);
  assert.equal(inTerminal(script, { TERM: "dumb" }).stdout.includes("\u001b"), false);
});

test("NO_COLOR wins over FORCE_COLOR, which wins over what the terminal is", () => {
  const terminal = { isTTY: true };
  assert.equal(wantsColor(terminal, { TERM: "xterm" }), true);
  assert.equal(wantsColor(terminal, { TERM: "xterm", NO_COLOR: "1" }), false);
  assert.equal(wantsColor({}, { FORCE_COLOR: "1" }), true);
  assert.equal(wantsColor({}, { FORCE_COLOR: "1", NO_COLOR: "1" }), false);
  assert.equal(wantsColor(terminal, { FORCE_COLOR: "0" }), false);
  assert.equal(wantsColor({}, {}), false);
  assert.equal(wantsColor(terminal, { TERM: "dumb" }), false);
});
