import assert from "node:assert/strict";
import { test } from "node:test";
import { attackDefinition, attackNamed, attackNames, attackOptions } from "../../shared/attacks.js";
import { ClusterError } from "../../shared/errors.js";

const configError = (pattern: RegExp) => (error: unknown) => {
  assert.ok(error instanceof ClusterError);
  assert.equal(error.code, "config");
  assert.match(error.message, pattern);
  return true;
};

test("every attack has a title, a norm, and options that all have defaults", () => {
  for (const name of attackNames()) {
    const { title, norms } = attackDefinition(name);
    assert.ok(title.length > 0 && norms.length > 0, name);
    assert.equal(attackNamed(name), name);
    assert.equal(typeof attackOptions(name), "object");
  }
});

test("defaults are those of METHOD.md 4.3", () => {
  assert.equal(attackOptions("pgd").steps, 40);
  assert.deepEqual(attackOptions("apgd-ce"), { steps: 100, restarts: 1 });
  assert.deepEqual(attackOptions("square"), { queries: 5000, restarts: 1, share: 0.8 });
  assert.equal(attackOptions("hop-skip-jump").queries, 10_000);
  assert.equal(attackOptions("random-search").queries, 10_000);
});

test("an unknown attack is refused with a suggestion and the list", () => {
  assert.throws(
    () => attackNamed("apdg-ce"),
    (error: ClusterError) => {
      assert.match(error.hint ?? "", /fgsm, pgd, .*autoattack/);
      return configError(/^Unknown attack "apdg-ce": did you mean "apgd-ce"\?$/)(error);
    },
  );
});

test("a wrong option is refused by name", () => {
  assert.throws(() => attackOptions("pgd", { steps: 0 }), configError(/Option "steps" of attack "pgd"/));
  assert.throws(() => attackOptions("pgd", { queries: 5 }), configError(/attack "pgd".*queries/));
  assert.throws(
    () => attackOptions("square", { share: Number.NaN }),
    configError(/"share" of attack "square"/),
  );
});
