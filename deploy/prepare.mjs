// Makes a clone ready to run: packages installed, sources compiled. Plain JavaScript without dependencies, because it
// runs on a fresh clone. Says what it does on stderr; stdout belongs to the program.
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { constants, tmpdir } from "node:os";
import { basename, dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

export const root = join(dirname(fileURLToPath(import.meta.url)), "..");

const LOWEST_NODE = [20, 19];
/** `saf bench` runs the scripts of the last one. */
const PROGRAM_FOLDERS = ["shared", "coordinator", "worker", "deploy", "test/bench/peers"];
const SOURCE_FOLDERS = [...PROGRAM_FOLDERS.slice(0, -1), "test"];
const EXIT_UNEXPECTED = 1;
const EXIT_USAGE = 2;
const EXIT_DEPENDENCY = 5;
const FORWARDED_SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"];
const MAX_KEPT_OUTPUT = 200_000;
const PATIENCE_MS = 2000;

/** What stops us before the program itself can speak; `hint` says what to do, `output` is what the tool printed. */
export class PrepareError extends Error {
  constructor(message, { hint, output = "", exitCode = EXIT_UNEXPECTED } = {}) {
    super(message);
    this.hint = hint;
    this.output = output;
    this.exitCode = exitCode;
  }
}

export function usageError(message, hint) {
  return new PrepareError(message, { hint, exitCode: EXIT_USAGE });
}

/** Runs `main`, turning a failure into a few lines on stderr and an exit code. */
export async function runMain(main) {
  try {
    requireNode();
    process.exitCode = await main(process.argv.slice(2));
  } catch (error) {
    if (!(error instanceof PrepareError)) throw error;
    if (error.output.trim() !== "") process.stderr.write(`${error.output.trimEnd()}\n\n`);
    process.stderr.write(`saf: ${error.message}\n`);
    if (error.hint) process.stderr.write(`     ${error.hint}\n`);
    process.exitCode = error.exitCode;
  }
}

function requireNode() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  const [lowestMajor, lowestMinor] = LOWEST_NODE;
  if (major > lowestMajor || (major === lowestMajor && minor >= lowestMinor)) return;
  throw new PrepareError(
    `Node ${LOWEST_NODE.join(".")} or newer is needed, this is ${process.versions.node}`,
    {
      hint: "Install a newer Node (with nvm: nvm install 22) and run the same command again.",
      exitCode: EXIT_DEPENDENCY,
    },
  );
}

/** False where only the compiled program was shipped, as in a container image: there is nothing to prepare. */
export function isCheckout() {
  return existsSync(join(root, "tsconfig.json")) && existsSync(join(root, "deploy/build.mjs"));
}

// ---- Packages --------------------------------------------------------------------------------------------------

const installStamp = join(root, "node_modules/.saf-stamp");

function lockfileHash() {
  const content = readFileSync(join(root, "package-lock.json"));
  return createHash("sha256").update(content).update(`${process.platform}-${process.arch}`).digest("hex");
}

function readIfThere(file) {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}

/**
 * Does node_modules hold what package-lock.json names? npm keeps its own record of what it installed, so that packages
 * installed by hand (`npm ci`, `npm install`) are not installed a second time.
 */
function isInstalled() {
  const record = readIfThere(join(root, "node_modules/.package-lock.json"));
  if (record === undefined) return false;
  const installed = JSON.parse(record).packages ?? {};
  const wanted = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")).packages ?? {};
  return Object.entries(wanted).every(([path, { version, optional }]) => {
    if (path === "") return true;
    const found = installed[path];
    if (found === undefined) return optional === true;
    return found.version === version && (optional === true || existsSync(join(root, path)));
  });
}

/** Installs the packages when node_modules is missing or is not what package-lock.json says. */
export async function ensurePackages() {
  const hash = lockfileHash();
  if (readIfThere(installStamp) === hash) return;
  await withLock(async () => {
    if (readIfThere(installStamp) === hash) return;
    if (!isInstalled()) await install();
    writeFileSync(installStamp, hash);
  });
}

