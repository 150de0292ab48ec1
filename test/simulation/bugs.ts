/**
 * Mendings that the history brought, taken out while the simulation runs: the text of a compiled file is replaced as Node
 * loads it, so the product holds no switch. `npm run simulate -- --bug NAME`.
 */
import { readFileSync } from "node:fs";
import { register } from "node:module";
import type { RivalFault } from "./faults.js";
import type { Scenario } from "./scenario.js";
import type * as simulating from "./simulate.js";

/** Texts that must each stand once in a compiled file, and what stands there instead. */
interface Changes {
  /** From the root of the compiled files. */
  file: string;
  texts: readonly (readonly [from: string, to: string])[];
}

export interface Bug {
  name: string;
  /** Which worlds can show it, where few can. */
  shownBy?: (scenario: Scenario) => boolean;
  /** The commit that fixed it. */
  fixedBy: string;
  /** What went wrong. */
  what: string;
  changes: readonly Changes[];
}

const rivalWho =
  (...does: RivalFault["does"][]) =>
  ({ faults }: Scenario): boolean =>
    faults.some((fault) => fault.kind === "rival" && does.includes(fault.does));

/** The coordinator, when its clock has stepped back. */
function startsAgainBehind({ faults }: Scenario): boolean {
  const backMs = Math.min(...faults.filter(({ kind }) => kind === "clock").map(({ fromMs }) => fromMs));
  return faults.some(
    ({ kind, who, untilMs }) => kind === "crash" && who === "coordinator" && untilMs > backMs,
  );
}

