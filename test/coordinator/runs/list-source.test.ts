import assert from "node:assert/strict";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { ListSource } from "../../../coordinator/runs/list-source.js";
import { createFreshDirectory } from "../../../coordinator/io/run-directory.js";
import { nameOf, withDistinctNames } from "../../../coordinator/runs/run-names.js";
import { temporaryDirectory } from "../io/storage-support.js";
import type { RunEnd, RunOrder } from "../../../coordinator/runs/source.js";
import { configSchema } from "../../../shared/config/run.js";
import type { ModelResult } from "../../../shared/results.js";

const OUT = "out/20261122T101500Z-Two.Nets";

function listOf(...names: string[]): ListSource {
  const configs = names.map((name) => configSchema.parse({ name, model: "plain" }));
  return new ListSource(configs, { out: OUT, evaluateOnly: false });
}

function nextOf(source: ListSource): RunOrder {
  const order = source.next();
  if (typeof order === "string") return assert.fail(order);
  return order;
}

const result = { name: "plain" } as ModelResult;
const ending = (isIncomplete: boolean, isInterrupted = false): RunEnd => ({
  outcome: {
    name: "plain",
    weightsSha256: "abc",
    result: isInterrupted ? undefined : result,
    isIncomplete,
  },
});
const DONE = ending(false);
const FAILED: RunEnd = { failure: { code: "diverged", message: "NaN", exit_code: 4 } };

test("a single run uses the folder itself, several get a folder each, under ids that are the same every time", () => {
  const alone = nextOf(listOf("one"));
  assert.deepEqual([alone.directory, alone.isAlone], [resolve(OUT), true]);
  const first = nextOf(listOf("one", "two"));
  assert.deepEqual([first.directory, first.isAlone], [resolve(join(OUT, "one")), false]);
  assert.equal(first.runId, "20261122t101500z-two-nets-one");
});

test("two runs of one name get a folder each, and the same ones every time", () => {
  const names = (...given: string[]): string[] => {
    const source = listOf(...given);
    return given.map(() => {
      const { name, directory, config } = nextOf(source);
      assert.equal(directory, resolve(join(OUT, name)));
      assert.equal(nameOf(config), name);
      return name;
    });
  };
  assert.deepEqual(names("one", "one", "two", "one"), ["one", "one-2", "two", "one-3"]);
  assert.deepEqual(names("one", "one", "one-2"), ["one", "one-3", "one-2"]);
  const long = "a".repeat(30) + "-b";
  assert.deepEqual(names(long, long), [long, `${"a".repeat(30)}-2`]);
  const unnamed = configSchema.parse({ model: "plain" });
  assert.deepEqual(withDistinctNames([unnamed, unnamed]).map(nameOf), ["plain", "plain-2"]);
});

test("a fresh folder is nobody else's", async (t) => {
  const path = join(await temporaryDirectory(t), "runs", "one");
  await createFreshDirectory(path);
  await assert.rejects(createFreshDirectory(path), { code: "storage" });
});

test("runs come in the order of the list, and none comes after the last has ended", () => {
  const source = listOf("one", "two");
  assert.deepEqual(
    source.soon(1).map(({ name }) => name),
    ["one"],
  );
  assert.equal(source.pending, 2);
  const [one, two] = [nextOf(source), nextOf(source)];
  assert.deepEqual([one.name, two.name], ["one", "two"]);
  assert.equal(source.pending, 0);
  source.ended(two, DONE);
  assert.equal(source.next(), "wait", "the first may turn out incomplete");
  source.ended(one, FAILED);
  assert.equal(source.next(), "none");
  assert.deepEqual(
    source.ends.map((end) => ("failure" in end ? [end.name, end.failure.code] : [end.name, end.model])),
    [
      ["one", "diverged"],
      ["two", "plain"],
    ],
    "ends stand in the order of the list",
  );
});

test("a run that waited for another one's weights comes again when all are over, to be measured only", () => {
  const source = listOf("one", "two", "three");
  const [one, two, three] = [nextOf(source), nextOf(source), nextOf(source)];
  source.ended(one, ending(true));
  source.ended(three, ending(false, true));
  assert.equal(source.next(), "wait");
  source.ended(two, DONE);
  const again = nextOf(source);
  assert.deepEqual([again.name, again.evaluateOnly], ["one", true]);
  assert.equal(source.next(), "none", "one lap more is enough");
  source.ended(again, ending(true));
  assert.equal(source.next(), "none");
});

test("a neighbour is to come until its weights are final, and lost when it ends without", () => {
  const source = listOf("one", "two");
  const [one, two] = [nextOf(source), nextOf(source)];
  assert.equal(source.beside(one.directory), "coming");
  source.trained(one);
  assert.equal(source.beside(one.directory), "trained");
  source.ended(two, FAILED);
  assert.equal(source.beside(two.directory), "lost");
  source.ended(one, FAILED);
  assert.equal(source.beside(one.directory), "trained", "its measurement failed, its weights are there");
  assert.equal(source.beside("/elsewhere"), undefined);
});

test("in a lineage each run begins with the weights of the one before, when that has ended", () => {
  const configs = ["one", "two", "three"].map((name) => configSchema.parse({ name, model: "plain" }));
  const source = new ListSource(configs, { out: OUT, evaluateOnly: false, lineage: true });
  const one = nextOf(source);
  assert.equal(one.origin, undefined);
  assert.equal(source.next(), "wait");
  source.ended(one, DONE);
  const two = nextOf(source);
  assert.equal(two.origin, one.directory);
  source.ended(two, FAILED);
  assert.equal(source.next(), "none", "what it would have begun with is not there");
});