async function install() {
  // Given again on the command line, because `npm start --silent` hands its own settings down by environment.
  const options = [
    "--ignore-scripts",
    "--include=dev",
    "--include=optional",
    "--loglevel=notice",
    "--json=false",
  ];
  const [command, ...args] = [...npmCommand(), "ci", ...options, "--no-audit", "--no-fund"];
  const result = await runQuietly("Installing the packages (npm ci)", command, args);
  if (result.code !== 0) throw installFailure(result);
}

/** npm itself, through the one that started us where there is one. */
export function npmCommand() {
  const started = process.env.npm_execpath;
  if (started && basename(started) === "npm-cli.js" && existsSync(started))
    return [process.execPath, started];
  return [process.platform === "win32" ? "npm.cmd" : "npm"];
}

function installFailure({ output: printed, spawnError }) {
  const output = printed.replace(/^npm error\s+at .*\n/gm, "");
  if (spawnError) {
    return new PrepareError(`cannot start npm: ${spawnError.message}`, {
      hint: "Install npm (it comes with Node) or put it on PATH.",
      exitCode: EXIT_DEPENDENCY,
    });
  }
  const unreachable =
    /\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ENOTCACHED|ERR_SOCKET_TIMEOUT|EIDLETIMEOUT)\b/.exec(
      output,
    );
  if (unreachable) {
    return new PrepareError(
      `cannot install the packages: the package registry cannot be reached (${unreachable[1]})`,
      {
        hint: [
          "Connect to the network, or name your mirror (npm config set registry URL) or proxy (HTTPS_PROXY), and run again.",
          "Without a network: copy node_modules from a machine of the same kind where this command has run.",
        ].join("\n     "),
        output,
        exitCode: EXIT_DEPENDENCY,
      },
    );
  }
  const hints = {
    ENOSPC: "The disk is full: free some space (about 1 GB is needed) and run again.",
    EACCES: "This folder is not writable for you: run as its owner, or clone to a folder of yours.",
    EROFS: "This folder is read-only: clone to a writable one.",
    EINTEGRITY: "A package is not what package-lock.json says: run `npm cache clean --force` and try again.",
    EUSAGE:
      "package.json and package-lock.json disagree: run `npm install --ignore-scripts` and commit both.",
  };
  const code = Object.keys(hints).find((name) => new RegExp(`\\b${name}\\b`).test(output));
  return new PrepareError("cannot install the packages: npm ci failed, its words are above", {
    hint: code ? hints[code] : "Mend what npm names and run the same command again.",
    output,
    exitCode: EXIT_DEPENDENCY,
  });
}

// ---- Build -----------------------------------------------------------------------------------------------------

/** By whose stamp it is known that nothing is to be built. */
const BUILDS = {
  program: { folders: PROGRAM_FOLDERS, stamp: join(root, "dist/.saf-program-stamp") },
  all: { folders: SOURCE_FOLDERS, stamp: join(root, "dist/.saf-stamp") },
};

/** Changes when any source was touched: path, size and modification time of each. Milliseconds, unlike a compile. */
function sourcesStamp({ folders }) {
  const hash = createHash("sha256");
  const add = (file) => {
    const { mtimeMs, size } = statSync(file);
    hash.update(`${relative(root, file)}\0${size}\0${mtimeMs}\n`);
  };
  for (const folder of folders) visit(join(root, folder), add);
  for (const file of ["package.json", "package-lock.json", "tsconfig.json"]) add(join(root, file));
  return hash.digest("hex");
}

function visit(folder, add) {
  if (!existsSync(folder)) return;
  for (const entry of readdirSync(folder, { withFileTypes: true }).sort((a, b) =>
    a.name < b.name ? -1 : 1,
  )) {
    const path = join(folder, entry.name);
    // The messages compiled by the build itself are no sources.
    if (entry.isDirectory() && entry.name !== "generated") visit(path, add);
    else if (entry.isFile()) add(path);
  }
}

