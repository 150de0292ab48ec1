// Which test files need this machine and nothing else: no process, no socket, no TensorFlow, no browser. A file is fast when
// nothing that it imports, however far down, needs one of those. Read from the compiled files, where types are gone.
import { readFileSync, readdirSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";

/** Modules that start a process, open a socket, or take seconds to load. */
const SLOW =
  /^(node:(child_process|net|tls|http|https|http2|dgram|worker_threads|cluster)|nats|ws|koffi|onnxruntime-web|@tensorflow\/.+)$/;

/** What a compiled file imports: `from "x"`, `import "x"`, `import("x")`, `require("x")`. */
const IMPORT = /\b(?:from|import|require)\s*\(?\s*["']([^"'\n]+)["']/g;

/** Compiled test files below `dist`, as paths from `dist/test`, but for the benchmarks. */
export function testFiles(dist) {
  const folder = join(dist, "test");
  return readdirSync(folder, { recursive: true })
    .map((name) => name.split(sep).join("/"))
    .filter((name) => name.endsWith(".test.js") && !name.startsWith("bench/"))
    .sort();
}

/** Those of `files` that are fast. */
export function fastTests(dist, files = testFiles(dist)) {
  const imports = new Map();
  const importsOf = (file) => {
    let found = imports.get(file);
    if (found === undefined) {
      found = [...readFileSync(file, "utf8").matchAll(IMPORT)].map(([, specifier]) =>
        specifier.startsWith(".") ? join(dirname(file), specifier) : specifier,
      );
      imports.set(file, found);
    }
    return found;
  };
  return files.filter((name) => slowImport(join(dist, "test", name), importsOf, dist) === undefined);
}

/** The chain of imports by which `file` needs what is slow; undefined when it is fast. */
export function slowImport(file, importsOf, dist) {
  const seen = new Set([file]);
  const chains = [[file]];
  for (const chain of chains) {
    for (const target of importsOf(chain.at(-1))) {
      if (SLOW.test(target)) return [...chain.map((path) => relative(dist, path)), target];
      if (!target.startsWith(dist) || !target.endsWith(".js") || seen.has(target)) continue;
      seen.add(target);
      chains.push([...chain, target]);
    }
  }
  return undefined;
}
