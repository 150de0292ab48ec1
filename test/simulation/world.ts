/** Puts a scenario into the world, lets time run, and says how it ended. */
import type { Config } from "../../shared/config/run.js";
import {
  type CoordinatorEnd,
  type Task,
  coordinate,
  folderOf,
  outBelow,
  runIdOf,
} from "./coordinator-process.js";
import { Draws } from "./draws.js";
import { type Fault, FaultCounts, type Incident, type RivalFault, isMessageFault } from "./faults.js";
import { forge } from "./forger.js";
import { SimulatedBroker } from "./network.js";
import { Machine } from "./machine.js";
import { Reference } from "./reference.js";
import { type Scenario, type WorkerPlan, drawRun } from "./scenario.js";
import { type Owner, Scheduler } from "./scheduler.js";
import { type Actor, type Place, Stage } from "./stage.js";
import { CALENDAR_MS, surround } from "./surroundings.js";
import { Trace } from "./trace.js";
import { Watch, WatchedRuns, Witness } from "./watch.js";
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
  /** When each step was committed. */
  commitsMs: readonly number[];
  /** Units that were leased, each as often as it was; and those that were needed. */
  leased: number;
  needed: number;
  counts: FaultCounts;
  trace: Trace;
}

/** Once nothing goes wrong any more, something must be committed or measured within this time, and `MOST.still` events. */
export const PROGRESS_MS = 10 * 60_000;
/** Bounds of what a world may hold at any time. */
const MOST = { pending: 3000, connections: 30, still: 100_000 };
/** Drawn worlds have no more workers; with more of them, all is allowed as many times as much. */
const MOST_DRAWN = 5;
const crowdOf = (workers: number): number => Math.max(1, workers / MOST_DRAWN);
const RESTART_MS = 1000;
const LOOK_MS = 2;
const LONGEST_LOOK_MS = 600;

const POOL = "sim";
const HOST = "machine-1";
/** The worker of a rival that has a pool of its own. */
const RIVAL_WORKER: WorkerPlan = {
  ...{ name: "rival-worker", nature: "honest", slotMs: 50, startsMs: 0, patienceMs: 0 },
};

/** Some coordinator's work, and who looks on. */
interface Project {
  place: Place;
  task: Task;
  runs: WatchedRuns;
}

export class World {
  readonly #scenario: Scenario;
  readonly #trace: Trace;
  readonly #counts = new FaultCounts();
  readonly #scheduler: Scheduler;
  readonly #broker: SimulatedBroker;
  readonly #stage: Stage;
  readonly #watch: Watch;
  readonly #project: Project;
  readonly #machine: Machine | undefined;
  #longestStillMs = 0;
  /** The last progress, and events until then. */
  #seen = { progressMs: 0, events: 0 };
  /** The clock of the coordinator's machine is behind by so much. */
  #behindMs = 0;
  #end = "";

