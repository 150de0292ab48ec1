// `npm start`, `npm test` and their like, from a fresh clone: install what is missing, build what changed, run.
import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fastTests, testFiles } from "./fast-tests.mjs";
import {
  ensureBuild,
  ensurePackages,
  root,
  runInForeground,
  runMain,
  usageError,
  withTemporaryFolder,
} from "./prepare.mjs";

const dist = join(root, "dist");
const program = join(dist, "deploy/cli/main.js");
const node = (...args) => [process.execPath, ["--enable-source-maps", ...args]];

const commands = {
  async start(args) {
    await ensurePackages();
    await ensureBuild({ what: "program" });
    if (!args.includes("--help") && !args.includes("-h")) {
      const code = await setUp();
      if (code !== 0) return code;
    }
    return runInForeground(...node(program, "demo", ...args));
  },

  async test(args) {
    await ensurePackages();
    await ensureBuild();
    const files = chosen(testFiles(dist), args);
    const code = await setUp();
    if (code !== 0) return code;
    return withTemporaryFolder("saf-tests-", (folder) => runInFolder(folder, files, args));
  },

  /** The tests that need neither an engine nor a nats-server, so nothing is provisioned. */
  async "test:fast"(args) {
    await ensurePackages();
    await ensureBuild();
    return runTests(chosen(fastTests(dist), args), args, process.env);
  },

  async check(args) {
    await ensurePackages();
    return runInForeground(process.execPath, [join(root, "deploy/check.mjs"), ...args]);
  },

  /** The cluster under virtual time, seed after seed: test/simulation/README.md. */
  async simulate(args) {
    await ensurePackages();
    await ensureBuild();
    return runInForeground(...node(join(root, "dist/test/simulation/main.js"), ...args));
  },

  /** What is promised under faults, measured: test/bars/main.ts. */
  async bars(args) {
    await ensurePackages();
    await ensureBuild();
    const code = await setUp();
    if (code !== 0) return code;
    return runInForeground(...node(join(root, "dist/test/bars/main.js"), ...args));
  },

  async build(args) {
    await ensurePackages();
    await ensureBuild({ force: args.includes("--force") });
    return 0;
  },

  async format() {
    await ensurePackages();
    return runInForeground(process.execPath, [
      join(root, "node_modules/prettier/bin/prettier.cjs"),
      "--write",
      root,
    ]);
  },

  /** A compiled file by its path, or a tool by its name: `exec dist/test/bench/main.js`, `exec eslint .` */
  async exec([what, ...args]) {
    if (what === undefined)
      throw usageError("exec: name a compiled file or a tool", "Example: exec eslint .");
    await ensurePackages();
    await ensureBuild();
    const tool = join(root, "node_modules/.bin", what);
    const file = existsSync(tool) ? tool : what;
    if (!existsSync(file)) throw usageError(`exec: there is no file or tool "${what}"`);
    return runInForeground(...node(file, ...args));
  },
};

/** Provisions the engine; its words go to stderr, for stdout carries the result only. */
function setUp() {
  return runInForeground(...node(program, "setup"), { quiet: true });
}

/** Those of `files` whose path contains one of the filters among `args`; all of them without filters. */
function chosen(files, args) {
  const filters = args.filter((arg) => !arg.startsWith("-"));
  const patterns = filters.map((filter) => filter.replace(/\.ts$/, ".js"));
  const found =
    patterns.length === 0 ? files : files.filter((file) => patterns.some((p) => file.includes(p)));
  if (found.length === 0) throw usageError(`test: no test file has ${filters.join(" or ")} in its path`);
  return found;
}

/** All that tests and what they start put into the system's temporary folder lies in `folder`. */
async function runInFolder(folder, files, args) {
  // What every cluster's weights are compared with is computed once for all files.
  const references = join(folder, "references");
  mkdirSync(references);
  const code = await runTests(files, args, {
    ...process.env,
    TMPDIR: folder,
    SAF_TEST_REFERENCES: references,
  });
  const left = readdirSync(folder).filter((name) => name !== "references");
  if (left.length > 0) process.stderr.write(`saf: the tests left ${left.join(", ")} behind\n`);
  return code;
}

function runTests(files, args, env) {
  // One more than the two cores that this is meant for: much of their time the tests wait for processes.
  const options = ["--test", "--test-concurrency=3", "--test-reporter=spec"];
  const [command, more] = node(...options, ...args.filter((arg) => arg.startsWith("-")), ...files);
  return runInForeground(command, more, { env });
}

await runMain(async ([name, ...args]) => {
  if (!Object.hasOwn(commands, name ?? "")) {
    throw usageError(
      `unknown command "${name ?? ""}"`,
      `Usage: node deploy/bootstrap.mjs ${Object.keys(commands).join("|")} …`,
    );
  }
  return commands[name](args);
});
