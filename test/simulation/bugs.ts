/**
 * Bugs that the history fixed, put back while the simulation runs: the text of a compiled file is replaced as Node loads
 * it, so the product holds no switch. `npm run simulate -- --bug NAME`.
 */
import { readFileSync } from "node:fs";
import { register } from "node:module";

export interface Bug {
  name: string;
  /** The commit that fixed it. */
  fixedBy: string;
  /** What went wrong. */
  what: string;
  /** From the root of the compiled files. */
  file: string;
  /** Texts that must each stand once in the file, and what stands there instead. */
  changes: readonly (readonly [from: string, to: string])[];
}

export const BUGS: readonly Bug[] = [
  {
    name: "settled-by-another-block",
    fixedBy: "63f5442",
    what: "the last chunk of an old block settled the lease that its worker held by then",
    file: "coordinator/training/step-training.js",
    changes: [
      [
        "block.finished !== undefined && held === keyOf(header.step, block.block)",
        "block.finished !== undefined",
      ],
    ],
  },
  {
    name: "offered-to-the-lost",
    fixedBy: "23349cd",
    what: "a lost worker was offered its own block again, before it was out of the pool",
    file: "coordinator/coordinator.js",
    changes: [
      [
        "this.#workers.delete(worker.id);\n        this.#dropLease(worker, outcome);",
        "this.#dropLease(worker, outcome);\n        this.#workers.delete(worker.id);",
      ],
    ],
  },
];

/** From now on files are loaded with this bug. Call it before any file of the product is imported. */
export function putBack(name: string): void {
  const bug = BUGS.find((candidate) => candidate.name === name);
  if (bug === undefined)
    throw new RangeError(`Unknown bug "${name}": ${BUGS.map((known) => known.name).join(", ")}`);
  const url = new URL(`../../${bug.file}`, import.meta.url);
  const source = bug.changes.reduce(
    (text, [from, to]) => {
      const parts = text.split(from);
      if (parts.length !== 2) throw new Error(`${bug.file} holds ${parts.length - 1} times: ${from}`);
      return parts.join(to);
    },
    readFileSync(url, "utf8"),
  );
  register(`data:text/javascript,${encodeURIComponent(LOADER)}`, { data: { url: url.href, source } });
}

/** Runs in a thread of its own, where Node asks for each file. */
const LOADER = `
let changed;
export function initialize(data) { changed = data; }
export async function load(url, context, next) {
  if (url !== changed.url) return next(url, context);
  return { format: "module", source: changed.source, shortCircuit: true };
}`;
