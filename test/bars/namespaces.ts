/**
 * Four machines, each a network namespace, over TLS: one leads and trains, three have joined it. Workers of those die at
 * drawn steps, or a cable is pulled; the weights are those of one process alone.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ledgerFault } from "../../coordinator/runs/ledger-proof.js";
import { randomNumbers } from "../support/draws.js";
import { checkpointOf, ledgerOf, testConfig } from "../support/cluster.js";
import { type Machine, type Scope, machines } from "../../deploy/bench/namespaces.js";
import { type Running, noMachines, saf, workersOf } from "../support/machines.js";
import { localWeightsSha256 } from "../support/reference-weights.js";
import { type Bar, passed, recordedSteps } from "./pools.js";

const JOINED = 3;
const FAULTS = 4;
const PULLED_MS = 6000;
const SLOTS = 4;
const LOOK_MS = 20;

const configOf = (seed: number, steps: number): ReturnType<typeof testConfig> =>
  testConfig({ seed, train: { slots: SLOTS, max_steps: steps }, evaluate: { images: 100 } });

/** Resolves when so many steps are in the ledger, or the training has ended. */
async function untilStep(out: string, step: number, train: Running): Promise<void> {
  let isOver = false;
  const over = train.exit.then(() => (isOver = true));
  while (!isOver && recordedSteps(out) < step) await Promise.race([over, passed(LOOK_MS)]);
}

/** Kills a worker of a joined machine, or pulls the machine's cable for a while, at each of a few drawn steps. */
async function disturb(
  train: Running,
  joined: readonly Joined[],
  { out, steps, random }: { out: string; steps: number; random: (limit: number) => number },
): Promise<string[]> {
  const done: string[] = [];
  const at = Array.from({ length: FAULTS }, () => 3 + random(steps - 10)).sort((a, b) => a - b);
  for (const step of at) {
    await untilStep(out, step, train);
    if (train.child.exitCode !== null) break;
    await passed(random(20));
    const number = random(joined.length);
    const isPulled = random(3) === 0;
    const what = await (isPulled ? pull(joined[number]) : kill(joined[number]));
    done.push(`${what} machine ${number + 2} at step ${recordedSteps(out)}`);
  }
  return done;
}

function kill(machine: Joined | undefined): string {
  const [pid] = workersOf(machine?.join.child.pid ?? 0);
  if (pid === undefined) return "no worker to kill of";
  process.kill(pid, "SIGKILL");
  return "killed the worker of";
}

async function pull(machine: Joined | undefined): Promise<string> {
  machine?.machine.cable(false);
  await passed(PULLED_MS);
  machine?.machine.cable(true);
  return `put in again after ${PULLED_MS / 1000} s: the cable of`;
}

interface Joined {
  machine: Machine;
  join: Running;
}

interface Place {
  scope: Scope;
  leader: Machine;
  joined: readonly Joined[];
  folder: string;
}

/** One training of this seed; what is wrong with it, if anything. */
async function trainOnce(
  { scope, leader, joined, folder }: Place,
  seed: number,
  steps: number,
): Promise<string | undefined> {
  const config = configOf(seed, steps);
  const expected = await localWeightsSha256(config);
  const [file, runs] = [join(folder, `run-${seed}.yaml`), join(folder, `runs-${seed}`)];
  const out = join(runs, "latest");
  await writeFile(file, JSON.stringify(config));
  const pool = ["--set", "pool.heartbeat_ms=250", "--set", `pool.min_workers=${1 + JOINED}`];
  const train = saf(scope, leader, folder, "train", "-c", file, "--runs", runs, "-w", "1", ...pool);
  const done = await disturb(train, joined, { out, steps, random: randomNumbers(seed) });
  const code = await train.exit;
  if (code !== 0) return `seed ${seed} ended with ${code}: ${train.words()}`;
  const { step, sha256 } = checkpointOf(out);
  const lines = ledgerOf(out) as Parameters<typeof ledgerFault>[0];
  const plan = { images: 60_000, batchSize: 32, slots: SLOTS, epochs: 1 };
  const workers = new Set(lines.flatMap(({ blocks }) => blocks.map(({ worker }) => worker)));
  const words = `seed ${seed}: step ${step}, ${sha256.slice(0, 12)}, ${workers.size} workers; ${done.join(", ")}`;
  process.stderr.write(`${words}\n`);
  const fault = ledgerFault(lines, plan, steps);
  const isRight = step === steps && sha256 === expected && fault === undefined && workers.size === 1 + JOINED;
  return isRight ? undefined : `${words}; expected ${expected.slice(0, 12)}; ${fault ?? "ledger ok"}`;
}

export const namespaces: Bar = async ({ rounds = 5, seed = 1, steps = 400 }) => {
  const bar = "all weights those of one process, every image once";
  if (noMachines !== undefined) return { skipped: noMachines, bar, isMet: true };
  const ends: (() => void | Promise<void>)[] = [];
  const scope: Scope = { after: (end) => void ends.unshift(end) };
  const folder = await mkdtemp(join(tmpdir(), "saf-bars-"));
  try {
    const [leader, ...others] = (await machines(scope, folder, 1 + JOINED)) as [Machine, ...Machine[]];
    const up = saf(scope, leader, folder, "up", "--listen", leader.address, "--json");
    const { token } = await up.result<{ token: string }>();
    const joined = others.map((machine) => ({
      machine,
      join: saf(scope, machine, folder, "join", token, "-w", "1"),
    }));
    for (const { join: one } of joined) await one.said(/^in the pool at /);
    const wrong: string[] = [];
    for (let round = 0; round < rounds; round++) {
      const fault = await trainOnce({ scope, leader, joined, folder }, seed + round, steps);
      if (fault !== undefined) wrong.push(fault);
    }
    return { runs: rounds, wrong, seed, bar, isMet: wrong.length === 0 };
  } finally {
    for (const end of ends) await end();
    await rm(folder, { recursive: true, force: true });
  }
};
