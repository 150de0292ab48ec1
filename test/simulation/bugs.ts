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
    file: "coordinator/leases/work-events.js",
    changes: [["if (lease?.jobId === jobId && lease.unit.id === unitId)", "if (lease !== undefined)"]],
  },
  {
    name: "offered-to-the-lost",
    fixedBy: "23349cd",
    what: "a worker that was lost or left was offered its own block again, before it was out of the pool",
    file: "coordinator/leases/membership-events.js",
    changes: [
      [
        'import { limitOf } from "./deadline.js";',
        'import { limitOf } from "./deadline.js";\nimport { serveAll } from "./serve.js";',
      ],
      [
        'turn.dropLease(worker, state, outcome, "");',
        'turn.dropLease(worker, state, outcome, "");\n    serveAll(turn, worker);',
      ],
    ],
  },
  {
    name: "joined-to-a-torn-line",
    fixedBy: "dc9c3d3",
    what: "what was appended to a journal behind a torn line joined it, and all after it was lost at the next reading",
    file: "coordinator/io/journal.js",
    changes: [["if (whole < bytes.length)", "if (false)"]],
  },
  {
    name: "diverged-by-one",
    fixedBy: "d66b047",
    what: "one worker that sent values that are not finite ended the run of all",
    file: "coordinator/pool/standing.js",
    changes: [["if (attempts.size >= 2)", "if (attempts.size >= 1)"]],
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