/**
 * Compiles the sources into dist/ when one changed since the last compile, or always with `force`. `what`: for "program" a
 * changed test is no reason, and a test that does not compile stops nobody. Where the tests were built before, they are built
 * along: that takes a second, and to take them up again later takes all of them.
 */
export async function ensureBuild({ force = false, what = "all" } = {}) {
  const { stamp: file } = BUILDS[what];
  const isBuilt = () => !force && readIfThere(file) === sourcesStamp(BUILDS[what]);
  if (isBuilt()) return;
  await withLock(async () => {
    if (isBuilt()) return;
    const hasTests = what === "all" || existsSync(BUILDS.all.stamp);
    const stamps = Object.values(BUILDS).map((build) => [build.stamp, sourcesStamp(build)]);
    // From here on that part of dist/ is neither what it was nor what it will be.
    for (const [name, stamp] of stamps)
      if (existsSync(name) && (force || readIfThere(name) !== stamp)) writeFileSync(name, "");
    const args = [...(hasTests ? [] : ["--program"]), ...(force ? ["--force"] : [])];
    const result = await runQuietly("Building", process.execPath, [join(root, "deploy/build.mjs"), ...args]);
    const isProgram = result.code === 0 || areOfTests(result.output);
    if (isProgram) writeFileSync(BUILDS.program.stamp, stamps[0][1]);
    if (result.code === 0 && hasTests) writeFileSync(BUILDS.all.stamp, stamps[1][1]);
    if (result.code === 0) return;
    if (what === "program" && isProgram) {
      process.stderr.write("The program is built; tests do not compile: npm run build says why\n");
      return;
    }
    throw new PrepareError("the build failed, its words are above", {
      output: withoutStack(result.output),
    });
  });
}

/** All that does not compile are tests. */
function areOfTests(output) {
  const files = [...output.matchAll(/^(\S+?)\(\d+,\d+\): error TS\d+/gm)].map(([, name]) => name);
  return files.length > 0 && files.every((name) => name.startsWith("test/"));
}

/** The compiler's messages, without the trace of the script that called it. */
function withoutStack(output) {
  const trace = output.search(/^file:\/\/.*build\.mjs:\d+$/m);
  return trace > 0 ? output.slice(0, trace) : output;
}

// ---- One at a time ---------------------------------------------------------------------------------------------

const lockFile = join(root, "dist/.saf-lock");

