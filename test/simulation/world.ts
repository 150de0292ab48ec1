/** Puts a scenario into the world, lets time run, and says how it ended. */
import { permissionsOf } from "../../shared/subjects.js";
import { subjectMatches } from "../../shared/core/subject-match.js";
import { POOL, coordinate, folderOf, runIdOf } from "./coordinator-process.js";
import { DiskFiles } from "./disk-files.js";
import { SimulatedDisk } from "./disk.js";
import { Draws } from "./draws.js";
import { type Fault, FaultCounts, type ProcessFault, type WorldFault, isMessageFault } from "./faults.js";
import { forge } from "./forger.js";
import { type Rights, SimulatedBroker, type SimulatedBus } from "./network.js";
import { Reference } from "./reference.js";
import { type Scenario, type WorkerPlan } from "./scenario.js";
import { type Owner, ProcessClock, Scheduler } from "./scheduler.js";
import { CALENDAR_MS, type Surroundings, surround } from "./surroundings.js";
import { Trace } from "./trace.js";
import { Watch } from "./watch.js";
import { work } from "./worker-process.js";

export interface Outcome {
  /** What must never happen, and did. */
  violation: string | undefined;
  /** "done", or the failure that such a world may end in. */
  end: string;
  events: number;
  fingerprint: number;
  virtualMs: number;
  /** When anything was last committed, measured or ended. */
  progressMs: number;
  /** The longest time without any progress after the last fault. */
  stillMs: number;
  committed: number;
  measured: number;
  counts: FaultCounts;
  trace: Trace;
}

/** Once nothing goes wrong any more, something must be committed or measured within this time. */
export const PROGRESS_MS = 10 * 60_000;
/** Bounds of what a world may hold at any time. */
const MOST = { events: 3000, connections: 30, load: 200 };
const RESTART_MS = 1000;

/** A process and its connections; another one of the same name takes its place after a crash. */
interface Running {
  process: Surroundings;
  buses: SimulatedBus[];
}

export class World {
  readonly #scenario: Scenario;
  readonly #trace: Trace;
  readonly #counts = new FaultCounts();
  readonly #scheduler: Scheduler;
  readonly #broker: SimulatedBroker;
  readonly #watch: Watch;
  readonly #disks = new Map<string, SimulatedDisk>();
  readonly #running = new Map<string, Running>();
  readonly #hanging = new Map<string, number>();
  #end = "";
  #started = 0;