  constructor(scenario: Scenario, keepsTrace: boolean) {
    const { seed, syncMs, runs, sideBySide, machine, workers } = scenario;
    this.#scenario = scenario;
    this.#trace = new Trace(keepsTrace);
    this.#scheduler = new Scheduler(new Draws(seed, "schedule"));
    const spoilers = scenario.workers.filter(({ nature }) => nature === "nan").length;
    this.#machine = machine && new Machine(machine);
    this.#watch = new Watch(() => this.#scheduler.nowMs, { spoilers, crowd: crowdOf(workers.length) });
    this.#broker = new SimulatedBroker({
      scheduler: this.#scheduler,
      draws: new Draws(seed, "network"),
      counts: this.#counts,
    });
    this.#broker.faults = scenario.faults.filter(isMessageFault);
    this.#stage = new Stage(seed, syncMs, this.#scheduler, this.#broker);
    this.#project = {
      place: { role: "coordinator", pool: POOL, disk: "coordinator", host: HOST },
      task: { pool: POOL, runs, out: outBelow("coordinator"), evaluateOnly: false, sideBySide },
      runs: this.#watched(runs),
    };
  }

  #watched(runs: readonly Config[]): WatchedRuns {
    return new WatchedRuns(
      this.#watch,
      new Map(runs.map((config) => [runIdOf(config), new Reference(config)])),
    );
  }

  async live(): Promise<Outcome> {
    const { workers, faults } = this.#scenario;
    const scheduler = this.#scheduler;
    scheduler.onEvent = (atMs, { name }, label) => this.#trace.event(atMs, name, label);
    scheduler.onError = (error, { name }) =>
      this.#watch.violate(`${name} threw ${String((error as Error).stack)}`);
    const onRejection = (error: unknown): void => scheduler.onError(error, scheduler.current ?? WORLD);
    const undo = surround(scheduler);
    process.on("unhandledRejection", onRejection);
    try {
      scheduler.at(0, WORLD, "start", () => this.#startCoordinator());
      for (const plan of workers)
        scheduler.at(plan.startsMs, WORLD, "start", () => this.#startWorker(plan, POOL));
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
    const { committed, measured, violation, commitsMs, leased, needed } = this.#watch;
    return {
      ...{ commitsMs, leased, needed },
      ...{ violation, end: this.#end, committed, measured, counts: this.#counts, trace: this.#trace },
      events: this.#trace.events,
      fingerprint: this.#trace.fingerprint,
      virtualMs: this.#scheduler.nowMs,
      stillMs: this.#longestStillMs,
      progressMs: this.#watch.progressMs,
    };
  }

  #readLedgers(): void {
    const { place, task, runs } = this.#project;
    const disk = this.#stage.disk(place.disk);
    for (const config of task.runs) {
      const folder = folderOf(task, config);
      runs.journal(runIdOf(config), disk, `${folder}/eval/results.jsonl`);
      runs.ledger(runIdOf(config), disk, `${folder}/ledger.jsonl`);
    }
  }

  // ---- Invariants -------------------------------------------------------------------------------------------------

  #isOver(): boolean {
    const watch = this.#watch;
    const { pending, nowMs } = this.#scheduler;
    watch.leases();
    const crowd = crowdOf(this.#scenario.workers.length);
    if (pending > crowd * MOST.pending) watch.violate(`${pending} events are pending: something grows`);
    if (this.#broker.connections > crowd * MOST.connections)
      watch.violate(`${this.#broker.connections} connections are open`);
    const stillMs = nowMs - Math.max(watch.progressMs, this.#scenario.calmMs);
    this.#longestStillMs = Math.max(this.#longestStillMs, stillMs);
    if (stillMs <= 0 || watch.progressMs !== this.#seen.progressMs)
      this.#seen = { progressMs: watch.progressMs, events: this.#trace.events };
    const stillEvents = this.#trace.events - this.#seen.events;
    if (stillMs > PROGRESS_MS || stillEvents > MOST.still) {
      const time = `${Math.round(stillMs / 1000)} s and ${stillEvents} events`;
      const unfinished = this.#project.runs.unfinished.join(", ");
      watch.violate(`No progress for ${time} after the last fault; unfinished: ${unfinished}`);
    }
    return watch.violation !== undefined || this.#end !== "";
  }

  // ---- Processes --------------------------------------------------------------------------------------------------

  #note(process: string): (text: string) => void {
    return (text) => this.#trace.note(this.#scheduler.nowMs, process, text);
  }

  #start(name: string, place: Place, main: (actor: Actor) => void): void {
    if (this.#end === "" && this.#stage.start(name, place, main)) this.#note(name)("starts");
  }

  #startWorker(plan: WorkerPlan, pool: string): void {
    const { name, nature } = plan;
    const place: Place = { role: "worker", pool, disk: name, host: name };
    this.#start(name, place, (actor) => {
      if (nature === "forger") {
        const { workers, runs } = this.#scenario;
        const names = [...workers.map((worker) => worker.name), "coordinator"];
        forge({ ...actor, pool, name, names, runIds: runs.map(runIdOf) });
        return;
      }
      const hangs = (): boolean => this.#stage.hangs(name);
      const machine = pool === POOL ? this.#machine : undefined;
      const sharedSlotMs = machine && ((times: number) => machine.slot(name, this.#scheduler.nowMs, times));
      void work({ ...actor, pool, plan, hangs, sharedSlotMs, note: this.#note(name) }).then(() => {
        if (actor.process.alive) this.#again(name, "ends", () => this.#startWorker(plan, pool));
      });
    });
  }

  #startCoordinator(): void {
    const name = "coordinator";
    const start = (): void => this.#startCoordinator();
    this.#conduct(name, this.#project, start, (end) => {
      if (end.kind === "done") this.#done(this.#project.runs);
      else if (this.#mayFail(end.code)) this.#again(name, "is started again", start);
      else if (end.code === "diverged" && this.#watch.spoilers > 0) this.#end = end.code;
      else this.#watch.violate(`The coordinator failed: ${end.code}: ${end.message}`);
    });
  }

  #done(runs: WatchedRuns): void {
    if (!runs.isComplete) this.#watch.violate("The coordinator ended before its runs");
    this.#end = "done";
  }

  /** Is that what a coordinator may end with, to be started again? */
  #mayFail(code: string): boolean {
    const met = (kind: Fault["kind"]): boolean => this.#scenario.faults.some((fault) => fault.kind === kind);
    return (code === "storage" && met("disk-full")) || (code === "dependency" && met("rival"));
  }

  /** `onLost`: what becomes of it when its lock is taken away. */
  #conduct(
    name: string,
    { place, task, runs }: Project,
    onLost: () => void,
    onEnd: (end: CoordinatorEnd) => void,
  ): void {
    const note = this.#note(name);
    this.#start(name, place, ({ process, ...given }) => {
      const witness = new Witness(this.#watch, runs, task.evaluateOnly);
      this.#watch.witnesses.set(name, witness);
      const wallClock = (): number => CALENDAR_MS + Math.floor(this.#scheduler.nowMs) - this.#behindMs;
      const lost = (why: string): void => this.#again(name, why, onLost);
      const rules = this.#scenario.pool;
      void coordinate({ ...given, process, task, rules, wallClock, witness, note, lost }).then((end) => {
        if (!process.alive) return;
        note(end.kind === "done" ? "is done" : `fails: ${end.code}: ${end.message}`);
        this.#watch.witnesses.delete(name);
        onEnd(end);
      });
    });
  }

  /** It ended by itself: whoever looks after it starts it again. */
  #again(name: string, text: string, start: () => void): void {
    this.#note(name)(text);
    this.#kill(name);
    this.#scheduler.at(this.#scheduler.nowMs + RESTART_MS, WORLD, "restart", start);
  }

  #kill(name: string): void {
    this.#watch.witnesses.delete(name);
    this.#stage.kill(name);
  }

  // ---- Rivals -----------------------------------------------------------------------------------------------------

  #startRival(fault: RivalFault): void {
    const project = this.#rivalProject(fault);
    const gone = (): void => undefined;
    this.#conduct("rival", project, gone, (end) => {
      this.#kill("rival");
      const { does } = fault;
      if (end.kind === "done") {
        if (does === "resume") this.#done(project.runs);
      } else if (
        !this.#mayFail(end.code) &&
        !(does === "evaluate" && end.code === "data") &&
        end.code !== "diverged"
      )
        this.#watch.violate(`The rival failed: ${end.code}: ${end.message}`);
    });
    if (fault.does !== "pool") this.#startWorker(RIVAL_WORKER, project.task.pool);
  }

  #rivalProject({ does, isRemote }: RivalFault): Project {
    const { place, task, runs } = this.#project;
    if (does !== "pool") {
      const pool = `${POOL}-rival`;
      return {
        place: { ...place, pool, host: isRemote ? "machine-2" : HOST },
        task: { ...task, pool, evaluateOnly: does === "evaluate" },
        runs,
      };
    }
    const others = [drawRun(new Draws(this.#scenario.seed, "rival"), 0)];
    return {
      place: { ...place, disk: "rival" },
      task: { ...task, runs: others, out: outBelow("rival"), sideBySide: 1 },
      runs: this.#watched(others),
    };
  }

  #killRival(): void {
    this.#kill("rival");
    this.#kill(RIVAL_WORKER.name);
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

  #begin(fault: Incident): void {
    if (fault.kind === "broker") this.#broker.interrupt();
    else if (fault.kind === "disk-full") this.#stage.disk("coordinator").isFull = true;
    else if (fault.kind === "clock") this.#behindMs += fault.backMs;
    else if (fault.kind === "rival") this.#startRival(fault);
    else if (fault.kind === "cut") this.#broker.setConnected(fault.who, false);
    else if (fault.kind === "silence") this.#broker.setSilent(fault.who, true);
    else if (fault.kind === "hang") this.#stage.hang(fault.who, 1);
    else if (fault.kind === "freeze") this.#stage.freeze(fault.who, fault.untilMs);
    else if (fault.kind === "crash") this.#crashSoon(fault.who, fault.untilMs);
  }

  /** At the worst moment, if one comes soon: while a file of the coordinator's has an end that is not safe. */
  #crashSoon(name: string, untilMs: number): void {
    const { nowMs } = this.#scheduler;
    const latestMs = Math.min((nowMs + untilMs) / 2, nowMs + LONGEST_LOOK_MS);
    const look = (): void => {
      const atMs = this.#scheduler.nowMs + LOOK_MS;
      if (name !== "coordinator" || this.#stage.disk(name).isAppended || atMs > latestMs) this.#crash(name);
      else this.#scheduler.at(atMs, WORLD, "look", look);
    };
    look();
  }

  /** A machine loses its power, with all that runs on it; or its process is killed, where another machine has the disk. */
  #crash(name: string): void {
    this.#kill(name);
    const rival = name === "coordinator" ? this.#stage.placeOf("rival") : undefined;
    const isElsewhere = rival?.disk === name && rival.host !== HOST;
    if (rival?.host === HOST) this.#killRival();
    if (!isElsewhere) this.#stage.disk(name).crash();
  }

  #finish(fault: Incident): void {
    if (fault.kind === "broker") this.#broker.restore();
    else if (fault.kind === "disk-full") this.#stage.disk("coordinator").isFull = false;
    else if (fault.kind === "rival") this.#killRival();
    else if (fault.kind === "cut") this.#broker.setConnected(fault.who, true);
    else if (fault.kind === "silence") this.#broker.setSilent(fault.who, false);
    else if (fault.kind === "hang") this.#stage.hang(fault.who, -1);
    else if (fault.kind === "crash") this.#restart(fault.who);
  }

  #restart(name: string): void {
    const plan = this.#scenario.workers.find((worker) => worker.name === name);
    if (plan === undefined) this.#startCoordinator();
    else this.#startWorker(plan, POOL);
  }
}

/** The simulation itself. */
const WORLD: Owner = { name: "world", alive: true, frozenUntilMs: 0 };

export function simulate(scenario: Scenario, keepsTrace = false): Promise<Outcome> {
  return new World(scenario, keepsTrace).live();
}
