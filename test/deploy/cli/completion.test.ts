import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Command, Option } from "commander";
import { completionScript, type Shell } from "../../../deploy/cli/completion-scripts.js";
import { commandNodes } from "../../../deploy/cli/completion-tree.js";
import { completionCommand } from "../../../deploy/cli/completion.js";
import { configCommand } from "../../../deploy/cli/config-command.js";

function sampleProgram(): Command {
  const program = new Command("saf").option("--debug", "print stacks; it's for developers");
  program.addCommand(configCommand());
  program
    .command("train")
    .description("train a network")
    .option("-c, --config <file>", "configuration")
    .option("--out-dir <dir>", "where results go")
    .option("--name <name>", "name of the run")
    .addOption(new Option("--progress <mode>", "how progress is shown").choices(["auto", "bar", "plain"]))
    .addOption(new Option("--secret <value>").hideHelp());
  program.command("hidden", { hidden: true });
  program.addCommand(completionCommand(program));
  return program;
}

function script(shell: Shell): string {
  return completionScript(
    shell,
    "saf",
    commandNodes(sampleProgram(), { "--set": ["train.epochs=", "train.slots="] }),
  );
}

const bashScript = script("bash");

/** What bash offers for these words, the last of them being completed. */
function complete(words: readonly string[], cwd = tmpdir()): string[] {
  const driver = `${bashScript}
COMP_WORDS=(saf "$@")
COMP_CWORD=$#
_saf
for reply in "\${COMPREPLY[@]}"; do printf '%s\\n' "$reply"; done`;
  const ran = spawnSync("bash", ["--norc", "-u", "-c", driver, "bash", ...words], {
    cwd,
    encoding: "utf8",
    timeout: 30_000,
  });
  assert.equal(ran.status, 0, ran.stderr);
  assert.equal(ran.stderr, "");
  return ran.stdout.split("\n").slice(0, -1);
}

test("bash completes commands and subcommands, hidden ones excepted", () => {
  assert.deepEqual(complete([""]).sort(), ["completion", "config", "help", "train"]);
  assert.deepEqual(complete(["co"]).sort(), ["completion", "config"]);
  assert.deepEqual(complete(["config", "s"]).sort(), ["schema", "show"]);
});

test("bash completes options, the program's own included", () => {
  assert.deepEqual(complete(["train", "--"]).sort(), [
    "--config",
    "--debug",
    "--help",
    "--name",
    "--out-dir",
    "--progress",
  ]);
  assert.deepEqual(complete(["config", "show", "--j"]), ["--json"]);
  assert.deepEqual(complete(["--d"]), ["--debug"]);
});

test("bash completes the choices of options and arguments", () => {
  assert.deepEqual(complete(["train", "--progress", ""]), ["auto", "bar", "plain"]);
  assert.deepEqual(complete(["train", "--progress", "ba"]), ["bar"]);
  assert.deepEqual(complete(["completion", ""]), ["bash", "zsh", "fish"]);
});

test("bash completes --option=value, which it cuts into three words", () => {
  assert.deepEqual(complete(["train", "--progress", "=", "pl"]), ["plain"]);
  assert.deepEqual(complete(["train", "--progress", "="]), ["auto", "bar", "plain"]);
});

test("bash completes settings after --set", () => {
  assert.deepEqual(complete(["config", "show", "--set", "train.e"]), ["train.epochs="]);
});

test("the value of an option is no command", () => {
  assert.deepEqual(complete(["--debug", "train", "--name", "config", "--pro"]), ["--progress"]);
  assert.deepEqual(complete(["train", "--name", ""]), []);
});

test("bash completes files and folders, spaces included", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "saf-completion-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  await writeFile(join(folder, "my run.yaml"), "");
  await mkdir(join(folder, "results"));
  assert.deepEqual(complete(["train", "-c", ""], folder).sort(), ["my run.yaml", "results"]);
  assert.deepEqual(complete(["train", "--out-dir", ""], folder), ["results"]);
  assert.deepEqual(complete(["config", "validate", "my"], folder), ["my run.yaml"]);
});

test("bash itself calls the function when it is asked to complete", () => {
  const asked = spawnSync("bash", ["--norc", "-c", `${bashScript}\ncomplete -p saf`], {
    encoding: "utf8",
    timeout: 30_000,
  });
  assert.equal(asked.stdout, "complete -F _saf saf\n");
});

for (const shell of ["zsh", "fish"] as const) {
  const missing = spawnSync(shell, ["--version"]).status !== 0;
  test(`${shell} accepts its script`, { skip: missing ? `${shell} is not here` : false }, async (t) => {
    const folder = await mkdtemp(join(tmpdir(), "saf-completion-"));
    t.after(() => rm(folder, { recursive: true, force: true }));
    await writeFile(join(folder, "script"), script(shell));
    const { status, stderr } = spawnSync(shell, ["-n", join(folder, "script")], {
      encoding: "utf8",
      timeout: 30_000,
    });
    assert.equal(stderr, "");
    assert.equal(status, 0);
  });
}

test(
  "fish completes what bash completes",
  { skip: spawnSync("fish", ["--version"]).status === 0 ? false : "fish is not here" },
  () => {
    const offered = (line: string): string[] => {
      const { stdout } = spawnSync(
        "fish",
        ["--no-config", "-c", `${script("fish")}\ncomplete -C ${JSON.stringify(line)}`],
        { encoding: "utf8", timeout: 30_000 },
      );
      return stdout.split("\n").flatMap((row) => (row === "" ? [] : [row.split("\t")[0] ?? ""]));
    };
    assert.deepEqual(offered("saf co").sort(), ["completion", "config"]);
    assert.deepEqual(offered("saf config s").sort(), ["schema", "show"]);
    assert.deepEqual(offered("saf train --progress ba"), ["bar"]);
    assert.deepEqual(offered("saf config show --set train.e"), ["train.epochs="]);
  },
);
