import assert from "node:assert/strict";
import { test } from "node:test";
import { type HangupSigns, ignoresHangup } from "../../../deploy/cli/hangup.js";

const TERMINAL: HangupSigns = {
  startedBy: "/usr/bin/node",
  input: { path: "/dev/pts/0", isOnlyWritten: false },
  parentIgnores: 0x1000n,
};

test("a hangup is heeded where nobody asked that it be ignored", () => {
  assert.equal(ignoresHangup(TERMINAL), false);
  assert.equal(
    ignoresHangup({ startedBy: undefined, input: undefined, parentIgnores: undefined }),
    false,
    "a system that tells nothing",
  );
  assert.equal(
    ignoresHangup({ ...TERMINAL, input: { path: "/dev/null", isOnlyWritten: false } }),
    false,
    "a service without input",
  );
  assert.equal(ignoresHangup({ ...TERMINAL, startedBy: "/opt/nohup/bin/node" }), false);
});

test("it is ignored under nohup, with a terminal for its input or without, and below a shell that traps it", () => {
  assert.equal(ignoresHangup({ ...TERMINAL, startedBy: "/usr/bin/nohup" }), true);
  assert.equal(ignoresHangup({ ...TERMINAL, input: { path: "/dev/null", isOnlyWritten: true } }), true);
  assert.equal(ignoresHangup({ ...TERMINAL, parentIgnores: 0x1001n }), true);
});
