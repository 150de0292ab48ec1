import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import fc from "fast-check";
import { stringify } from "yaml";
import { loadConfig, type LoadedConfig } from "../../../deploy/cli/config-file.js";
import { completeConfig, showConfig } from "../../../deploy/cli/config-view.js";
import { configSchema, type ConfigInput } from "../../../shared/config/run.js";
import { ClusterError } from "../../../shared/errors.js";
import { resolveRun } from "../../../shared/resolve.js";

/** Writes files into a folder of their own and loads them; paths in messages are cut to the file's name. */
async function folder(
  t: TestContext,
): Promise<{ path: string; write(name: string, text: string | Uint8Array): Promise<string> }> {
  const path = await mkdtemp(join(tmpdir(), "saf-config-"));
  t.after(() => rm(path, { recursive: true, force: true }));
  return {
    path,
    async write(name, text) {
      await writeFile(join(path, name), text);
      return join(path, name);
    },
  };
}

async function load(t: TestContext, text: string | Uint8Array, set: string[] = []): Promise<LoadedConfig> {
  const { write } = await folder(t);
  return loadConfig({ files: [await write("run.yaml", text)], set });
}

/** The lines of the refusal, without the folder. */
async function refusal(loading: Promise<unknown>): Promise<string[]> {
  try {
    await loading;
  } catch (error) {
    assert.ok(error instanceof ClusterError, String(error));
    assert.equal(error.code, "config");
    return error.message.split("\n").map((line) => line.replace(/^\/\S*\//, ""));
  }
  assert.fail("the configuration was accepted");
}

test("no file at all gives the defaults", async () => {
  const { value, sources } = await loadConfig({ files: [], set: [] });
  assert.deepEqual(value, configSchema.parse({}));
  assert.equal(sources.get("train.slots"), "default");
});

test("later files and then --set win, and every value knows its source", async (t) => {
  const { write, path } = await folder(t);
  const first = await write(
    "base.yaml",
    "seed: 1\ntrain:\n  epochs: 2\n  slots: 8\nevaluate:\n  kinds: [clean, noisy]\n",
  );
  const second = await write("over.yaml", "train:\n  epochs: 3\nevaluate:\n  kinds:\n    - nonsense\n");
  const { value, sources } = await loadConfig({
    files: [first, second],
    set: ["train.slots=16"],
    base: { name: "paper" },
  });

  assert.equal(value.seed, 1);
  assert.equal(value.train.epochs, 3);
  assert.equal(value.train.slots, 16);
  assert.deepEqual(value.evaluate.kinds, ["nonsense"], "lists replace");
  assert.equal(sources.get("seed"), `${path}/base.yaml:1:7`);
  assert.equal(sources.get("train.epochs"), `${path}/over.yaml:2:11`);
  assert.equal(sources.get("train.slots"), "--set");
  assert.equal(sources.get("name"), "preset");
  assert.equal(sources.get("train.momentum"), "default");
});

test("an unknown key is refused with its place and a suggestion", async (t) => {
  assert.deepEqual(await refusal(load(t, "name: a\ntrain:\n  epochs: 1\n  learning_rte: 0.1\n")), [
    'run.yaml:4:3: unknown key "learning_rte" — did you mean "learning_rate"?',
  ]);
});

test("a key of another section is suggested with its path", async (t) => {
  assert.deepEqual(await refusal(load(t, "epochs: 3\n")), [
    'run.yaml:1:1: unknown key "epochs" — did you mean "train.epochs"?',
  ]);
});

test("__proto__ and constructor are unknown keys like any other", async (t) => {
  const lines = await refusal(load(t, "__proto__: { seed: 1 }\nconstructor: 2\n"));
  assert.equal(lines.length, 2);
  assert.match(lines[0] ?? "", /^run\.yaml:1:1: unknown key "__proto__"/);
  assert.match(lines[1] ?? "", /^run\.yaml:2:1: unknown key "constructor"/);
});

test("every impossible value is one line, in the order of the file", async (t) => {
  const text = `name: Foo
train:
  momentum: .nan
  batch_size: abc
  slots: 3
evaluate: { kinds: [clean, adversrial], strengths: [0.2, 0.1] }
data: { dir: }
version: 3
`;
  const lines = await refusal(load(t, text));
  assert.deepEqual(
    lines.map((line) => line.split(": ")[0] ?? ""),
    [
      "run.yaml:1:7",
      "run.yaml:3:13",
      "run.yaml:4:15",
      "run.yaml:5:10",
      "run.yaml:6:28",
      "run.yaml:6:52",
      "run.yaml:7:14",
      "run.yaml:8:10",
    ],
  );
  assert.ok(
    lines[2]?.endsWith('train.batch_size: expected a whole number from 1 to 65536, got "abc"'),
    lines[2],
  );
  assert.ok(lines[3]?.endsWith("train.slots: slots must be a power of two, got 3"), lines[3]);
  assert.ok(lines[4]?.endsWith('got "adversrial" — did you mean "adversarial"?'), lines[4]);
  assert.ok(lines[5]?.endsWith("strengths must increase, got [0.2, 0.1]"), lines[5]);
  assert.ok(lines[6]?.endsWith("expected text, got nothing (leave the line out for the default)"), lines[6]);
});

test("a value that may be of two kinds is explained for the kind that was meant", async (t) => {
  assert.deepEqual(await refusal(load(t, "train: { learning_rate: fast }")), [
    'run.yaml:1:25: train.learning_rate: expected a number above 0 and at most 10, or a non-empty list of maps of rate, epochs, got "fast"',
  ]);
  assert.deepEqual(
    await refusal(
      load(
        t,
        "train:\n  learning_rate:\n    - { rate: -1, epochs: 1 }\n    - { rte: 1, rate: 1, epochs: 1 }\n",
      ),
    ),
    [
      "run.yaml:3:15: train.learning_rate[0].rate: expected a number above 0 and at most 10, got -1",
      'run.yaml:4:9: unknown key "rte" — did you mean "rate"?',
    ],
  );
});

test("an unknown model is refused where it stands", async (t) => {
  const [line] = await refusal(load(t, "model: mrelu-r-n\n"));
  assert.match(
    line ?? "",
    /^run\.yaml:1:8: model: expected one of plain, .*, got "mrelu-r-n" — did you mean "mrelu-r-m"\?$/,
  );
});

test("a setting for a part that the network lacks, or that does not fit it, is refused where it stands", async (t) => {
  const text = `model: plain-r
network:
  channels: [4, 8]
  activation_width: 2
  random: { epsilon: 0.1 }
  mean: { copies: 10 }
`;
  assert.deepEqual(await refusal(load(t, text)), [
    'run.yaml:3:13: network.channels: "plain-r" on mnist has 3 convolutions before the last: expected 3 numbers, got 2',
    'run.yaml:4:21: network.activation_width: only for symmetric activations, which "plain-r" does not have',
    'run.yaml:6:9: network.mean: only for flag M, which "plain-r" does not have',
  ]);
  const [line] = await refusal(load(t, "network:\n  random: { epsilon: 127.5 }\n"));
  assert.equal(line, "run.yaml:2:22: network.random.epsilon: expected a number from 0 to 1, got 127.5");
});

test("every setting of the network is shown: said, or the paper's", async (t) => {
  const { value, sources } = await load(t, "model: mrelu-r\nnetwork: { random: { epsilon: 0.3 } }\n");
  const { config, sources: shown } = completeConfig(value, sources, resolveRun(value));
  const lines = showConfig(config, shown).split("\n");
  const from = lines.findIndex((line) => line.startsWith("network:"));
  const until = lines.findIndex((line) => line.startsWith("train:"));
  assert.deepEqual(
    lines
      .slice(from, until)
      .map((line) => line.replace(/ +# .*\/run\.yaml/, " # run.yaml").replace(/ +#/, " #")),
    [
      "network:",
      "  channels: [20, 50, 500] # the paper's",
      "  activation_width: 1 # the paper's",
      "  loss:",
      "    alpha1: 1 # the paper's",
      "    alpha2: 1 # the paper's",
      "    alpha3: 0 # the paper's",
      "    power: 2 # the paper's",
      "  random:",
      "    epsilon: 0.3 # run.yaml:2:31",
      "    probability: 0.5 # the paper's",
    ],
  );
});

test("for --set the flag is named, and its value is YAML", async () => {
  const { value } = await loadConfig({
    files: [],
    set: ["train.learning_rate=[{rate: 0.1, epochs: 2}]", "name=a", "evaluate.images=100"],
  });
  assert.deepEqual(value.train.learning_rate, [{ rate: 0.1, epochs: 2 }]);
  assert.equal(value.evaluate.images, 100);

  const refused = (set: string[]): Promise<string[]> => refusal(loadConfig({ files: [], set }));
  assert.deepEqual(await refused(["train.batch_size=0"]), [
    "--set train.batch_size: expected a whole number from 1 to 65536, got 0",
  ]);
  assert.deepEqual(await refused(["train.epohcs=1"]), [
    '--set train.epohcs: unknown key "epohcs" — did you mean "epochs"?',
  ]);
  assert.deepEqual(await refused(["seed"]), ["--set seed: expected key=value, as in --set train.epochs=3"]);
  assert.deepEqual(await refused(["a..b=1"]), ["--set a..b: expected key=value, as in --set train.epochs=3"]);
  assert.deepEqual(await refused(["seed=[1"]), ["--set seed: flow sequence must end with a ]"]);
});

test("an empty section means its defaults, an empty file means all of them", async (t) => {
  assert.deepEqual((await load(t, "train:\nevaluate:\n")).value, configSchema.parse({}));
  assert.deepEqual((await load(t, "# nothing yet\n")).value, configSchema.parse({}));
});

test("broken YAML is refused in one line", async (t) => {
  const cases: [string, RegExp][] = [
    ["name: [a, b\n", /^run\.yaml:2:1: flow sequence .* must .* end with a \]$/],
    ["a: 1\n\ta: 2\n", /^run\.yaml:\d+:\d+: /],
    ["name: x\nname: y\n", /^run\.yaml:2:1: duplicate key "name", first on line 1$/],
    ["- 1\n", /^run\.yaml:1:1: expected a map of settings, got a list$/],
    ["hello\n", /^run\.yaml:1:1: expected a map of settings, got a single value$/],
    ["? [a, b]\n: 1\n", /^run\.yaml:1:3: a key must be text$/],
    ["name: *a\n", /^run\.yaml:1:7: /],
    ["name: !!js/function x\n", /^run\.yaml:1:7: unresolved tag/],
    ["name: a\n---\nname: b\n", /^run\.yaml:\d:1: a second YAML document/],
    [`name: ${"[".repeat(200_000)}`, /^run\.yaml:1:\d+: nested too deeply$/],
    [`${"- ".repeat(200_000)}`, /^run\.yaml:1:\d+: nested too deeply$/],
    ["name: &a [*a]\n", /nested too deeply, aliases followed$/],
  ];
  for (const [text, pattern] of cases) {
    const lines = await refusal(load(t, text));
    assert.equal(lines.length, 1, text.slice(0, 40));
    assert.match(lines[0] ?? "", pattern);
  }
});

test("aliases that multiply are refused before they fill the memory", async (t) => {
  const levels = Array.from(
    { length: 9 },
    (_, i) =>
      `a${i}: &a${i} [${Array(10)
        .fill(i === 0 ? "x" : `*a${i - 1}`)
        .join(", ")}]`,
  );
  const [line] = await refusal(load(t, levels.join("\n")));
  assert.match(line ?? "", /^run\.yaml:1:\d+: more than 100000 values, aliases followed$/);
});

test("what is no small UTF-8 file is refused in one line", async (t) => {
  const { path, write } = await folder(t);
  await mkdir(join(path, "folder"));
  const refused = (file: string): Promise<string[]> => refusal(loadConfig({ files: [file], set: [] }));
  assert.deepEqual(await refused(join(path, "absent.yaml")), ["absent.yaml: no such file"]);
  assert.deepEqual(await refused(join(path, "folder")), ["folder: is a folder: expected a file"]);
  assert.deepEqual(await refused(await write("a.yaml", Uint8Array.of(0x61, 0x0a, 0xff, 0xfe))), [
    "a.yaml:2: not UTF-8 text",
  ]);
  assert.match(
    (await refused(await write("b.yaml", "#".repeat(1024 * 1024 + 1))))[0] ?? "",
    /^b\.yaml: larger than 1048576 bytes/,
  );
  assert.deepEqual(await refused("a\0b"), ["a\\u0000b: not readable (ERR_INVALID_ARG_VALUE)"]);
});

test("nothing a terminal would obey comes out of a message", async (t) => {
  const lines = await refusal(load(t, '"\\e[31mred\\u009b": 1\n"\\u202e": 2\n'));
  for (const line of lines) assert.doesNotMatch(line, /[\u0000-\u001f\u007f-\u009f\u202e]/);
});

const yamlish = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        ..."[]{}:-?&*!|>%@`\"',#".split(""),
        "\n",
        "  ",
        "\t",
        "---",
        "...",
        "<<",
        "~",
        "\\",
        "\r",
        "\0",
        "\ufeff",
      ),
      fc.constantFrom(
        "train",
        "name",
        "epochs",
        "learning_rate",
        "rate",
        "kinds",
        "1",
        ".nan",
        "0x1",
        "true",
        "null",
        "a",
        "&a ",
        "*a",
      ),
      fc.string({ unit: "binary", maxLength: 3 }),
    ),
    { maxLength: 60 },
  )
  .map((parts) => parts.join(""));

