/**
 * What a trial costs besides its training: this search's bookkeeping beside Optuna's, in turns, each in a fresh process:
 * `npm run bench:peers [-- ROUNDS]`. CPU time of the whole process, of the first and of the last trials. Optuna is taken
 * from SAF_PYTHON or python3; without it, the row is left out with the reason.
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { summarise } from "../../deploy/bench/core/statistics.js";
import { markdownTable } from "../../coordinator/results/report/markdown.js";
import { MODES, type Mode, type TrialCost, WINDOW } from "./trial-modes.js";

const PEER = fileURLToPath(new URL("./peers/optuna_trials.py", import.meta.url));
const OWN = fileURLToPath(new URL("./trial-cost.js", import.meta.url));
const SKIPPED = 77;

interface PeerCost extends TrialCost {
  version: string;
}

/** What a program prints, or why there is nothing. */
function run<Said>(program: string, args: readonly string[]): Said | string {
  const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: "utf8" });
  if (status === 0) return JSON.parse(stdout) as Said;
  if (error !== undefined || status === SKIPPED) return error?.message ?? stderr.trim();
  throw new Error(`${program} ${args.join(" ")} ended with ${String(status)}: ${stderr}`);
}

/** How Optuna is asked: by whoever has the trials run elsewhere, or as a loop of its own. */
const INTERFACES = { ask: "ask and tell", optimize: "optimize" } as const;
type Interface = keyof typeof INTERFACES;

function peerCost(mode: Mode, kind: Interface): PeerCost | string {
  const { trials } = MODES[mode];
  const args = ["--mode", mode, "--interface", kind, "--trials", String(trials), "--window", String(WINDOW)];
  return run<PeerCost>(process.env["SAF_PYTHON"] ?? "python3", [PEER, ...args]);
}

function ownCost(mode: Mode): TrialCost {
  const said = run<TrialCost>(process.execPath, [OWN, mode]);
  if (typeof said === "string") throw new Error(said);
  return said;
}

const median = (costs: readonly TrialCost[], of: keyof TrialCost): number =>
  summarise(costs.map((cost) => cost[of])).median;

function row(mode: Mode, who: string, costs: readonly TrialCost[]): string[] {
  const [first, last, all] = (["first_ms", "last_ms", "all_ms"] as const).map((of) => median(costs, of));
  const growth = Number(last) / Number(first);
  return [
    MODES[mode].title,
    String(MODES[mode].trials),
    who,
    ...[first, last, all, growth].map((n) => Number(n).toFixed(2)),
  ];
}

const rounds = Number(process.argv[2] ?? "3");
if (!Number.isInteger(rounds) || rounds < 1) throw new RangeError(`ROUNDS: ${process.argv[2]} is no count`);

const modes: readonly Mode[] = ["memory", "median", "journal", "tpe"];
const interfaces: readonly Interface[] = ["ask", "optimize"];
const rows: string[][] = [];
/** Why there is no Optuna. */
let missing: string | undefined;
let isBelow = true;
for (const mode of modes) {
  const own: TrialCost[] = [];
  const peers: Record<Interface, PeerCost[]> = { ask: [], optimize: [] };
  for (let round = 1; round <= rounds; round++) {
    for (const kind of interfaces) {
      const found = missing ?? peerCost(mode, kind);
      if (typeof found === "string") missing = found;
      else peers[kind].push(found);
    }
    own.push(ownCost(mode));
    process.stderr.write(`${MODES[mode].title}: round ${round} of ${rounds}\n`);
  }
  rows.push(row(mode, "saf", own));
  for (const kind of interfaces) {
    const [first] = peers[kind];
    if (first === undefined) continue;
    rows.push(row(mode, `Optuna ${first.version}, ${INTERFACES[kind]}`, peers[kind]));
    isBelow &&= median(own, "last_ms") < median(peers[kind], "last_ms");
  }
}
const heading = ["search", "trials", "who", `first ${WINDOW}`, `last ${WINDOW}`, "all", "last ÷ first"];
process.stdout.write(`CPU ms a trial, of the whole process; median of ${rounds} rounds\n\n`);
process.stdout.write(`${markdownTable(heading, rows)}\n`);
if (missing !== undefined) process.stdout.write(`\nOptuna is left out: ${missing}\n`);
process.exitCode = isBelow ? 0 : 1;
