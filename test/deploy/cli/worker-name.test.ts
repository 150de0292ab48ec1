import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { knownVariables, unknownVariables } from "../../../deploy/cli/environment.js";
import { POOL_VARIABLES } from "../../../deploy/cli/pool-options.js";
import { createProgram } from "../../../deploy/cli/program.js";
import { workerName } from "../../../deploy/cli/worker-name.js";
import { ClusterError } from "../../../shared/errors.js";
import { isWorkerName } from "../../../shared/subjects.js";
import { ROOT } from "../../docs/tables.js";

test("a worker is called what the user says, else by its index in the Job, else after its host", () => {
  assert.equal(workerName("gpu-7", "3", "host"), "gpu-7");
  assert.equal(workerName(undefined, "3", "train-worker-3"), "worker-3");
  assert.equal(workerName(undefined, undefined, "worker-12"), "worker-12");
  assert.equal(workerName(undefined, undefined, "Node_A.example.org"), "node-a");
});

test("of a long host name the end is kept: it tells replicas apart", () => {
  const name = workerName(undefined, undefined, "a-very-long-deployment-name-7d9f8c7b5-x2x4k");
  assert.ok(name.endsWith("7d9f8c7b5-x2x4k"), name);
  assert.ok(name.length <= 32);
});

test("any host name gives a name that a subject can hold, or an error that says what to set", () => {
  fc.assert(
    fc.property(fc.string(), (host) => {
      try {
        assert.ok(isWorkerName(workerName(undefined, undefined, host)));
      } catch (error) {
        assert.ok(error instanceof ClusterError && error.exitCode === 2);
        assert.match(error.hint ?? "", /SAF_WORKER_ID/);
      }
    }),
  );
});

test("a name that is no token, or that another role owns, is a usage error", () => {
  for (const wrong of ["", "Worker", "a.b", "coordinator", "x".repeat(33)])
    assert.throws(
      () => workerName(wrong, undefined, "host"),
      (error) => error instanceof ClusterError && error.exitCode === 2,
    );
});

/** Every variable of ours that the sources name. */
function variablesInSources(): Set<string> {
  const found = new Set<string>();
  for (const folder of ["shared", "coordinator", "worker", "deploy"]) {
    for (const file of readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })) {
      if (!file.endsWith(".ts") || file.includes("generated")) continue;
      const text = readFileSync(join(ROOT, folder, file), "utf8");
      for (const [name] of text.matchAll(/\bSAF_[A-Z0-9_]*[A-Z0-9]\b/g)) found.add(name);
    }
  }
  return found;
}

test("every variable that the sources name is known, and a mistyped one is told with the right one", () => {
  const own = createProgram().commands.flatMap(({ options }) => options.map(({ envVar }) => envVar));
  const known = knownVariables(own, POOL_VARIABLES.keys());
  const inSources = [...variablesInSources()];
  assert.ok(inSources.length >= 20);
  assert.deepEqual(
    inSources.filter((name) => !known.includes(name)),
    [],
  );
  assert.deepEqual(unknownVariables({ SAF_NATS_ULR: "x", PATH: "y", SAF_POOL: "z" }, known), [
    "SAF_NATS_ULR is no setting and does nothing; did you mean SAF_NATS_URL?",
  ]);
});
