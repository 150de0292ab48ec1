import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import type { Command } from "commander";
import { loadConfig } from "../../deploy/cli/config-file.js";
import { loadPool, ofRun } from "../../deploy/cli/pool-options.js";
import { createProgram } from "../../deploy/cli/program.js";
import { loadSweep } from "../../deploy/cli/sweep-file.js";
import { EXIT_CODES } from "../../shared/errors.js";
import { resolveRun, stepPlan } from "../../shared/resolve.js";
import {
  type Written,
  checkCommand,
  documents,
  fencedBlocks,
  hintedCommands,
  inlineCommands,
  shellCommands,
  shellLines,
} from "./commands.js";
import { ROOT, readDocument, rowsOf } from "./tables.js";

const MNIST_IMAGES = 60_000;

/** What is wrong with these commands, one line each. */
async function problemsOf(written: readonly Written[], isWhole: boolean): Promise<string[]> {
  const problems: string[] = [];
  for (const { where, text } of written) {
    for (const words of shellCommands(text)) {
      const { problem, config } = await checkCommand(words, isWhole);
      if (problem !== undefined) problems.push(`${where}: ${text}: ${problem}`);
      if (config === undefined) continue;
      const files = config.files.filter((file) => !file.startsWith("runs/")).map((file) => join(ROOT, file));
      const checked = [checkConfig(files, ofRun(config.set)), loadPool(config, {})];
      await Promise.all(checked).catch((error: Error) =>
        problems.push(`${where}: ${text}: ${error.message}`),
      );
    }
  }
  return problems;
}

/** Loads it and works out every number that depends on the model and the data. */
async function checkConfig(files: string[], set: string[] = []): Promise<ReturnType<typeof resolveRun>> {
  const { value } = await loadConfig({ files, set });
  const run = resolveRun(value);
  stepPlan(value, run, MNIST_IMAGES);
  return run;
}

test("every command in a sh block of the documents is one that works", async () => {
  const written = documents().flatMap(shellLines);
  assert.ok(written.length >= 15, `only ${written.length} commands were found`);
  assert.deepEqual(await problemsOf(written, true), []);
});

test("every command that the prose of the documents names exists", async () => {
  const written = documents().flatMap(inlineCommands);
  assert.ok(written.length >= 20, `only ${written.length} commands were found`);
  assert.deepEqual(await problemsOf(written, false), []);
});

test("every command that the programs tell the user to run is one that works", async () => {
  const written = hintedCommands();
  const files = written.map(({ where }) => where.replace(/:\d+$/, ""));
  for (const file of ["deploy/cli/demo.ts", "deploy/cli/train.ts"])
    assert.ok(files.includes(file), `no command was found in ${file}`);
  assert.deepEqual(await problemsOf(written, true), []);
});

test("a wrong command in a document would be noticed", async () => {
  const wrong = [
    "npx saf trian",
    "npx saf train --jsno",
    "npx saf train -c examples/no-such.yaml",
    "npx saf train --set train.epocs=3",
    "npx saf train --set pool.worker=3",
    "npx saf train --engine abacus",
    "npx saf evaluate",
    "npx saf config validate examples/no-such.yaml",
    "npm run nothing",
    "npm run saf -- trian",
    "npm start -- --no-such",
    "node deploy/bootstrap.mjs strat",
    "make all",
  ];
  for (const text of wrong)
    assert.equal((await problemsOf([{ where: "here", text }], true)).length, 1, `${text} passed`);
});

const examples = readdirSync(join(ROOT, "examples")).filter((name) => name.endsWith(".yaml"));
const sweeps = readdirSync(join(ROOT, "examples/sweeps")).map((name) => `sweeps/${name}`);

test("every example configuration loads, and is in the README or named by a document", async () => {
  assert.ok(examples.length >= 3);
  assert.ok(sweeps.length >= 4);
  const prose = documents().map(readDocument).join("\n");
  for (const file of examples) await checkConfig([join(ROOT, "examples", file)]);
  for (const file of sweeps) await loadSweep(join(ROOT, "examples", file));
  for (const file of [...examples, ...sweeps])
    assert.ok(prose.includes(`examples/${file}`), `no document speaks of examples/${file}`);
});

