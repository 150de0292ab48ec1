// Which compiled test files need this process and nothing else: no program, no socket, no TensorFlow, no browser. A file is
// fast when nothing that it imports, however far down, needs one of those.
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";

/** Modules that start a program, open a socket, or load an engine. */
const SLOW =
  /^(node:)?(child_process|cluster|dgram|http2?|https|net|tls)$|^(nats|ws|koffi|onnxruntime-web|@tensorflow\/.+)$/;

/**
 * `from "x"`, `import "x"`, `import("x")`, `require("x")`, and the files of threads: `new URL("./x.js"`. In a comment too,
 * which only makes a file slow.
 */
const IMPORT = /\b(?:(?:from|import|require)\b\s*\(?|new URL\()\s*["']([^"'\n]+)["']/g;

/** The test files below `dist` but for the benchmarks, in order. */
export function testFiles(dist) {
  const folder = join(dist, "test");
  return readdirSync(folder, { recursive: true })
    .filter((name) => name.endsWith(".test.js") && !name.startsWith("bench"))
    .map((name) => join(folder, name))
    .sort();
}

export function fastTests(dist) {
  const chains = slowChains(dist);
  return testFiles(dist).filter((file) => !chains.has(file));
}

/** Of each slow test file, the imports from it to the module that makes it slow. */
export function slowChains(dist) {
  const read = new Map();
  const importsOf = (file) => {
    if (!read.has(file)) read.set(file, /\.[cm]?js$/.test(file) && existsSync(file) ? importsIn(file) : []);
    return read.get(file);
  };
  const chains = testFiles(dist).map((file) => [file, shortestSlow(file, importsOf)]);
  return new Map(chains.filter(([, chain]) => chain !== undefined));
}

function importsIn(file) {
  return [...readFileSync(file, "utf8").matchAll(IMPORT)].map(([, specifier]) =>
    specifier.startsWith(".") ? join(dirname(file), specifier) : specifier,
  );
}

function shortestSlow(file, importsOf) {
  const seen = new Set([file]);
  const chains = [[file]];
  for (const chain of chains) {
    for (const target of importsOf(chain.at(-1))) {
      if (SLOW.test(target)) return [...chain, target];
      if (seen.has(target)) continue;
      seen.add(target);
      chains.push([...chain, target]);
    }
  }
  return undefined;
}
