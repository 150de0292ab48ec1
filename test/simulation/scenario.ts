/** A whole world as data, drawn from a seed: who takes part, what is trained, and what goes wrong when. */
import { type PoolConfig, poolSchema } from "../../shared/config/pool.js";
import { type Config, configSchema } from "../../shared/config/run.js";
import { Draws } from "./draws.js";
import { type Fault, MESSAGE_FAULTS, PROCESS_FAULTS, type Traffic, WORLD_FAULTS } from "./faults.js";
import type { MachinePlan } from "./machine.js";
import { FAMILIES } from "./tiny-networks.js";

/**
 * nan: values that are not finite, now and then; late: slower than its leases last;
 * forger: it never joins, and speaks garbage and forged messages on every subject that its rights allow.
 */
export type Nature = "honest" | "nan" | "late" | "forger";

export interface WorkerPlan {
  name: string;
  nature: Nature;
  /** Virtual time for one slot. */
  slotMs: number;
  startsMs: number;
  /** It ends when it hears of no coordinator for this long; 0: never. */
  patienceMs: number;
  /** Workers of one host give each other their blocks; without it, a worker has no mates. */
  host?: string | undefined;
}

export interface Scenario {
  seed: number;
  workers: WorkerPlan[];
  /** All workers compute on one machine; without it, each has its own time for a slot. */
  machine?: MachinePlan | undefined;
  runs: Config[];
  /** Runs at a time. */
  sideBySide: number;
  pool: PoolConfig;
  /** The longest that a disk takes to keep a file for good. */
  syncMs: number;
  faults: Fault[];
  /** From here on nothing goes wrong any more. */
  calmMs: number;
}

const TRAFFIC: readonly Traffic[] = ["all", "all", "control", "gradient", "parameters", "requests"];

export function drawScenario(seed: number): Scenario {
  const draws = new Draws(seed, "scenario");
  const calmMs = draws.between(3000, 25_000);
  const pool = drawPool(draws);
  const count = draws.pick([1, 1, 2, 2, 3]);
  const runs = Array.from({ length: count }, (_, i) => drawRun(draws, i));
  const workerCount = draws.whole(1, 5);
  // So that the work lasts about as long as the faults.
  const slotMs = Math.min(800, (draws.between(0.2, 1) * calmMs * workerCount) / slotsOf(runs));
  const workers = Array.from({ length: workerCount }, (_, i) => drawWorker(draws, i, slotMs, calmMs));
  drawHosts(new Draws(seed, "hosts"), workers, runs);
  // Which coordinator is the later one, the clocks must agree.
  const hasClock = draws.chance(0.5);
  const names = ["coordinator", ...workers.map(({ name }) => name)];
  const faults = Array.from({ length: draws.whole(0, 12) }, () => drawFault(draws, names, calmMs, hasClock));
  const sideBySide = draws.chance(0.7) ? count : draws.whole(1, count);
  const syncMs = draws.pick([6, 6, 400]);
  const joining = workers.filter(({ nature }) => nature !== "forger").length;
  pool.min_workers = Math.min(pool.min_workers, joining);
  const machine = draws.chance(0.2) ? drawMachine(draws, slotMs, calmMs) : undefined;
  return { seed, workers, machine, runs, sideBySide, pool, syncMs, faults, calmMs };
}

const STEPS_PER_EPOCH = 3;

function slotsOf(runs: readonly Config[]): number {
  return runs.reduce((sum, { train }) => sum + (train.epochs ?? 1) * STEPS_PER_EPOCH * train.slots, 0);
}

function drawWorker(draws: Draws, index: number, slotMs: number, calmMs: number): WorkerPlan {
  // The first one is honest: whenever it can work, all must go on.
  const nature = index === 0 ? "honest" : draws.pick<Nature>([...HONEST_MOSTLY]);
  return {
    name: `${nature === "honest" ? "worker" : nature}-${index + 1}`,
    nature,
    slotMs: slotMs * draws.pick([0.3, 1, 1, 1, 3]),
    startsMs: draws.chance(0.7) ? draws.between(0, 300) : draws.between(0, calmMs),
    patienceMs: draws.chance(0.7) ? 0 : draws.between(5000, 20_000),
  };
}

