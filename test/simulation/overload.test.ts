/**
 * When all are late: sixteen workers share two processors, which other work takes from them, or a coordinator that stands
 * still. Nobody is to blame then, and what nobody is to blame for is not computed twice.
 */
import assert from "node:assert/strict";
import { before, test } from "node:test";
import { poolSchema } from "../../shared/config/pool.js";
import { configSchema } from "../../shared/config/run.js";
import type { Fault } from "./faults.js";
import type { OtherWork } from "./machine.js";
import type { Scenario } from "./scenario.js";
import { prepare } from "./simulate.js";
import { type Outcome, simulate } from "./world.js";

const WORKERS = 16;
const CORES = 2;
const SLOT_MS = 25;
/** Of a step, when nothing is computed twice and nobody waits: the jitter of a slot is 0.7 to 1.5. */
const IDEAL_STEP_MS = (WORKERS * SLOT_MS * 1.1) / CORES;
const HEARTBEAT_MS = 500;

before(() => prepare());

interface Crowd {
  steps: number;
  others?: readonly OtherWork[];
  faults?: Fault[];
}

/** As many slots as workers, one step an epoch of 24 images. Deadlines are as short as they may be beside such a step. */
const crowded = ({ steps, others = [], faults = [] }: Crowd): Scenario => ({
  seed: 1,
  workers: Array.from({ length: WORKERS }, (_, i) => ({
    ...{ name: `worker-${i + 1}`, nature: "honest", slotMs: SLOT_MS, startsMs: 0, patienceMs: 0 },
  })),
  machine: { cores: CORES, slotMs: SLOT_MS, others },
  runs: [
    configSchema.parse({
      ...{ name: "r1", model: "plain", seed: 1 },
      train: {
        ...{ slots: WORKERS, batch_size: 24, epochs: steps, lease: "step", learning_rate: 0.001 },
        evaluate_every_epochs: 0,
      },
      evaluate: { kinds: ["noisy"], strengths: [0.1], images: 4 },
    }),
  ],
  sideBySide: 1,
  pool: poolSchema.parse({ min_workers: WORKERS, heartbeat_ms: HEARTBEAT_MS, lease_floor_ms: 500 }),
  syncMs: 6,
  faults,
  calmMs: Math.max(0, ...faults.map(({ untilMs }) => untilMs)),
});

/** Of the leases, those that were overdue: when other work begins, whoever waits behind others then is late beside them. */
const MOST_OVERDUE = 0.01;

/** What was said of workers. */
function said({ trace }: Outcome, what: RegExp): string[] {
  return trace.lines.filter((line) => what.test(line));
}

function check(outcome: Outcome, mostLeases: number): void {
  const { violation, end, leased, needed } = outcome;
  assert.deepEqual([violation, end], [undefined, "done"]);
  assert.deepEqual(said(outcome, /is lost|gets no work|is taken back/), []);
  const overdue = said(outcome, /is overdue/);
  assert.ok(overdue.length <= MOST_OVERDUE * needed, `${overdue.length} of ${needed}: ${overdue.join("\n")}`);
  assert.ok(leased <= mostLeases * needed, `${leased} leases for ${needed} units`);
}

test("workers that share a machine compute little twice", async () => {
  const outcome = await simulate(crowded({ steps: 60 }), true);
  check(outcome, 1.1);
  const [first = 0, last = 0] = [outcome.commitsMs[5], outcome.commitsMs.at(-1)];
  const stepMs = (last - first) / (outcome.commitsMs.length - 6);
  assert.ok(stepMs <= IDEAL_STEP_MS / 0.6, `${stepMs} ms a step, ${IDEAL_STEP_MS} would do`);
});

for (const times of [4, 10, 30])
  test(`nor where other work makes all of them ${times} times slower: nobody takes over, and nobody is blamed`, async () => {
    const [fromMs, steps] = [5000, 40];
    const outcome = await simulate(crowded({ steps, others: [{ fromMs, untilMs: Infinity, times }] }), true);
    check(outcome, 1.25);
    const slow = outcome.commitsMs.filter((ms) => ms > fromMs);
    const stepMs = ((slow.at(-1) ?? 0) - fromMs) / slow.length;
    const idealMs = times * IDEAL_STEP_MS;
    assert.ok(stepMs <= idealMs / 0.6, `${stepMs} ms a step, ${idealMs} would do`);
  });

test("nor where the other work comes and goes", async () => {
  const others = Array.from({ length: 10 }, (_, i) => ({
    ...{ fromMs: 4000 + 8000 * i, untilMs: 8000 + 8000 * i, times: 10 },
  }));
  check(await simulate(crowded({ steps: 60, others }), true), 1.1);
});

test("a coordinator that stands still for longer than three heartbeats blames nobody for it", async () => {
  const faults = Array.from({ length: 6 }, (_, i): Fault => {
    const fromMs = 4000 + 3000 * i;
    return { kind: "freeze", who: "coordinator", fromMs, untilMs: fromMs + 3.7 * HEARTBEAT_MS };
  });
  check(await simulate(crowded({ steps: 60, faults }), true), 1.1);
});

test("but one that hangs among those who are late is replaced", async () => {
  const others = [{ fromMs: 3000, untilMs: Infinity, times: 4 }];
  const faults: Fault[] = [{ kind: "hang", who: "worker-3", fromMs: 8000, untilMs: 60_000 }];
  const outcome = await simulate(crowded({ steps: 40, others, faults }), true);
  assert.deepEqual([outcome.violation, outcome.end], [undefined, "done"]);
  const { commitsMs, leased, needed } = outcome;
  const longestMs = Math.max(...commitsMs.slice(1).map((ms, i) => ms - (commitsMs[i] ?? 0)));
  assert.ok(longestMs <= 5 * 4 * IDEAL_STEP_MS, `${longestMs} ms for a step`);
  assert.ok(leased <= 1.25 * needed, `${leased} leases for ${needed} units`);
});