/** A load either succeeds or throws ClusterError("config") with short lines. */
async function neverCrashes(loading: Promise<unknown>): Promise<void> {
  try {
    await loading;
  } catch (error) {
    if (!(error instanceof ClusterError) || error.code !== "config") throw error;
    for (const line of error.message.split("\n"))
      assert.ok(line.length < 1200 && !line.includes("    at "), line);
  }
}

test("no bytes and no YAML-like text make it throw anything but a config error", async (t) => {
  const { path, write } = await folder(t);
  await fc.assert(
    fc.asyncProperty(fc.oneof(fc.uint8Array({ maxLength: 200 }), yamlish), async (content) => {
      await write("fuzz.yaml", content);
      await neverCrashes(loadConfig({ files: [join(path, "fuzz.yaml")], set: [] }));
    }),
    { numRuns: 600 },
  );
});

test("no --set makes it throw anything but a config error", async () => {
  const assignment = fc.tuple(
    fc.oneof(fc.constantFrom("train.epochs", "train.learning_rate", "a.b", "name"), yamlish),
    yamlish,
  );
  await fc.assert(
    fc.asyncProperty(fc.array(assignment, { maxLength: 3 }), async (pairs) => {
      await neverCrashes(loadConfig({ files: [], set: pairs.map(([key, value]) => `${key}=${value}`) }));
    }),
    { numRuns: 600 },
  );
});

