import assert from "node:assert/strict";
import { test } from "node:test";
import { ClusterError, type ErrorCode } from "../../../shared/errors.js";
import { checkpoints } from "../../../worker/attacks/apgd.js";
import type { AttackRequest } from "../../../worker/attacks/attack.js";
import { runAttack } from "../../../worker/attacks/registry.js";
import { startPrograms } from "../../../worker/engine/start.js";
import { linearVictim, rightlyAnswered } from "./nets.js";

const programs = await startPrograms("wasm");
const request: AttackRequest = { ...rightlyAnswered(linearVictim(programs, 5).model, 3), options: {} };

const refused = (code: ErrorCode, pattern: RegExp) => (error: unknown) => {
  assert.ok(error instanceof ClusterError);
  assert.equal(error.code, code);
  assert.match(error.message, pattern);
  return true;
};

test("what an attack cannot do is refused before it starts", () => {
  assert.throws(() => runAttack("ddn", request), refused("config", /"ddn" has no norm "linf"/));
  for (const epsilon of [-0.1, 1.5, Number.NaN])
    assert.throws(() => runAttack("pgd", { ...request, epsilon }), refused("config", /strength/));
  assert.throws(
    () => runAttack("pgd", { ...request, labels: request.labels.slice(1) }),
    refused("shape-mismatch", /Cannot attack 3 images/),
  );
  assert.throws(
    () => runAttack("pgd", { ...request, options: { step: 3 } }),
    refused("config", /attack "pgd"/),
  );
  assert.throws(() => runAttack("transfer", request), refused("config", /needs a source network/));
  assert.throws(() => runAttack("walk-back", request), refused("config", /needs images to start from/));
});

test("no images at all are attacked without harm", () => {
  const none = { images: new Float32Array(), labels: new Uint8Array(), indices: new Uint32Array() };
  const result = runAttack("autoattack", { ...request, ...none });
  assert.deepEqual({ broken: result.broken.length, queries: result.queries }, { broken: 0, queries: 0 });
});

test("PGD costs what it says: a look at the clean images, a gradient a step, a look at the end", () => {
  const { queries, gradients } = runAttack("pgd", { ...request, epsilon: 1e-6, options: { steps: 7 } });
  assert.deepEqual({ queries, gradients }, { queries: 3 * (1 + 7 + 1), gradients: 3 * 7 });
});

test("APGD looks at its steps after 22, 41, 57, 70, 80, 87, 93 and 99 of 100", () => {
  assert.deepEqual([...checkpoints(100)], [22, 41, 57, 70, 80, 87, 93, 99]);
});
