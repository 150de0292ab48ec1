/** What `npm run test:fast` runs: found again from the sources' syntax trees, and nothing has slipped out of it. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import ts from "typescript";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "../../..");
const DIST = join(ROOT, "dist");

interface FastTests {
  testFiles(dist: string): string[];
  fastTests(dist: string): string[];
  slowChains(dist: string): Map<string, string[]>;
}

const { testFiles, fastTests, slowChains } = (await import(
  pathToFileURL(join(ROOT, "deploy/fast-tests.mjs")).href
)) as FastTests;

/** What they test has a real nats-server, writers that are killed, or the live page's server in it. */
const EXPECTED_SLOW = new Set([
  "coordinator/training/bad-gradients.test.js",
  "coordinator/runs/storage.test.js",
  "coordinator/runs/many-runs.test.js",
]);

const named = (file: string): string => relative(join(DIST, "test"), file).split(sep).join("/");
const fast = new Set(fastTests(DIST).map(named));

/** Imports that are left when types are gone, and files of threads, read from a compiled file's syntax tree. */
function importsOf(file: string): string[] {
  const source = ts.createSourceFile(file, readFileSync(file, "utf8"), ts.ScriptTarget.ESNext, true);
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    const named =
      ts.isImportDeclaration(node) || ts.isExportDeclaration(node)
        ? node.moduleSpecifier
        : ts.isCallExpression(node) && /^(import|require)$/.test(node.expression.getText())
          ? node.arguments[0]
          : ts.isNewExpression(node) && node.expression.getText() === "URL"
            ? node.arguments?.[0]
            : undefined;
    if (named !== undefined && ts.isStringLiteralLike(named)) found.push(named.text);
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

const known = new Map<string, string[]>();

/** Every module that a compiled file needs, however far down: packages by name, files of ours by path. */
function neededBy(file: string): Set<string> {
  const needed = new Set([file]);
  for (const each of needed) {
    if (!each.startsWith(DIST) || !each.endsWith(".js") || !existsSync(each)) continue;
    const imports = known.get(each) ?? importsOf(each);
    known.set(each, imports);
    for (const target of imports) needed.add(target.startsWith(".") ? join(dirname(each), target) : target);
  }
  return needed;
}

test("no fast test needs a program, a socket, an engine or a browser", () => {
  const wrong = [...fast].flatMap((name) =>
    [...neededBy(join(DIST, "test", name))]
      .filter(
        (target) =>
          /^(node:)?(child_process|cluster|dgram|http2?|https|net|tls)$/.test(target) ||
          /^(nats|ws|koffi|onnxruntime-web|@tensorflow\/.*)$/.test(target) ||
          /\/deploy\/local\/(cluster|nats\/server)\.js$|\/test\/support\/(browser|cluster|saf)\.js$/.test(
            target,
          ),
      )
      .map((target) => `${name} needs ${target}`),
  );
  assert.deepEqual(wrong, []);
});

test("deciding is tested fast: one import too many would take these tests out", () => {
  const decides =
    /^(shared|worker)\/(core|config|networks)\/|^coordinator\/(pool|leases|training|evaluation|telemetry|runs)\/|^simulation\//;
  const slow = [...slowChains(DIST)]
    .map(([file, chain]) => [named(file), chain.map((each) => relative(DIST, each)).join(" > ")] as const)
    .filter(([name]) => decides.test(name) && !EXPECTED_SLOW.has(name));
  assert.deepEqual(slow, []);
  assert.ok(fast.size > testFiles(DIST).length / 2, `${fast.size} files are fast`);
});
