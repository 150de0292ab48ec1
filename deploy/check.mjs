// What CI checks besides the tests: format, types, lint, known vulnerabilities, and what must not be in the repository.
// One line a check; a failed check's words follow it.
import { spawn } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { PrepareError, ensureBuild, npmCommand, root, runMain } from "./prepare.mjs";

const MAX_TRACKED_BYTES = 2 * 1024 * 1024;

/** A check returns what is wrong, or "" when nothing is; `note` is said beside a pass. */
const checks = [
  // The messages are compiled first: type-aware lint needs their declarations.
  { name: "types", check: compile },
  { name: "format", check: () => tool("prettier/bin/prettier.cjs", "--check", "--log-level=warn", ".") },
  { name: "lint", check: () => tool("eslint/bin/eslint.js", "--max-warnings=0", ".") },
  { name: "audit", check: audit },
  { name: "lockfile", check: lockfile },
  { name: "file sizes", check: fileSizes },
];

/** The build is the strict compile of every source, tests included. */
async function compile() {
  try {
    await ensureBuild();
    return {};
  } catch (error) {
    if (!(error instanceof PrepareError)) throw error;
    return { wrong: error.output || error.message };
  }
}

async function tool(path, ...args) {
  const { code, output } = await run(process.execPath, [join(root, "node_modules", path), ...args]);
  return code === 0 ? {} : { wrong: output };
}

/** npm's answer is JSON: a report of vulnerabilities, or why there is none, which is no failure of ours. */
async function audit() {
  const [command, ...prefix] = npmCommand();
  const args = [...prefix, "audit", "--omit=dev", "--audit-level=high", "--json", "--loglevel=silent"];
  const { code, output, stdout } = await run(command, args);
  const report = parseJson(stdout);
  const counts = report?.metadata?.vulnerabilities;
  if (counts === undefined)
    return {
      note: `advisories were NOT checked, the registry gave no report: ${firstLine(report?.message ?? output).replace(/ - [A-Z]+ http\S+/, "") || `exit ${code}`}`,
    };
  if (code === 0) return {};
  const names = Object.values(report.vulnerabilities ?? {})
    .filter(({ severity }) => severity === "high" || severity === "critical")
    .map(({ name, severity, range, via }) => `${severity}: ${name} ${range}: ${advisories(via)}`);
  return { wrong: names.join("\n") };
}

function advisories(via) {
  return via.map((cause) => (typeof cause === "string" ? `through ${cause}` : cause.title)).join("; ");
}

/** The lockfile names packages by version and hash; where they come from is the user's setting, not ours. */
async function lockfile() {
  const lines = readFileSync(join(root, "package-lock.json"), "utf8").split("\n");
  const hosts = lines.flatMap((line, i) =>
    /"resolved":\s*"\w+:\/\//.test(line) ? [`package-lock.json:${i + 1}: ${line.trim()}`] : [],
  );
  if (hosts.length === 0) return {};
  return {
    wrong: [
      ...hosts.slice(0, 5),
      `${hosts.length} lines name a host: install with omit-lockfile-registry-resolved`,
    ].join("\n"),
  };
}

async function fileSizes() {
  const { code, stdout } = await run("git", ["ls-files", "-z"]);
  if (code !== 0) return { note: "skipped: not a git checkout, or no git" };
  const large = stdout
    .split("\0")
    .filter((file) => file !== "" && existsSync(join(root, file)))
    .map((file) => ({ file, size: statSync(join(root, file)).size }))
    .filter(({ size }) => size > MAX_TRACKED_BYTES);
  return {
    wrong: large.map(({ file, size }) => `${file}: ${size} bytes, at most ${MAX_TRACKED_BYTES}`).join("\n"),
  };
}

function run(command, args) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    let stdout = "";
    child.stdout.setEncoding("utf8").on("data", (text) => {
      stdout += text;
      output += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text) => (output += text));
    child.once("error", (error) => resolve({ code: 127, output: error.message, stdout: "" }));
    child.once("close", (code) => resolve({ code: code ?? 1, output, stdout }));
  });
}

function parseJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function firstLine(text) {
  return String(text).trim().split("\n")[0].slice(0, 200);
}

await runMain(async () => {
  let failures = 0;
  for (const { name, check } of checks) {
    const startMs = Date.now();
    const { wrong = "", note } = await check();
    const seconds = ((Date.now() - startMs) / 1000).toFixed(1);
    const text =
      wrong === "" ? `ok      ${name.padEnd(12)} ${seconds} s` : `FAILED  ${name.padEnd(12)} ${seconds} s`;
    process.stdout.write(`${text}${note ? `  ${note}` : ""}\n`);
    if (wrong === "") continue;
    failures += 1;
    process.stdout.write(`${wrong.trimEnd()}\n\n`);
  }
  if (failures > 0) process.stdout.write(`${failures} of ${checks.length} checks failed\n`);
  return failures > 0 ? 1 : 0;
});
