/** Every command that the documents write is executed by a test, or it is said why not: command-classes.ts. */
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, readdirSync, statSync } from "node:fs";
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { PROGRAM } from "../support/saf.js";
import { CLASSES, type CommandClass } from "./command-classes.js";
import { type Written, documents, shellCommands, shellLines } from "./commands.js";
import { ROOT } from "./tables.js";

const LIMIT = { timeout: 180_000 };

/** A single command: one line may pipe several. */
interface Command extends Written {
  words: string[];
  /** As the table has it. */
  name: string;
}

const commands = documents().flatMap(shellLines).flatMap(commandsOf);

function commandsOf({ where, text }: Written): Command[] {
  return shellCommands(text).flatMap((all) => {
    const words = all.slice(all.findIndex((word) => !/^[A-Z_]+=/.test(word)));
    const program = words[0] === "npx" || words[0] === "./" ? words.slice(1) : words;
    const saf = /^node deploy\/saf\.mjs\b/.test(words.join(" ")) ? ["saf", ...words.slice(2)] : program;
    return saf.length === 0 ? [] : [{ where, text, words: saf, name: saf.join(" ") }];
  });
}

const rowOf = ({ name }: Command): CommandClass | undefined => CLASSES.find(({ match }) => match.test(name));

test("every command of the documents has its place in the table", () => {
  assert.ok(commands.length >= 40, `only ${commands.length} commands were found`);
  assert.deepEqual(
    commands.filter((command) => rowOf(command) === undefined).map(({ where, text }) => `${where}: ${text}`),
    [],
  );
});

test("an unknown command would be noticed", () => {
  for (const text of ["npx saf trian", "make all", "rm -rf /", "saf creds2", "kubectlx apply -f k8s"]) {
    const [command] = commandsOf({ where: "here", text });
    assert.ok(command && rowOf(command) === undefined, text);
  }
});

test("every row of the table is used, and what it says of other tests is true", () => {
  const used = new Set(commands.map(rowOf));
  for (const row of CLASSES) {
    if (row.awaited !== true) assert.ok(used.has(row), `no document has a command like ${row.match.source}`);
    if (row.how !== "by" || !used.has(row)) continue;
    const path = join(ROOT, row.file);
    assert.ok(existsSync(path), `${row.file}, which should run ${row.match.source}, is not there`);
    const texts = statSync(path).isDirectory()
      ? readdirSync(path, { recursive: true, encoding: "utf8" })
          .filter((name) => name.endsWith(".ts"))
          .map((name) => readFileSync(join(path, name), "utf8"))
      : [readFileSync(path, "utf8")];
    assert.ok(
      texts.some((text) => row.ran.test(text)),
      `${row.file} does not run ${row.match.source}`,
    );
  }
});

/** Runs a command in `folder`; variables that `export` sets are kept in `env`. */
async function execute(
  { words, where, text }: Command,
  folder: string,
  env: NodeJS.ProcessEnv,
): Promise<void> {
  const [program = "", ...args] = words;
  if (program === "export") {
    for (const word of args) env[word.slice(0, word.indexOf("="))] = word.slice(word.indexOf("=") + 1);
    return;
  }
  const child =
    program === "saf"
      ? spawn(process.execPath, [PROGRAM, ...args], { cwd: folder, env })
      : spawn(program, args, { cwd: folder, env });
  let said = "";
  let wrote = 0;
  child.stdout.on("data", (bytes: Buffer) => (wrote += bytes.length));
  child.stderr.setEncoding("utf8").on("data", (words_: string) => (said += words_));
  const [code] = (await once(child, "close")) as [number | null];
  assert.equal(code, 0, `${where}: ${text}\n${said}`);
  if (program === "saf" && args[1] !== "validate") assert.ok(wrote > 0, `${where}: ${text} printed nothing`);
}

for (const document of documents()) {
  const own = commands.filter(
    (command) => command.where.startsWith(`${document}:`) && rowOf(command)?.how === "here",
  );
  if (own.length === 0) continue;
  const needsOpenssl = own.some(({ words }) => words[0] === "openssl") && !hasOpenssl();
  test(
    `the quick commands of ${document} do what they should`,
    { ...LIMIT, skip: needsOpenssl && "openssl is not here" },
    async (t) => {
      const folder = await mkdtemp(join(tmpdir(), "saf-docs-"));
      t.after(() => rm(folder, { recursive: true, force: true }));
      await cp(join(ROOT, "examples"), join(folder, "examples"), { recursive: true });
      const env = { ...process.env };
      for (const command of own) await execute(command, folder, env);
      t.diagnostic(`${own.length} command(s)`);
    },
  );
}

function hasOpenssl(): boolean {
  try {
    execFileSync("openssl", ["version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}