  constructor(scenario: Scenario, keepsTrace: boolean) {
    const { seed } = scenario;
    this.#scenario = scenario;
    this.#trace = new Trace(keepsTrace);
    this.#scheduler = new Scheduler(new Draws(seed, "schedule"));
    const spoilers = scenario.workers.filter(({ nature }) => nature === "nan").length;
    this.#watch = new Watch(() => this.#scheduler.nowMs, spoilers);
    this.#broker = new SimulatedBroker({
      scheduler: this.#scheduler,
      draws: new Draws(seed, "network"),
      counts: this.#counts,
    });
    this.#broker.faults = scenario.faults.filter(isMessageFault);
  }

  async live(): Promise<Outcome> {
    const { workers, runs, faults } = this.#scenario;
    const scheduler = this.#scheduler;
    for (const config of runs) this.#watch.add(runIdOf(config), new Reference(config));
    scheduler.onEvent = (atMs, { name }, label) => this.#trace.event(atMs, name, label);
    scheduler.onError = (error, { name }) =>
      this.#watch.violate(`${name} threw ${String((error as Error).stack)}`);
    const onRejection = (error: unknown): void => scheduler.onError(error, scheduler.current ?? WORLD);
    const undo = surround(scheduler);
    process.on("unhandledRejection", onRejection);
    try {
      scheduler.at(0, WORLD, "start", () => this.#start("coordinator"));
      for (const { name, startsMs } of workers)
        scheduler.at(startsMs, WORLD, "start", () => this.#start(name));
      for (const fault of faults) this.#schedule(fault);
      await scheduler.run(Infinity, () => this.#isOver());
    } finally {
      process.off("unhandledRejection", onRejection);
      undo();
    }
    if (this.#end === "done") this.#readLedgers();
    return this.#outcome();
  }

  #outcome(): Outcome {
    const { committed, measured, violation } = this.#watch;
    return {
      ...{ violation, end: this.#end, committed, measured, counts: this.#counts, trace: this.#trace },
      events: this.#trace.events,
      fingerprint: this.#trace.fingerprint,
      virtualMs: this.#scheduler.nowMs,
      stillMs: this.#longestStillMs,
      progressMs: this.#watch.progressMs,
    };
  }

  #readLedgers(): void {
    const disk = this.#disks.get("coordinator") as SimulatedDisk;
    const { runs } = this.#scenario;
    for (const config of runs) {
      const folder = folderOf(config, runs.length === 1);
      this.#watch.journal(runIdOf(config), disk, `${folder}/eval/results.jsonl`);
      this.#watch.ledger(runIdOf(config), disk, `${folder}/ledger.jsonl`);
    }
  }

  // ---- Invariants -------------------------------------------------------------------------------------------------

  #longestStillMs = 0;

  #isOver(): boolean {
    const watch = this.#watch;
    const { pending, nowMs } = this.#scheduler;
    watch.leases();
    if (pending > MOST.events) watch.violate(`${pending} events are pending: something grows`);
    if (this.#broker.connections > MOST.connections)
      watch.violate(`${this.#broker.connections} connections are open`);
    const stillMs = nowMs - Math.max(watch.progressMs, this.#scenario.calmMs);
    this.#longestStillMs = Math.max(this.#longestStillMs, stillMs);
    if (stillMs > PROGRESS_MS) {
      const missing = [...this.#scenario.runs].map(runIdOf).filter((id) => !watch.over.has(id));
      watch.violate(
        `No progress for ${Math.round(stillMs / 1000)} s after the last fault; unfinished: ${missing.join(", ")}`,
      );
    }
    return watch.violation !== undefined || this.#end !== "";
  }

  // ---- Processes --------------------------------------------------------------------------------------------------

  #note(process: string): (text: string) => void {
    return (text) => this.#trace.note(this.#scheduler.nowMs, process, text);
  }

  #start(name: string): void {
    if (this.#running.has(name) || this.#end !== "") return;
    const { seed } = this.#scenario;
    const draws = new Draws(seed, "engine", this.#started++);
    const owner: Owner = { name, alive: true, frozenUntilMs: 0 };
    const offsetMs = draws.between(0, 1_000_000);
    const clock = new ProcessClock(this.#scheduler, owner, offsetMs, () => draws.between(0, 2));
    const files = new DiskFiles(this.#diskOf(name), this.#scheduler, draws, this.#scenario.syncMs);
    const process = Object.assign(owner, { clock, files });
    const buses = [1, 2].map(() => this.#broker.connect(owner, rightsOf(name)));
    this.#running.set(name, { process, buses });
    this.#note(name)("starts");
    this.#scheduler.at(this.#scheduler.nowMs, process, "main", () => this.#main(process, buses, draws));
  }

  #diskOf(name: string): SimulatedDisk {
    let disk = this.#disks.get(name);
    if (disk === undefined) {
      disk = new SimulatedDisk(new Draws(this.#scenario.seed, "disk", this.#disks.size));
      this.#disks.set(name, disk);
    }
    return disk;
  }

  #main(process: Surroundings, [control, bulk]: SimulatedBus[], draws: Draws): void {
    const { name } = process;
    const { workers, runs, sideBySide, pool } = this.#scenario;
    const buses = { control: control as SimulatedBus, bulk: bulk as SimulatedBus };
    const note = this.#note(name);
    if (name === "coordinator") {
      const term = CALENDAR_MS + Math.floor(this.#scheduler.nowMs);
      const setting = { process, ...buses, runs, sideBySide, pool, term, watch: this.#watch, note };
      void coordinate(setting).then((end) => this.#coordinatorEnded(process, end));
      return;
    }
    const plan = workers.find((worker) => worker.name === name) as WorkerPlan;
    if (plan.nature === "forger") {
      const names = [...workers.map((worker) => worker.name), "coordinator"];
      forge({ process, name, names, runIds: runs.map(runIdOf), ...buses, draws });
      return;
    }
    const hangs = (): boolean => (this.#hanging.get(name) ?? 0) > 0;
    void work({ process, plan, ...buses, draws, hangs, note }).then(() => this.#ended(process, "ends"));
  }

  #coordinatorEnded(process: Surroundings, end: Awaited<ReturnType<typeof coordinate>>): void {
    if (!process.alive) return;
    this.#note(process.name)(end.kind === "done" ? "is done" : `fails: ${end.code}: ${end.message}`);
    if (end.kind === "done") {
      if (!this.#watch.isComplete) this.#watch.violate("The coordinator ended before its runs");
      this.#end = "done";
    } else if (end.code === "storage" && this.#scenario.faults.some(({ kind }) => kind === "disk-full")) {
      this.#ended(process, "is started again");
    } else if (end.code === "diverged" && this.#watch.spoilers > 0) this.#end = end.code;
    else this.#watch.violate(`The coordinator failed: ${end.code}: ${end.message}`);
  }

  /** By itself: whoever looks after it starts it again. */
  #ended(process: Surroundings, text: string): void {
    if (!process.alive) return;
    this.#note(process.name)(text);
    this.#kill(process.name);
    const { nowMs } = this.#scheduler;
    this.#scheduler.at(nowMs + RESTART_MS, WORLD, "restart", () => this.#start(process.name));
  }

  #kill(name: string): void {
    const running = this.#running.get(name);
    if (running === undefined) return;
    running.process.alive = false;
    for (const bus of running.buses) bus.kill();
    this.#running.delete(name);
  }

  // ---- Faults -----------------------------------------------------------------------------------------------------

  #schedule(fault: Fault): void {
    if (isMessageFault(fault)) return;
    this.#scheduler.at(fault.fromMs, WORLD, fault.kind, () => {
      this.#counts.add(fault.kind, fault.kind === "silence" ? 0 : 1);
      this.#note(fault.who ?? "world")(`${fault.kind} begins`);
      this.#begin(fault);
    });
    this.#scheduler.at(fault.untilMs, WORLD, fault.kind, () => {
      this.#note(fault.who ?? "world")(`${fault.kind} ends`);
      this.#finish(fault);
    });
  }

  #begin(fault: ProcessFault | WorldFault): void {
    if (fault.kind === "broker") this.#broker.interrupt();
    else if (fault.kind === "disk-full") this.#diskOf("coordinator").isFull = true;
    else if (fault.kind === "cut") this.#broker.setConnected(fault.who, false);
    else if (fault.kind === "silence") this.#broker.setSilent(fault.who, true);
    else if (fault.kind === "hang") this.#hanging.set(fault.who, (this.#hanging.get(fault.who) ?? 0) + 1);
    else if (fault.kind === "crash") {
      this.#kill(fault.who);
      this.#diskOf(fault.who).crash();
    } else if (fault.kind === "freeze") {
      const frozen = this.#running.get(fault.who)?.process;
      if (frozen !== undefined) frozen.frozenUntilMs = Math.max(frozen.frozenUntilMs, fault.untilMs);
    }
  }

  #finish(fault: ProcessFault | WorldFault): void {
    if (fault.kind === "broker") this.#broker.restore();
    else if (fault.kind === "disk-full") this.#diskOf("coordinator").isFull = false;
    else if (fault.kind === "cut") this.#broker.setConnected(fault.who, true);
    else if (fault.kind === "silence") this.#broker.setSilent(fault.who, false);
    else if (fault.kind === "hang") this.#hanging.set(fault.who, (this.#hanging.get(fault.who) ?? 1) - 1);
    else if (fault.kind === "crash") this.#start(fault.who);
  }
}

/** The simulation itself. */
const WORLD: Owner = { name: "world", alive: true, frozenUntilMs: 0 };

function rightsOf(name: string): Rights {
  const rights =
    name === "coordinator" ? permissionsOf("coordinator", POOL) : permissionsOf("worker", POOL, name);
  const known = new Map<string, boolean>();
  return {
    publish: (subject) => {
      const allowed =
        known.get(subject) ?? rights.publish.some((pattern) => subjectMatches(pattern, subject));
      known.set(subject, allowed);
      return allowed;
    },
    subscribe: (pattern) => rights.subscribe.some((allowed) => subjectMatches(allowed, pattern)),
  };
}

export function simulate(scenario: Scenario, keepsTrace = false): Promise<Outcome> {
  return new World(scenario, keepsTrace).live();
}
