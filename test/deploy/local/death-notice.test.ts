import assert from "node:assert/strict";
import { test } from "node:test";
import { deathNotice, readDeathNotice } from "../../../deploy/local/death-notice.js";

test("the end of a worker is read as it was written; any other line says nothing", () => {
  const death = { worker: "worker-12", pid: 4711 };
  assert.deepEqual(readDeathNotice(deathNotice(death)), death);
  for (const line of [
    "",
    "ended",
    "ended worker-1",
    "ended worker-1 x",
    "ended Worker 1",
    "ended a 1 2",
    " ended a 1",
  ])
    assert.equal(readDeathNotice(line), undefined, line);
});
