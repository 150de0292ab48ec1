import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import ts from "typescript";

// Compiled to dist/test/: the sources are two folders up.
const root = join(dirname(fileURLToPath(import.meta.url)), "../..");
const FOLDERS = ["shared", "coordinator", "worker", "deploy", "test"];

interface Import {
  file: string;
  line: number;
  /** The specifier as written. */
  specifier: string;
  /** What it names: a path from the root for files of ours, the specifier itself for packages. */
  target: string;
}

function sourceFiles(): string[] {
  return FOLDERS.map((folder) => join(root, folder))
    .filter(existsSync)
    .flatMap((folder) =>
      readdirSync(folder, { recursive: true, encoding: "utf8" }).map((name) => join(folder, name)),
    )
    .map((file) => relative(root, file).split(sep).join("/"))
    .filter((file) => /\.(ts|mjs)$/.test(file) && !file.includes("/generated/"))
    .sort();
}

/** Every import of a file: static, re-exported, dynamic, `import type`, `import("…")` types and `require`. */
function importsOf(file: string): Import[] {
  const source = ts.createSourceFile(
    file,
    readFileSync(join(root, file), "utf8"),
    ts.ScriptTarget.ESNext,
    true,
  );
  const found: Import[] = [];
  const add = (node: ts.Node, specifier: string): void => {
    const line = source.getLineAndCharacterOfPosition(node.getStart()).line + 1;
    const target = specifier.startsWith(".")
      ? join(dirname(file), specifier).split(sep).join("/")
      : specifier;
    found.push({ file, line, specifier, target });
  };
  const visit = (node: ts.Node): void => {
    const named = specifierOf(node);
    if (named !== undefined) add(node, named);
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

function specifierOf(node: ts.Node): string | undefined {
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return literal(node.moduleSpecifier);
  if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) return literal(node.argument.literal);
  if (!ts.isCallExpression(node)) return undefined;
  const isImport = node.expression.kind === ts.SyntaxKind.ImportKeyword;
  const isRequire = ts.isIdentifier(node.expression) && node.expression.text === "require";
  return isImport || isRequire ? literal(node.arguments[0]) : undefined;
}

function literal(node: ts.Node | undefined): string | undefined {
  return node !== undefined && ts.isStringLiteralLike(node) ? node.text : undefined;
}

const imports = sourceFiles().flatMap(importsOf);

/** Fails with one line for every import that `isWrong` names. */
function assertNone(isWrong: (found: Import) => boolean): void {
  const wrong = imports.filter(isWrong);
  assert.deepEqual(
    wrong.map(({ file, line, specifier }) => `${file}:${line} imports "${specifier}"`),
    [],
  );
}

const isIn = (path: string, ...folders: string[]): boolean =>
  folders.some((folder) => path.startsWith(`${folder}/`));

/** What a sweep searches and whom it stops; a trial's id is a hash, for which it takes node:crypto. */
const SEARCHED =
  /^coordinator\/sweeps\/((samplers|pruners)\/|(conditions|counting|domains|metrics|points|problems|rungs|setting-paths|space-shape|segment|ranked|ranking|measured-rungs|trial-record)\.|checks\/(?!trials))/;

/** core/ folders, the coordinator's deciding folders, and shared/ but for its io/. Jobs hash the names of their tasks. */
const isPure = (file: string): boolean =>
  /^(coordinator|worker|deploy)\/(.*\/)?core\//.test(file) ||
  /^coordinator\/(pool|leases|training)\//.test(file) ||
  SEARCHED.test(file) ||
  (isIn(file, "coordinator/evaluation") && !/\/([^/]*-job|served-weights)\.[jt]s$/.test(file)) ||
  (isIn(file, "shared") && !isIn(file, "shared/io"));

test("pure files take time, chance and the process from whoever calls them", () => {
  const surroundings =
    /\b(Date\.now|new Date\(\)|Math\.random|performance\.now|set(Timeout|Interval|Immediate)|process\.\w+)\b/;
  const wrong = sourceFiles()
    .filter((file) => isPure(file) && file.endsWith(".ts"))
    .flatMap((file) =>
      codeLines(file).flatMap(([line, text]) =>
        surroundings.test(text) ? [`${file}:${line}: ${text.trim()}`] : [],
      ),
    );
  assert.deepEqual(wrong, []);
});

/** Lines of a file, numbered from 1, without its comments. */
function codeLines(file: string): [number, string][] {
  const text = readFileSync(join(root, file), "utf8");
  const bare = text.replace(/\/\*[^]*?\*\//g, (comment) => comment.replace(/[^\n]/g, " "));
  return bare.split("\n").map((line, i) => [i + 1, line.replace(/(^|\s)\/\/.*$/, "")]);
}

test("the sources of every program are found", () => {
  for (const folder of ["shared", "coordinator", "worker", "deploy", "test"]) {
    assert.ok(
      imports.some(({ file }) => isIn(file, folder)),
      `no import was found under ${folder}/`,
    );
  }
});

test("shared/ imports no program", () => {
  assertNone(
    ({ file, target }) => isIn(file, "shared") && isIn(target, "coordinator", "worker", "deploy", "test"),
  );
});

test("coordinator/ and worker/ import shared/, never each other", () => {
  assertNone(({ file, target }) => isIn(file, "coordinator") && isIn(target, "worker"));
  assertNone(({ file, target }) => isIn(file, "worker") && isIn(target, "coordinator"));
});

test("results/ and live/ import shared/ and themselves only", () => {
  for (const folder of ["coordinator/results", "coordinator/live"]) {
    assertNone(
      ({ file, target }) =>
        isIn(file, folder) && isIn(target, ...FOLDERS) && !isIn(target, "shared") && !isIn(target, folder),
    );
  }
});

test("only deploy/ and test/ import deploy/, and only test/ imports test/", () => {
  assertNone(({ file, target }) => isIn(target, "deploy") && !isIn(file, "deploy", "test"));
  assertNone(({ file, target }) => isIn(target, "test") && !isIn(file, "test"));
});

/** Where engines are at home: below these alone a tensor is known. */
const isEngine = (path: string): boolean =>
  isIn(path, "worker/engine/eager", "worker/engine/graph", "worker/engine/wasm");

/** The emulated one knows no tensor either. */
const isAnyEngine = (path: string): boolean => isEngine(path) || isIn(path, "worker/engine/emulated");

test("TensorFlow.js appears only in the engines, where it is set up, and in tests", () => {
  const allowed = /^(test|deploy\/setup)\/|^deploy\/(cli\/)?setup[^/]*$/;
  assertNone(
    ({ file, specifier }) => specifier.startsWith("@tensorflow/") && !isEngine(file) && !allowed.test(file),
  );
});

test("a worker meets its engines through start.ts alone", () => {
  assertNone(
    ({ file, target }) =>
      isAnyEngine(target) && !isAnyEngine(file) && isIn(file, "worker") && file !== "worker/engine/start.ts",
  );
});

test("the backends of TensorFlow.js are named only in the engines", () => {
  const wrong = sourceFiles().filter(
    (file) =>
      isIn(file, "shared", "coordinator", "worker") &&
      !isEngine(file) &&
      /\b(getBackend|setBackend|NodeBackend|BackendWasm)\b/.test(readFileSync(join(root, file), "utf8")),
  );
  assert.deepEqual(wrong, []);
});

test("pure files import no node: modules, no io/ and no sockets", () => {
  const impure = /^node:|(^|\/)io\/|^(nats|nkeys\.js|ws)$/;
  assertNone(
    ({ file, specifier, target }) => isPure(file) && (impure.test(specifier) || impure.test(target)),
  );
});

test("pure files import only pure files of ours", () => {
  assertNone(
    ({ file, target }) =>
      isPure(file) &&
      isIn(target, ...FOLDERS) &&
      !isPure(target.replace(/\.js$/, ".ts")) &&
      !target.includes("/generated/"),
  );
});

test("only the registry knows which modes and aggregations a training can have", () => {
  const training = "coordinator/training";
  const seams = [`${training}/modes/mode.js`, `${training}/aggregation/aggregation.js`];
  const isOne = (path: string): boolean => isIn(path, `${training}/modes`, `${training}/aggregation`);
  assertNone(
    ({ file, target }) =>
      isOne(target) &&
      !isOne(file) &&
      !seams.includes(target) &&
      !isIn(file, "test") &&
      file !== `${training}/registry.ts`,
  );
});

test("no file imports itself by way of others, types included", () => {
  assert.deepEqual(circlesOf(imports), []);
});

/** Groups of files that all reach each other: Tarjan's strongly connected components of more than one file. */
function circlesOf(all: readonly Import[]): string[][] {
  const reached = new Map<string, string[]>();
  for (const { file, target } of all)
    reached.set(file, [...(reached.get(file) ?? []), target.replace(/\.js$/, ".ts")]);
  const order = new Map<string, number>();
  const open: string[] = [];
  const circles: string[][] = [];
  const visit = (file: string): number => {
    let low = order.size;
    order.set(file, low);
    open.push(file);
    for (const target of reached.get(file) ?? []) {
      if (!reached.has(target)) continue;
      if (!order.has(target)) low = Math.min(low, visit(target));
      else if (open.includes(target)) low = Math.min(low, order.get(target) ?? low);
    }
    if (low === order.get(file)) {
      const circle = open.splice(open.indexOf(file));
      if (circle.length > 1) circles.push(circle.sort());
    }
    return low;
  };
  for (const file of reached.keys()) if (!order.has(file)) visit(file);
  return circles;
}

test("there are no barrels", () => {
  assert.deepEqual(
    sourceFiles().filter((file) => /(^|\/)index\.(ts|mjs)$/.test(file)),
    [],
  );
  assertNone(({ specifier }) => /(^|\/)index\.js$/.test(specifier));
});

test("every import of ours names a file that exists", () => {
  assertNone(({ target }) => {
    if (!isIn(target, ...FOLDERS) || target.includes("/generated/")) return false;
    const source = target.replace(/\.js$/, ".ts");
    return !existsSync(join(root, source)) && !existsSync(join(root, target));
  });
});
