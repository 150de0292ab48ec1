import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { VERSION } from "../../../shared/version.js";
import { programs } from "../../support/cluster.js";
import { saf } from "../../support/saf.js";

const LIMIT = { timeout: 120_000 };

test("`doctor` finds everything that a run needs", LIMIT, async () => {
  const run = await saf(["doctor"]);
  assert.equal(run.code, 0, run.stdout);
  const lines = run.stdout.trim().split("\n");
  assert.ok(
    lines.every((line) => line.startsWith("ok ")),
    run.stdout,
  );
  assert.deepEqual(
    lines.map((line) => line.split(/\s+/)[1]),
    ["saf", "node", "machine", "engine", "gpu", "nats-server", "mnist", "disk"],
  );
});

test("`setup --json` says the engine and the nats-server it chose", LIMIT, async () => {
  const { choice, nats, cacheDir } = await programs();
  const run = await saf(["setup", "--json"]);
  assert.equal(run.code, 0, run.stderr);
  const told = JSON.parse(run.stdout) as {
    engine: { engine: string; version: string };
    nats_server: { path: string; version: string };
    cache: string;
  };
  assert.deepEqual([told.engine.engine, told.engine.version], [choice.engine, choice.version]);
  assert.deepEqual([told.nats_server.path, told.nats_server.version], [nats.path, nats.version]);
  assert.equal(told.cache, cacheDir);
});

test("`data verify` names four files that are right; `data info` counts the images", LIMIT, async () => {
  const verified = await saf(["data", "verify"]);
  assert.equal(verified.code, 0);
  assert.equal(verified.stdout.match(/^ok {2}\S+-ubyte/gm)?.length, 4);
  const info = await saf(["data", "info", "--json"]);
  const {
    train_images: train,
    test_images: tests,
    image,
  } = JSON.parse(info.stdout) as Record<string, unknown>;
  assert.deepEqual([train, tests, image], [60_000, 10_000, [28, 28, 1]]);
});

test("`config show` prints what was set and from where; `config schema` every setting", LIMIT, async () => {
  const shown = await saf(["config", "show", "--json", "--set", "train.slots=8"]);
  assert.equal(shown.code, 0, shown.stderr);
  const { config } = JSON.parse(shown.stdout) as { config: { train: { slots: number } } };
  assert.equal(config.train.slots, 8);
  const schema = await saf(["config", "schema"]);
  const { properties } = JSON.parse(schema.stdout) as {
    properties: Record<string, { description?: string }>;
  };
  assert.ok(properties["seed"]?.description);
});

test("`completion bash` is a script that bash can read", LIMIT, async () => {
  const run = await saf(["completion", "bash"]);
  assert.equal(run.code, 0);
  const { status, stderr } = spawnSync("bash", ["-n"], { input: run.stdout, encoding: "utf8" });
  assert.equal(status, 0, stderr);
  assert.match(run.stdout, /complete -F \S+ saf/);
});

test("`--version` and `--help` go to stdout and are no errors", LIMIT, async () => {
  const version = await saf(["--version"]);
  assert.deepEqual(version, { code: 0, stdout: `${VERSION}\n`, stderr: "" });
  const help = await saf(["train", "--help"]);
  assert.equal(help.code, 0);
  assert.match(help.stdout, /--resume <folder>/);
});
