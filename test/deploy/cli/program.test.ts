import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { type Command, CommanderError } from "commander";
import { createProgram } from "../../../deploy/cli/program.js";

const main = join(dirname(fileURLToPath(import.meta.url)), "../../../deploy/cli/main.js");

async function run(
  ...args: string[]
): Promise<{ code: number | null; signal: string | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [main, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    timeout: 60_000,
  });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  const [code, signal] = (await once(child, "close")) as [number | null, string | null];
  return { code, signal, stdout, stderr };
}

test("every command, at any depth, throws on an unknown option instead of ending the process", async () => {
  const paths = (command: Command, path: string[]): string[][] =>
    command.commands.flatMap((child) => [[...path, child.name()], ...paths(child, [...path, child.name()])]);
  const all = paths(createProgram(), []).filter((path) => !path.includes("help"));
  assert.ok(all.length > 15, `only ${all.length} commands were found`);
  for (const path of all) {
    const program = createProgram();
    const silent = (command: Command): void => {
      command.configureOutput({ writeErr: () => undefined, writeOut: () => undefined });
      command.commands.forEach(silent);
    };
    silent(program);
    await assert.rejects(
      program.parseAsync([...path, "--no-such-option"], { from: "user" }),
      CommanderError,
      path.join(" "),
    );
  }
});

test("a misspelt command ends with exit code 2 and a suggestion", async () => {
  const { code, stdout, stderr } = await run("trian");
  assert.equal(code, 2);
  assert.equal(stdout, "");
  assert.match(stderr, /Did you mean train\?/);
});

test("a misspelt option of a nested command ends with exit code 2", async () => {
  const { code, stderr } = await run("config", "show", "--jsno");
  assert.equal(code, 2);
  assert.match(stderr, /--json/);
});

test("help and version are no errors", async () => {
  for (const args of [["--help"], ["--version"], ["help", "train"], ["config", "--help"]]) {
    const { code, stdout } = await run(...args);
    assert.equal(code, 0, args.join(" "));
    assert.notEqual(stdout, "");
  }
});

test("the completion script knows the program's own commands", async () => {
  const { code, stdout } = await run("completion", "bash");
  assert.equal(code, 0);
  for (const command of ["demo", "train", "coordinator", "completion"]) assert.ok(stdout.includes(command));
});

test("a reader that leaves early ends the program without an error", async () => {
  const child = spawn(process.execPath, [main, "config", "schema"], {
    stdio: ["ignore", "pipe", "pipe"],
    timeout: 60_000,
  });
  child.stdout.destroy();
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  await once(child, "close");
  assert.equal(stderr, "");
});