const positive = (max: number): fc.Arbitrary<number> => fc.double({ min: 1e-6, max, noNaN: true });
/** Only one of the models has what all these settings are for. */
const validConfig: fc.Arbitrary<ConfigInput> = anyConfig().map((input) =>
  input.network === undefined || (input.model ?? "mrelu-r-m") === "mrelu-r-m"
    ? input
    : { ...input, network: { channels: [3, 2, 1] } },
);

function anyConfig(): fc.Arbitrary<ConfigInput> {
  return fc.record(
    {
      version: fc.constant(1 as const),
      name: fc.stringMatching(/^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?$/),
      model: fc.constantFrom("plain", "mrelu-r-m", "rbf-m"),
      seed: fc.nat(),
      data: fc.record({ dir: fc.string({ unit: "grapheme" }) }, { requiredKeys: [] }),
      train: fc.record(
        {
          epochs: positive(10_000),
          batch_size: fc.integer({ min: 64, max: 1000 }),
          slots: fc.constantFrom(1, 2, 4, 8, 64),
          learning_rate: fc.oneof(
            positive(10),
            fc.array(fc.record({ rate: positive(10), epochs: positive(10) }), { minLength: 1 }),
          ),
          momentum: fc.double({ min: 0, max: 0.999, noNaN: true }),
        },
        { requiredKeys: [] },
      ),
      network: fc.record(
        {
          channels: fc.array(fc.integer({ min: 1, max: 64 }), { minLength: 3, maxLength: 3 }),
          activation_width: fc.double({ min: 0.01, max: 100, noNaN: true }),
          loss: fc.record({ power: fc.double({ min: 1, max: 32, noNaN: true }) }, { requiredKeys: [] }),
          random: fc.record({ epsilon: fc.double({ min: 0, max: 1, noNaN: true }) }, { requiredKeys: [] }),
        },
        { requiredKeys: [] },
      ),
      evaluate: fc.record(
        {
          kinds: fc.subarray(["clean", "adversarial", "nonsense", "noisy"] as const, { minLength: 1 }),
          images: fc.integer({ min: 1 }),
        },
        { requiredKeys: [] },
      ),
    },
    { requiredKeys: [] },
  );
}

test("a valid configuration says the same after a round trip through a file, and through `config show`", async (t) => {
  const { path, write } = await folder(t);
  await fc.assert(
    fc.asyncProperty(validConfig, async (input) => {
      const expected = configSchema.parse(input);
      await write("in.yaml", stringify(input));
      const { value, sources } = await loadConfig({ files: [join(path, "in.yaml")], set: [] });
      assert.deepEqual(value, expected);

      const complete = completeConfig(value, sources, resolveRun(value));
      await write("shown.yaml", showConfig(complete.config, complete.sources));
      const again = await loadConfig({ files: [join(path, "shown.yaml")], set: [] });
      assert.deepEqual(again.value, complete.config);
    }),
    { numRuns: 150 },
  );
});
