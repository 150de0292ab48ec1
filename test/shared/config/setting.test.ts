import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { poolSchema } from "../../../shared/config/pool.js";
import { configSchema, parseStoredConfig } from "../../../shared/config/run.js";
import { marksOf, optionalSection, section, setting, settings } from "../../../shared/config/setting.js";

const marked = setting("weights", z.int().default(3), "a number");

test("a schema knows what each of its settings decides, through sections", () => {
  const schema = settings({
    first: setting("nothing", z.string().optional(), "a text"),
    inner: section({
      number: marked,
      other: section({ flag: setting("measurement", z.boolean(), "a flag") }),
    }),
  });
  assert.deepEqual(
    [...marksOf(schema)],
    [
      ["first", "nothing"],
      ["inner.number", "weights"],
      ["inner.other.flag", "measurement"],
    ],
  );
  assert.equal(marked.description, "a number");
});

test("a section that nobody opens is not there: what was written before it stays as it is", () => {
  const schema = settings({
    first: marked,
    later: optionalSection({ number: marked, inner: optionalSection({ flag: marked }) }),
  });
  assert.deepEqual(schema.parse({}), { first: 3 });
  assert.deepEqual(schema.parse({ later: {} }), { first: 3, later: { number: 3 } });
  assert.deepEqual([...marksOf(schema).keys()], ["first", "later.number", "later.inner.flag"]);
  assert.ok(!schema.safeParse({ later: { nmber: 1 } }).success);
});

test("a setting without a mark does not compile", () => {
  // Where the compiler takes one of these, it finds the expected error missing, and the build fails.
  // @ts-expect-error -- no mark at all
  settings({ plain: z.int().default(3) });
  // @ts-expect-error -- the mark is lost when the schema is changed afterwards
  settings({ changed: marked.optional() });
  // @ts-expect-error -- in a section
  section({ plain: z.string() });
  // @ts-expect-error -- a section that was not made of settings
  settings({ inner: z.strictObject({ number: marked }) });
  // @ts-expect-error -- there is no such mark
  setting("speed", z.int(), "a number");
  // @ts-expect-error -- help belongs to it
  setting("weights", z.int());
  settings({ number: marked, inner: section({ number: marked }) });
});

test("every setting of a run and of the pool is marked; the pool decides nothing", () => {
  const ofRun = marksOf(configSchema);
  assert.ok(ofRun.size > 30);
  assert.deepEqual(
    [...ofRun].filter(([, decides]) => decides === "weights").map(([path]) => path),
    [
      ...["model", "seed", "engine", "data.set", "network.channels", "network.activation_width"],
      ...["alpha1", "alpha2", "alpha3", "power"].map((key) => `network.loss.${key}`),
      ...["epsilon", "probability"].map((key) => `network.random.${key}`),
      ...["copies", "noise", "copy_scale", "noise_deviation"].map((key) => `network.mean.${key}`),
      ...["epsilon", "share"].map((key) => `network.adversarial.${key}`),
      ...["epsilon", "step_size", "steps"].map((key) => `network.pgd.${key}`),
      ...["train.batch_size", "train.slots", "train.codec", "train.learning_rate"],
      ...["train.momentum", "train.weight_decay", "train.limit_images", "train.adversarial_rounds"],
    ],
  );
  assert.deepEqual(new Set(marksOf(poolSchema).values()), new Set(["nothing"]));
});

test("the settings of a run directory of before are read past the pool's, and checked as strictly as any", () => {
  const stored = { seed: 3, cluster: { workers: "auto", heartbeat_ms: 250 } };
  assert.deepEqual(parseStoredConfig(stored), configSchema.parse({ seed: 3 }));
  assert.equal(parseStoredConfig(stored).train.codec, "fp32");
  assert.equal(parseStoredConfig({ train: { codec: "bf16" } }).train.codec, "bf16");
  assert.throws(() => parseStoredConfig({ train: 1 }));
  assert.throws(() => configSchema.parse(stored), /cluster/);
  assert.throws(() => parseStoredConfig({ ...stored, clutser: 1 }), /clutser/);
  for (const nothing of [null, undefined, [], "text"]) assert.throws(() => parseStoredConfig(nothing));
});
