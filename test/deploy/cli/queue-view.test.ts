/** What people read of a running cluster's work: no line is wider than their terminal. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { entryDocument, logLines, queueLines } from "../../../deploy/cli/queue-view.js";
import type { Entry } from "../../../deploy/cli/queue-client.js";
import { terminalOf } from "../../../deploy/cli/terminal.js";

const ENTRIES: Entry[] = [
  {
    ...{ id: "robust-mnist-under-pgd-40-steps", kind: "sweep", user: "submitter-somebody-with-a-name" },
    ...{ state: "failed", submitted: 1000, ended: 4661, exitCode: 4, folder: "/queue/robust" },
    message: `diverged: ${"the loss is no finite number ".repeat(6)}`,
  },
  { id: "quick", kind: "run", user: "submitter", state: "running", submitted: 5000, folder: "/queue/quick" },
];

for (const width of [80, 120]) {
  test(`in ${width} columns every line fits, and each submission has a row`, () => {
    const terminal = terminalOf({ columns: width, isTTY: false }, {});
    const lines = queueLines({ entries: ENTRIES, leftOut: 2 }, 5_012_000, terminal);
    assert.ok(lines.every((line) => line.length <= width));
    assert.match(lines[0] ?? "", /2 older ones are not shown/);
    assert.match(lines[1] ?? "", /^submission +kind +state +for +by( |$)/);
    assert.match(lines[2] ?? "", /^robust-mnist-under-pgd-40-steps +sweep +failed/);
    assert.ok(lines.some((line) => /^ {4}diverged: the loss/.test(line)));
    assert.match(lines.at(-1) ?? "", /^quick +run +running +12 s +submitter( |$)/);
    const told = logLines({ number: 1, time: 3661, level: "info", message: "word ".repeat(40) }, terminal);
    assert.match(told[0] ?? "", /^01:01:01 {2}word/);
    assert.ok(told.every((line) => line.length <= width));
  });
}

test("words of others are drawn without what a terminal would obey", () => {
  const terminal = terminalOf({ columns: 80, isTTY: false }, {});
  const message = "\u001b[31mred\u0007";
  const entries = [{ ...ENTRIES[1], message, state: "failed" }];
  const drawn = [
    ...queueLines({ entries, leftOut: 0 }, 0, terminal),
    ...logLines({ number: 1, time: 0, level: "info", message }, terminal),
  ];
  assert.ok(!/[\u001b\u0007]/.test(drawn.join("")), JSON.stringify(drawn));
});

test("as a document a submission that goes on has no end", () => {
  assert.deepEqual(entryDocument(ENTRIES[1] ?? {}), {
    ...{ id: "quick", kind: "run", user: "submitter", state: "running", folder: "/queue/quick" },
    ...{ submitted: "1970-01-01T01:23:20.000Z", ended: null, exit_code: null, message: "" },
  });
});