test("the command in the head of every example runs that example", async () => {
  for (const file of [...examples, ...sweeps]) {
    const commands = [...readDocument(`examples/${file}`).matchAll(/^# {3}(npx saf .*)$/gm)];
    const text = commands.map((match) => match[1] ?? "").join("\n");
    const how = sweeps.includes(file) ? `sweep run examples/${file}` : `-c examples/${file}`;
    assert.ok(text.includes(how), `examples/${file} does not say how to run it`);
    const written = text.split("\n").map((one) => ({ where: file, text: one }));
    assert.deepEqual(await problemsOf(written, true), []);
  }
});

for (const example of ["mnist-plain", "mnist-mrelu-r-m", "cifar10-plain", "cifar10-mrelu-r-m"]) {
  test(`examples/${example}.yaml says what the paper says`, async () => {
    const { network, train, strengths } = await checkConfig([join(ROOT, `examples/${example}.yaml`)]);
    assert.equal(`${network.dataset}-${network.name}`, example);
    const { epochs, batchSize, stages, weightDecay, momentum } = train;
    assert.deepEqual({ epochs, batchSize, stages, weightDecay }, network.recipe);
    assert.equal(momentum, 0.9);
    assert.deepEqual(strengths, network.strengths);
  });
}

test("every YAML block of the documents is a configuration that loads", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "saf-docs-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const blocks = documents().flatMap((document) => fencedBlocks(readDocument(document), "yaml"));
  assert.ok(blocks.length > 0);
  for (const { text } of blocks) {
    const file = join(folder, "block.yaml");
    writeFileSync(file, text);
    // A sweep's file has what a run's has not.
    if (/^(parameters|list|objective|limits):/m.test(text)) await loadSweep(file);
    else await checkConfig([file]);
  }
});

test("every link and image of the documents leads somewhere", () => {
  const broken: string[] = [];
  for (const document of documents()) {
    for (const [, target = ""] of readDocument(document).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^https:/.test(target)) continue;
      const [path = "", anchor] = target.split("#");
      const file = path === "" ? document : join(dirname(document), path);
      const isThere = existsSync(join(ROOT, file));
      if (!isThere || (anchor !== undefined && !anchorsOf(file).includes(anchor)))
        broken.push(`${document}: ${target}`);
    }
  }
  assert.deepEqual(broken, []);
});

/** Headings as a reader on the web can jump to them. */
function anchorsOf(document: string): string[] {
  return [...readDocument(document).matchAll(/^#+ (.*)$/gm)].map((match) =>
    (match[1] ?? "")
      .toLowerCase()
      .replace(/[^\p{L}\p{N} -]/gu, "")
      .replaceAll(" ", "-"),
  );
}

const readme = readDocument("README.md");

/** The text below a heading of the README, up to the next one of its level. */
function section(heading: string): string {
  const start = readme.indexOf(`\n## ${heading}\n`);
  assert.ok(start >= 0, `README.md has no section "${heading}"`);
  const end = readme.indexOf("\n## ", start + 1);
  return readme.slice(start, end < 0 ? undefined : end);
}

test("the map of folders in the README is true to the tree", () => {
  const [map] = fencedBlocks(section("The folders"), "text");
  const lines = (map?.text ?? "").split("\n").filter((line) => line !== "");
  const top: string[] = [];
  for (const line of lines) {
    const [, indent = "", name = ""] = /^( *)(\S+)/.exec(line) ?? [];
    if (indent === "") top.push(name);
    const path = indent === "" ? name : join(top.at(-1) ?? "", name);
    assert.ok(existsSync(join(ROOT, path)), `there is no ${path}`);
  }
  const made = ["dist", "node_modules", "runs", "coverage"];
  const isEmpty = (name: string): boolean =>
    !readdirSync(join(ROOT, name), { recursive: true, withFileTypes: true }).some((entry) => entry.isFile());
  const folders = readdirSync(ROOT, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith(".") && !made.includes(entry.name))
    .filter(({ name }) => !isEmpty(name))
    .map(({ name }) => `${name}/`);
  assert.deepEqual(
    folders.filter((name) => !top.includes(name)),
    [],
  );
});

test("the README's table of commands is complete", () => {
  const leaves = (command: Command, path: string): string[] =>
    command.commands.length === 0
      ? [path]
      : command.commands.flatMap((child) => leaves(child, `${path} ${child.name()}`));
  const table = section("Commands");
  assert.deepEqual(
    leaves(createProgram(), "saf").filter((path) => !table.includes(`\`${path}\``)),
    [],
  );
});

test("the README's exit codes are the program's", () => {
  const codes = rowsOf(section("Commands").slice(section("Commands").indexOf("| exit code")))
    .flatMap(([code = ""]) => code.split(", "))
    .map(Number);
  const known = [0, ...new Set(Object.values(EXIT_CODES)), 129, 130, 143];
  assert.deepEqual(
    codes,
    [...known].sort((a, b) => a - b),
  );
});