/** In two worlds of three: who shares memory with whom. In some of them workers are alike, and give each other their blocks. */
function drawHosts(draws: Draws, workers: readonly WorkerPlan[], runs: readonly Config[]): void {
  const mixed = ["host-1", "host-1", "host-2", "host-2", undefined];
  const hosts = draws.pick([[undefined], ["host-1"], mixed]);
  for (const worker of workers) worker.host = draws.pick(hosts);
  if (hosts.length === 1 && hosts[0] === undefined) return;
  const [first] = workers;
  if (draws.chance(0.5)) for (const worker of workers) worker.slotMs = first?.slotMs ?? worker.slotMs;
  if (draws.chance(0.3)) return;
  for (const { train } of runs) {
    train.lease = "step";
    train.slots = Math.max(train.slots, draws.pick([2, 4, 8]));
  }
}

/** As fast as one worker that has its own, and slower while somebody else works on it. */
function drawMachine(draws: Draws, slotMs: number, calmMs: number): MachinePlan {
  const others = Array.from({ length: draws.whole(0, 2) }, () => {
    const fromMs = draws.between(0, calmMs);
    return { fromMs, untilMs: draws.between(fromMs, calmMs), times: draws.between(2, 10) };
  });
  return { cores: draws.whole(1, 2), slotMs, others };
}

const HONEST_MOSTLY: readonly Nature[] = [
  ...Array<Nature>(12).fill("honest"),
  ...(["nan", "late", "forger"] as const),
];

function drawPool(draws: Draws): PoolConfig {
  return poolSchema.parse({
    min_workers: draws.pick([1, 1, 2]),
    heartbeat_ms: draws.pick([200, 200, 500, 1000]),
    lease_floor_ms: draws.pick([100, 500, 2000]),
    quarantine_after: draws.whole(1, 4),
    quarantine_ms: draws.pick([100, 1000, 5000]),
  });
}

/** No draw of its own, so that worlds stay as they were: of runs in each number of slots some round what they send. */
function codecOf(index: number, slots: number): "fp32" | "bf16" {
  return (index + slots) % 3 === 1 ? "bf16" : "fp32";
}

/** Of the run of that number. */
export function drawRun(draws: Draws, index: number): Config {
  const slots = draws.pick([1, 2, 4, 4, 8]);
  return configSchema.parse({
    name: `r${index + 1}`,
    model: draws.pick([...FAMILIES, "plain", "plain", "mrelu", "mrelu"]),
    seed: draws.whole(0, 1000),
    train: {
      slots,
      codec: codecOf(index, slots),
      batch_size: 8,
      epochs: draws.whole(1, 4),
      lease: draws.pick(["auto", "auto", "step", "step", "exclusive"]),
      learning_rate: 0.001,
      checkpoint_every_steps: draws.whole(1, 6),
      evaluate_every_epochs: draws.pick([0, 1]),
    },
    evaluate: { kinds: ["noisy"], strengths: [0.1], images: draws.whole(4, 12) },
  });
}

const DAY_MS = 86_400_000;

function drawRival(draws: Draws, span: { fromMs: number; untilMs: number }, hasClock: boolean): Fault {
  const does = draws.pick(
    hasClock ? (["resume", "evaluate"] as const) : (["resume", "evaluate", "pool"] as const),
  );
  return { ...span, kind: "rival", does, isRemote: does !== "pool" && draws.chance(0.3) };
}

function drawFault(draws: Draws, names: readonly string[], calmMs: number, hasClock: boolean): Fault {
  const fromMs = draws.between(0, calmMs);
  const longest = draws.pick([100, 1000, 8000]);
  const untilMs = Math.min(calmMs, fromMs + draws.between(20, longest));
  const span = { fromMs, untilMs };
  const which = draws.between(0, 1);
  if (which < 0.5) {
    return {
      ...span,
      kind: draws.pick(MESSAGE_FAULTS),
      who: draws.chance(0.5) ? "*" : draws.pick(names),
      traffic: draws.pick(TRAFFIC),
      probability: draws.pick([0.05, 0.2, 0.5, 1]),
      maxMs: draws.pick([5, 100, 2000, 2000]),
    };
  }
  if (which < 0.87) return { ...span, kind: draws.pick(PROCESS_FAULTS), who: draws.pick(names) };
  if (which < 0.94) return { ...span, kind: draws.pick(WORLD_FAULTS) };
  if (which < 0.97) return drawRival(draws, span, hasClock);
  const backMs = draws.between(1000, DAY_MS);
  return hasClock ? { ...span, kind: "clock", backMs } : drawRival(draws, span, hasClock);
}