export const BUGS: readonly Bug[] = [
  {
    name: "settled-by-another-block",
    fixedBy: "63f5442",
    what: "the last chunk of an old block settled the lease that its worker held by then",
    changes: [
      {
        file: "coordinator/leases/work-events.js",
        texts: [["if (lease?.jobId === jobId && lease.unit.id === unitId)", "if (lease !== undefined)"]],
      },
    ],
  },
  {
    name: "offered-to-the-lost",
    fixedBy: "23349cd",
    what: "a worker that was lost or left was offered its own block again, before it was out of the pool",
    changes: [
      {
        file: "coordinator/leases/membership-events.js",
        texts: [
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
    ],
  },
  {
    name: "joined-to-a-torn-line",
    fixedBy: "dc9c3d3",
    what: "what was appended to a journal behind a torn line joined it, and all after it was lost at the next reading",
    changes: [{ file: "coordinator/io/journal.js", texts: [["if (whole < bytes.length)", "if (false)"]] }],
  },
  {
    name: "diverged-by-one",
    fixedBy: "d66b047",
    what: "one worker that sent values that are not finite ended the run of all",
    changes: [
      {
        file: "coordinator/pool/standing.js",
        texts: [["if (attempts.size >= 2)", "if (attempts.size >= 1)"]],
      },
    ],
  },
  {
    name: "leased-to-the-busy",
    fixedBy: "917ce88",
    what: "a worker that joined again while it computed was leased unit after unit, and forgot none of them",
    changes: [
      {
        file: "coordinator/leases/membership-events.js",
        texts: [
          ["strayLease: isStray ? leaseId : 0,", "strayLease: 0,"],
          ["{ strayLease: isStray ? leaseId : 0 }", "{ strayLease: 0 }"],
          ["turn.cancelLease(worker, why);", 'turn.dropLease(worker, "returned", "returned", why);'],
        ],
      },
      {
        file: "worker/worker.js",
        texts: [["asking: () => this.#queue.clear(),", "asking: () => undefined,"]],
      },
    ],
  },
  {
    name: "two-leaders",
    shownBy: rivalWho("pool"),
    fixedBy: "e688cfc",
    what: "a coordinator went on when a later one led its pool, and each took the workers from the other",
    changes: [
      {
        file: "coordinator/coordinator.js",
        texts: [
          ["if (this.#isSuperseded)\n            return;\n        this.#isSuperseded = true;", "return;"],
        ],
      },
    ],
  },
  {
    name: "answered-anywhere",
    shownBy: ({ workers }) => workers.some(({ nature }) => nature === "forger"),
    fixedBy: "ecc6c55",
    what: "the coordinator answered on any subject, and a worker took a later term from any lease: a refusal was a lease to it",
    changes: [
      {
        file: "coordinator/hearing.js",
        texts: [["if (replyTo.startsWith(`${inboxPrefix(speaker)}.`))", "if (true)"]],
      },
      {
        file: "worker/worker.js",
        texts: [["if (term === this.#membership.term)", "if (term >= this.#membership.term)"]],
      },
    ],
  },
  {
    name: "known-by-name",
    shownBy: rivalWho("pool"),
    fixedBy: "da04b5d",
    what: "a worker kept what it had loaded by the name of a run, under which another run came",
    changes: [
      { file: "worker/runs.js", texts: [["if (run !== undefined && recipe !== run.recipe)", "if (false)"]] },
    ],
  },
  {
    name: "two-writers",
    shownBy: rivalWho("resume", "evaluate"),
    fixedBy: "d1235e2",
    what: "nothing kept two coordinators from writing one run directory",
    changes: [
      {
        file: "coordinator/io/directory-locks.js",
        texts: [
          ["await take(join(directory, LOCK_FILE), owner, this.#edges);", ""],
          ["this.#stopBeating ??= this.#edges.clock.every(BEAT_MS, () => void this.#beat());", ""],
        ],
      },
    ],
  },
  {
    name: "term-of-the-clock",
    shownBy: startsAgainBehind,
    fixedBy: "d1235e2",
    what: "the term was the time of day alone, and fell when the clock stepped back",
    changes: [
      {
        file: "coordinator/io/term.js",
        texts: [['text === "" ? 0 : termIn(text, directory.path) + 1', "0"]],
      },
    ],
  },
];

type Simulation = Pick<typeof simulating, "prepare" | "simulateOne" | "simulateMany" | "outcomeOf">;

let isRegistered = false;

/** The simulation with this bug in the product; modules of its own, beside those of another bug or of none. */
export async function simulationWith(name: string): Promise<Simulation> {
  if (BUGS.every((bug) => bug.name !== name))
    throw new RangeError(`Unknown bug "${name}": ${BUGS.map((known) => known.name).join(", ")}`);
  if (!isRegistered) {
    const changed = BUGS.map((bug) => [bug.name, changedFiles(bug)]);
    const data = { root: new URL("../../", import.meta.url).href, changed };
    register(`data:text/javascript,${encodeURIComponent(LOADER)}`, { data });
    isRegistered = true;
  }
  return (await import(`./simulate.js?bug=${name}`)) as Simulation;
}

/** By address, with the bug. */
export function changedFiles({ changes }: Bug): [url: string, source: string][] {
  return changes.map(({ file, texts }) => {
    const url = new URL(`../../${file}`, import.meta.url);
    return [url.href, withTexts(readFileSync(url, "utf8"), file, texts)];
  });
}

function withTexts(source: string, file: string, texts: Changes["texts"]): string {
  return texts.reduce((text, [from, to]) => {
    const parts = text.split(from);
    if (parts.length !== 2) throw new Error(`${file} holds ${parts.length - 1} times: ${from}`);
    return parts.join(to);
  }, source);
}

/** Runs in a thread of its own, where Node asks for each file. What a file with a bug imports has it too. */
const LOADER = `
let root, changed;
export function initialize(data) {
  root = data.root;
  changed = new Map(data.changed.map(([bug, files]) => [bug, new Map(files)]));
}
const parted = (url) => /^([^?]*)[?]bug=([a-z-]+)$/.exec(url) ?? [];
export async function resolve(specifier, context, next) {
  const found = await next(specifier, context);
  const [, , bug] = parted(context.parentURL ?? "");
  const isOurs = bug !== undefined && found.url.startsWith(root) && !found.url.includes("/node_modules/");
  return isOurs ? { ...found, url: found.url + "?bug=" + bug } : found;
}
export async function load(url, context, next) {
  const [, file, bug] = parted(url);
  const source = changed.get(bug)?.get(file);
  return source === undefined ? next(url, context) : { format: "module", source, shortCircuit: true };
}`;
