// Compiles the messages (protobufjs static code) and the TypeScript sources into dist/. Plain JavaScript, because it
// runs before anything is compiled. Does only what is out of date; `--force` does everything, `--program` leaves the tests
// out. Both kinds share one record of what is compiled: two of them would each believe in files that the other has replaced.
// The compiler comes last: what does not compile in one folder keeps nothing back from the others.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const SOURCE_FOLDERS = ["shared", "coordinator", "worker", "deploy", "test"];
const isProgramOnly = process.argv.includes("--program");
/** What was made of the other sources stays as it is. */
const BUILT_FOLDERS = isProgramOnly ? SOURCE_FOLDERS.filter((folder) => folder !== "test") : SOURCE_FOLDERS;
/** Read at run time beside the compiled code. */
const ASSETS = [".json", ".html", ".css", ".py", ".mjs", ".svg", ".wasm"];

function filesBelow(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .sort();
}

function run(command, args) {
  const result = spawnSync(process.execPath, [join(root, "node_modules", command), ...args], {
    cwd: root,
    encoding: "utf8",
  });
  if (result.status !== 0) {
    process.stderr.write(`${result.stdout}${result.stderr}`);
    throw new Error(`${command} failed`);
  }
}

/** `protobufjs-cli` writes JavaScript and its declarations. */
function compileMessages() {
  const generated = join(root, "shared/proto/generated");
  mkdirSync(generated, { recursive: true });
  for (const file of filesBelow(join(root, "shared/proto")).filter((name) => name.endsWith(".proto"))) {
    const name = relative(join(root, "shared/proto"), file).replace(/\.proto$/, "");
    const stamp = createHash("sha256")
      .update(readFileSync(file))
      .update(readFileSync(join(root, "package-lock.json")))
      .digest("hex");
    const stampFile = join(generated, `${name}.stamp`);
    const script = join(generated, `${name}.js`);
    if (
      !process.argv.includes("--force") &&
      existsSync(script) &&
      existsSync(stampFile) &&
      readFileSync(stampFile, "utf8") === stamp
    )
      continue;
    const options = [
      "-t",
      "static-module",
      "-w",
      "es6",
      "--es6",
      "--no-create",
      "--no-verify",
      "--no-delimited",
      "--force-number",
    ];
    run("protobufjs-cli/bin/pbjs", [...options, "-o", script, file]);
    run("protobufjs-cli/bin/pbts", ["-o", join(generated, `${name}.d.ts`), script]);
    writeFileSync(stampFile, stamp);
  }
}

/** A source that is gone leaves no compiled file behind, or a deleted test would go on running. */
function removeOrphans() {
  const sources = new Set(BUILT_FOLDERS.flatMap((folder) => filesBelow(join(root, folder))));
  for (const file of BUILT_FOLDERS.flatMap((folder) => filesBelow(join(root, "dist", folder)))) {
    const source = join(root, relative(join(root, "dist"), file));
    const candidates = [source, source.replace(/\.js(\.map)?$/, ".ts")];
    if (!candidates.some((candidate) => sources.has(candidate))) rmSync(file);
  }
}

function copyAssets() {
  for (const file of SOURCE_FOLDERS.flatMap((folder) => filesBelow(join(root, folder)))) {
    const generated = file.includes(join("proto", "generated")) && file.endsWith(".js");
    if (!generated && !ASSETS.some((ending) => file.endsWith(ending))) continue;
    const target = join(root, "dist", relative(root, file));
    mkdirSync(dirname(target), { recursive: true });
    if (!existsSync(target) || !readFileSync(target).equals(readFileSync(file))) copyFileSync(file, target);
  }
}

/** An image has no .git: whoever builds it says the commit. coordinator/io/code-commit.ts reads it. */
function recordCommit() {
  const commit = process.env.SAF_COMMIT ?? "";
  if (!/^[0-9a-f]{40}$/.test(commit)) return;
  mkdirSync(join(root, "dist"), { recursive: true });
  writeFileSync(join(root, "dist/commit"), `${commit}\n`);
}

compileMessages();
removeOrphans();
if (process.argv.includes("--force")) rmSync(join(root, "dist/.tsbuildinfo"), { force: true });
copyAssets();
recordCommit();
run("typescript/bin/tsc", ["-p", isProgramOnly ? "tsconfig.program.json" : "tsconfig.json"]);
