/** The processes of a world: what each is given, where it runs, and how it ends. */
import type { Processes } from "../../coordinator/io/process-mark.js";
import { subjectMatches } from "../../shared/core/subject-match.js";
import { permissionsOf } from "../../shared/subjects.js";
import { DiskFiles } from "./disk-files.js";
import { SimulatedDisk } from "./disk.js";
import { Draws } from "./draws.js";
import type { Rights, SimulatedBroker, SimulatedBus } from "./network.js";
import { type Owner, ProcessClock, type Scheduler } from "./scheduler.js";
import type { Surroundings } from "./surroundings.js";

/** Where a process is at home. */
export interface Place {
  role: "coordinator" | "worker";
  /** The name of its pool. */
  pool: string;
  /** The name of its disk. */
  disk: string;
  /** The name of its machine, where processes see each other. */
  host: string;
}

/** A process, and what it works with. */
export interface Actor {
  process: Surroundings;
  control: SimulatedBus;
  bulk: SimulatedBus;
  draws: Draws;
  processes: Processes;
}

/** A process and its connections; another one of the same name takes its place after a crash. */
interface Running {
  process: Surroundings;
  buses: SimulatedBus[];
  place: Place;
  pid: number;
}

export class Stage {
  readonly #seed: number;
  readonly #syncMs: number;
  readonly #scheduler: Scheduler;
  readonly #broker: SimulatedBroker;
  readonly #disks = new Map<string, SimulatedDisk>();
  readonly #running = new Map<string, Running>();
  readonly #hanging = new Map<string, number>();
  #started = 0;

  constructor(seed: number, syncMs: number, scheduler: Scheduler, broker: SimulatedBroker) {
    this.#seed = seed;
    this.#syncMs = syncMs;
    this.#scheduler = scheduler;
    this.#broker = broker;
  }

  /** Where a process runs that is running. */
  placeOf(name: string): Place | undefined {
    return this.#running.get(name)?.place;
  }

  disk(name: string): SimulatedDisk {
    let disk = this.#disks.get(name);
    if (disk === undefined) {
      disk = new SimulatedDisk(new Draws(this.#seed, "disk", this.#disks.size));
      this.#disks.set(name, disk);
    }
    return disk;
  }

  /** Does nothing while a process of that name runs. */
  start(name: string, place: Place, main: (actor: Actor) => void): boolean {
    if (this.#running.has(name)) return false;
    const pid = this.#started++;
    const draws = new Draws(this.#seed, "engine", pid);
    const owner: Owner = { name, alive: true, frozenUntilMs: 0 };
    const offsetMs = draws.between(0, 1_000_000);
    const clock = new ProcessClock(this.#scheduler, owner, offsetMs, () => draws.between(0, 2));
    const files = new DiskFiles(this.disk(place.disk), this.#scheduler, draws, this.#syncMs);
    const process = Object.assign(owner, { clock, files });
    const [control, bulk] = [1, 2].map(() => this.#broker.connect(owner, rightsOf(name, place))) as [
      SimulatedBus,
      SimulatedBus,
    ];
    this.#running.set(name, { process, buses: [control, bulk], place, pid });
    const actor = { process, control, bulk, draws, processes: this.#processesOf(pid, place) };
    this.#scheduler.at(this.#scheduler.nowMs, process, "main", () => main(actor));
    return true;
  }

  /** Nothing of it goes on; what it wrote is on its disk as long as that does not crash. */
  kill(name: string): void {
    const running = this.#running.get(name);
    if (running === undefined) return;
    running.process.alive = false;
    for (const bus of running.buses) bus.kill();
    this.#running.delete(name);
  }

  freeze(name: string, untilMs: number): void {
    const frozen = this.#running.get(name)?.process;
    if (frozen !== undefined) frozen.frozenUntilMs = Math.max(frozen.frozenUntilMs, untilMs);
  }

  /** The engine of a worker hangs once more, or once less. */
  hang(name: string, by: 1 | -1): void {
    this.#hanging.set(name, (this.#hanging.get(name) ?? 0) + by);
  }

  hangs(name: string): boolean {
    return (this.#hanging.get(name) ?? 0) > 0;
  }

  /** Processes as one of them sees the others: those of its machine. */
  #processesOf(pid: number, { host }: Place): Processes {
    const mark = { pid, host, started: String(pid) };
    return {
      own: () => Promise.resolve(mark),
      standing: ({ pid: other, host: elsewhere }) => {
        if (elsewhere !== host) return Promise.resolve("unknown");
        const isAlive = [...this.#running.values()].some((running) => running.pid === other);
        return Promise.resolve(isAlive ? "alive" : "gone");
      },
    };
  }
}

function rightsOf(name: string, { role, pool }: Place): Rights {
  const rights = permissionsOf(role, pool, role === "worker" ? name : undefined);
  const known = new Map<string, boolean>();
  return {
    publish: (subject) => {
      const allowed =
        known.get(subject) ?? rights.publish.some((pattern) => subjectMatches(pattern, subject));
      known.set(subject, allowed);
      return allowed;
    },
    subscribe: (pattern) => rights.subscribe.some((allowed) => subjectMatches(allowed, pattern)),
    answers: rights.allowResponses,
  };
}
