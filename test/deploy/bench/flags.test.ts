import assert from "node:assert/strict";
import { test } from "node:test";
import { COMPARISONS, overviewOf, rowsOf } from "../../../deploy/bench/core/comparisons.js";
import { distinct, nameOf, rotated } from "../../../deploy/bench/core/contenders.js";
import { type BenchFlags, comparisonsIn, wishesIn } from "../../../deploy/bench/core/flags.js";
import { keysOf } from "../../../shared/core/keys.js";
import { ClusterError } from "../../../shared/errors.js";

const FLAGS: BenchFlags = { python: "python3", rounds: 5, workers: 2 };

const refuses = (flags: Partial<BenchFlags>, why: RegExp): void =>
  assert.throws(
    () => wishesIn({ ...FLAGS, ...flags }),
    (error) => error instanceof ClusterError && error.exitCode === 2 && why.test(error.message),
  );

test("graph and eager are modes, whether they stand behind --engine or --engine-mode", () => {
  assert.deepEqual(
    [{ engine: "eager" } as const, { engineMode: "eager" } as const].map((flags) => {
      const { engine, wishes } = wishesIn({ ...FLAGS, ...flags });
      return [engine, wishes.mode];
    }),
    [
      [undefined, "eager"],
      [undefined, "eager"],
    ],
  );
  const both = wishesIn({ ...FLAGS, engine: "tensorflow", engineMode: "graph" });
  assert.deepEqual([both.engine, both.wishes.mode], ["tensorflow", "graph"]);
  refuses({ engine: "graph", engineMode: "eager" }, /contradict/);
});

test("the old name of mapped memory still works", () => {
  assert.equal(wishesIn({ ...FLAGS, bulk: "shared-memory" }).wishes.bulk, "mapped");
});

test("hosts that cannot be are refused", () => {
  refuses({ hosts: 3 }, /2 workers cannot be spread over 3 hosts/);
  refuses({ hosts: 2, bulk: "mapped" }, /share no memory/);
});

test("without a word the cluster maps memory on one host, and goes through NATS on several", () => {
  const bulkOf = (flags: Partial<BenchFlags>): string =>
    overviewOf(wishesIn({ ...FLAGS, ...flags }).wishes).cluster.bulk;
  assert.deepEqual([bulkOf({}), bulkOf({ hosts: 2 }), bulkOf({ bulk: "nats" })], ["mapped", "nats", "nats"]);
});

test("comparisons come in the order of the table, each once, and `all` is every one", () => {
  assert.deepEqual(comparisonsIn(["wire", "compiled", "wire"]), ["compiled", "wire"]);
  assert.deepEqual(comparisonsIn(["all"]), keysOf(COMPARISONS));
  assert.deepEqual(comparisonsIn([]), []);
});

test("every row of the issue is there, with its bar", () => {
  const { wishes } = wishesIn(FLAGS);
  const bars = rowsOf(comparisonsIn(["all"]), wishes).map(({ what, bar }) => [what, bar]);
  assert.deepEqual(bars, [
    ["bare loop, graph ÷ eager, per CPU s", { atLeast: 1.5 }],
    ["bare loop ÷ PyTorch, per CPU s", { atLeast: 1.45 }],
    ["cluster, mapped memory ÷ DDP", { atLeast: 1.25 }],
    ["cluster, NATS, 2 hosts ÷ DDP", { atLeast: 1 }],
    ["bytes of a step, bf16 ÷ fp32", { atMost: 0.52 }],
    ["CIFAR-10, graph ÷ eager, per CPU s", { atLeast: 1.4 }],
    ["CIFAR-10, graph ÷ PyTorch, per CPU s", { atLeast: 1.2 }],
    ["saf evaluate, graph ÷ eager, s", { atMost: 0.65 }],
    ["modern, graph ÷ eager, s an image", { atMost: 0.5 }],
    ["modern ÷ AutoAttack, s an image", { atMost: 1 }],
    ["memory of a worker, graph ÷ eager", { atMost: 1 }],
  ]);
});

test("what the command line says reaches every contender of a training", () => {
  const { wishes } = wishesIn({ ...FLAGS, batch: 64, model: "plain", steps: 7, codec: "bf16" });
  for (const { above, below } of rowsOf(["torch", "cluster"], wishes)) {
    for (const contender of [above, below]) {
      assert.ok("batch" in contender);
      const { batch, model, steps } = contender;
      assert.deepEqual({ batch, model, steps }, { batch: 64, model: "plain", steps: 7 });
    }
  }
  const [row] = rowsOf(["cluster"], wishes);
  assert.equal(row?.above.kind === "cluster" ? row.above.codec : "", "bf16");
});

test("contenders of several comparisons run once, and each has a name of its own", () => {
  const { wishes } = wishesIn(FLAGS);
  const all = rowsOf(comparisonsIn(["all"]), wishes).flatMap(({ above, below }) => [above, below]);
  const names = distinct(all).map(nameOf);
  assert.equal(new Set(names).size, names.length);
  assert.ok(names.length < all.length);
  // Whatever differs between two of them stands in their names, but for the steps of a round.
  const keys = new Set(all.map((contender) => JSON.stringify({ ...contender, steps: 0 })));
  assert.equal(keys.size, names.length);
});

test("every contender of a round comes first once", () => {
  const orders = [0, 1, 2, 3].map((round) => rotated(["a", "b", "c"], round).join(""));
  assert.deepEqual(orders, ["abc", "bca", "cab", "abc"]);
  assert.deepEqual(rotated([], 3), []);
});
