import assert from "node:assert/strict";
import { test } from "node:test";
import { ClusterError, EXIT_CODES, exitCodeOf, named } from "../../shared/errors.js";

test("the exit codes are the documented ones", () => {
  assert.deepEqual(EXIT_CODES, {
    unexpected: 1,
    usage: 2,
    config: 2,
    data: 3,
    diverged: 4,
    dependency: 5,
    trials: 6,
    quality: 7,
    "shape-mismatch": 2,
    protocol: 1,
    storage: 1,
  });
});

test("an error keeps its code, hint and cause", () => {
  const cause = new Error("ENOSPC");
  const error = new ClusterError("data", "Cannot read x", { hint: "fetch it", cause });
  assert.ok(error instanceof Error);
  assert.deepEqual(
    [error.name, error.message, error.code, error.hint, error.cause, error.exitCode],
    ["ClusterError", "Cannot read x", "data", "fetch it", cause, 3],
  );
});

test("without a cause the error has no such property, so that printing it shows none", () => {
  assert.ok(!("cause" in new ClusterError("usage", "no")));
});

test("what is no ClusterError counts as unexpected", () => {
  for (const thrown of [new RangeError("x"), "text", undefined, null, { code: "data", exitCode: 3 }]) {
    assert.equal(exitCodeOf(thrown), 1);
  }
  assert.equal(exitCodeOf(new ClusterError("quality", "low")), 7);
});

test("what the system says about the place we run in has a code, a hint and an exit code", () => {
  const system = (code: string, more: object = {}): Error =>
    Object.assign(new Error(`${code}: no`), { code, ...more });
  for (const [code, exitCode, hint] of [
    ["ENOSPC", 1, /disk is full/],
    ["EROFS", 1, /read-only/],
    ["EMFILE", 5, /ulimit -n/],
    ["EAGAIN", 5, /ulimit -u/],
  ] as const) {
    const error = named(system(code));
    assert.ok(error instanceof ClusterError, code);
    assert.match(error.hint ?? "", hint);
    assert.equal(exitCodeOf(system(code)), exitCode);
  }
  assert.ok(named(system("EACCES", { path: "/x", syscall: "open" })) instanceof ClusterError);
  for (const other of [
    system("EACCES", { syscall: "listen" }),
    system("EBADF"),
    new ClusterError("data", "x"),
    "x",
  ])
    assert.equal(named(other), other);
});