/** Two commands started together on a fresh clone must not install or build at the same time. */
async function withLock(work) {
  mkdirSync(dirname(lockFile), { recursive: true });
  let told = false;
  for (;;) {
    try {
      writeFileSync(lockFile, String(process.pid), { flag: "wx" });
      break;
    } catch (error) {
      if (error.code !== "EEXIST") throw asStorageError(error);
    }
    const holder = Number(readIfThere(lockFile));
    if (holder > 0 && !isAlive(holder)) rmSync(lockFile, { force: true });
    else if (!told) {
      process.stderr.write(
        `Waiting for another saf command (process ${holder || "unknown"}) that installs or builds here\n`,
      );
      told = true;
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  return leavingNothing(() => rmSync(lockFile, { force: true }), work);
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}

function asStorageError(error) {
  if (!["EACCES", "EROFS", "ENOSPC"].includes(error.code)) return error;
  return new PrepareError(`cannot write to ${dirname(lockFile)} (${error.code})`, {
    hint: "Clone to a folder that you may write to.",
  });
}

// ---- What does not outlive us ----------------------------------------------------------------------------------

/** Done at our end, also where a signal ends us. */
const endings = new Set();
process.on("exit", () => endAll());

function endAll() {
  for (const end of endings) end();
  endings.clear();
}

async function leavingNothing(end, work) {
  endings.add(end);
  try {
    return await work();
  } finally {
    endings.delete(end);
    end();
  }
}

/** Works with a private folder, which goes with everything in it. */
export function withTemporaryFolder(prefix, work) {
  const folder = mkdtempSync(join(tmpdir(), prefix));
  // Somebody who was just told to end may still be writing.
  const remove = () => rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  return leavingNothing(remove, () => work(folder));
}

// ---- Child processes -------------------------------------------------------------------------------------------

/** Runs a tool silently, showing what is done and for how long. A signal goes on to the tool, then ends us too. */
export async function runQuietly(label, command, args) {
  const startMs = Date.now();
  const elapsed = () => `${Math.round((Date.now() - startMs) / 1000)} s`;
  const live = process.stderr.isTTY === true && process.env.TERM !== "dumb";
  const say = (text, end) => process.stderr.write(live ? `\r\x1b[K${text}${end}` : `${text}\n`);
  say(`${label} …`, "");
  const ticking = live ? setInterval(() => say(`${label} … ${elapsed()}`, ""), 1000) : undefined;

  const child = spawn(command, args, { cwd: root, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  const keep = (text) => (output = `${output}${text}`.slice(-MAX_KEPT_OUTPUT));
  child.stdout.setEncoding("utf8").on("data", keep);
  child.stderr.setEncoding("utf8").on("data", keep);
  const { code, signal, spawnError, received } = await ended(child, { impatient: true });

  clearInterval(ticking);
  if (received) {
    say(`${label}: stopped after ${elapsed()}`, "\n");
    dieBy(received);
  }
  say(`${label}: ${code === 0 ? "done" : "failed"} after ${elapsed()}`, "\n");
  return { code: code ?? 128 + (constants.signals[signal] ?? 0), output, spawnError };
}

/**
 * Runs a program in the foreground; returns its exit code, or ends us by the same signal.
 * `quiet`: what it prints on stdout goes to stderr.
 */
export async function runInForeground(command, args, { quiet = false, env = process.env } = {}) {
  const child = spawn(command, args, { stdio: ["inherit", quiet ? 2 : "inherit", "inherit"], env });
  const { code, signal, spawnError } = await ended(child, { impatient: false });
  if (spawnError) throw new PrepareError(`cannot start ${command}: ${spawnError.message}`);
  if (signal === null) return code;
  if (FORWARDED_SIGNALS.includes(signal)) dieBy(signal);
  const memory = signal === "SIGKILL" ? "; the machine may be out of memory" : "";
  process.stderr.write(`saf: the program was ended by ${signal}${memory}\n`);
  return 128 + (constants.signals[signal] ?? 0);
}

/**
 * Waits for a child, handing our signals on. Ctrl-C in a terminal reaches the child by itself, and a program that takes
 * a second one for "stop now" must not get it twice: there SIGINT is handed on only where it could not have arrived.
 * `impatient`: a tool that does not stop soon is killed (npm tidies up for half a minute, in vain).
 */
function ended(child, { impatient }) {
  return new Promise((resolve) => {
    let received;
    const inTerminal = [process.stdin, process.stdout, process.stderr].some(
      (stream) => stream.isTTY === true,
    );
    const forward = (signal) => {
      if (impatient && received === undefined) setTimeout(() => child.kill("SIGKILL"), PATIENCE_MS).unref();
      received = signal;
      if (impatient || signal !== "SIGINT" || !inTerminal) child.kill(signal);
    };
    for (const signal of FORWARDED_SIGNALS) process.on(signal, forward);
    const watching = watchNpm(() => forward("SIGTERM"));
    const finish = (result) => {
      clearInterval(watching);
      for (const signal of FORWARDED_SIGNALS) process.off(signal, forward);
      resolve({ code: null, signal: null, spawnError: undefined, received, ...result });
    };
    child.once("error", (spawnError) => finish({ code: 127, spawnError }));
    child.once("close", (code, signal) => finish({ code, signal }));
  });
}

/** npm hands SIGTERM to its shell, which dies alone and leaves us behind: a new parent means that npm was ended. */
function watchNpm(onGone) {
  const parent = process.ppid;
  if (!process.env.npm_lifecycle_event) return undefined;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    onGone();
  }, PATIENCE_MS / 4);
  return timer;
}

function dieBy(signal) {
  process.exitCode = 128 + constants.signals[signal];
  endAll();
  process.kill(process.pid, signal);
  process.exit();
}
