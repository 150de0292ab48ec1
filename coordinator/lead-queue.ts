/** A queue with its folders: what conducts it decides nothing about disks, and this decides nothing else. */
import { join } from "node:path";
import type { Bus } from "../shared/bus.js";
import type { Config } from "../shared/config/run.js";
import { type LiveEvent, noteLevel } from "../shared/events.js";
import { makeFolder } from "../shared/io/folders.js";
import type { Log } from "../shared/io/logger.js";
import { realClock } from "../shared/io/real-clock.js";
import { LineLimit } from "../shared/line-limit.js";
import type { Subjects } from "../shared/subjects.js";
import type { DirectoryLocks } from "./io/directory-locks.js";
import { type QueueDisk, ToldLog, isInFolder, readToldLines } from "./io/queue-disk.js";
import { takeWeights } from "./io/submitted-weights.js";
import { DiskStorage } from "./io/run-storage.js";
import { type LeadContext, leadSweep } from "./lead-sweep.js";
import { type DeskEdges, openDesk } from "./queue/desk.js";
import { RUN_ACCOUNT } from "./pool/fairness.js";
import { Queue, type WorkEnd } from "./queue/queue.js";
import type { Work } from "./queue/work.js";
import { reportAside } from "./results/report/report-thread.js";
import { type ListContext, conductList } from "./runs/conduct-list.js";
import { attemptIn } from "./runs/failure.js";
import type { EventPublisher } from "./telemetry/events.js";
import { ProgressLog } from "./telemetry/progress-log.js";

export interface QueueSetting {
  /** Its workers are emulated, and so is the work that it takes. */
  isEmulated: boolean;
}

export interface QueueLead extends QueueSetting {
  /** Of the queue; each submission has a folder in it. */
  out: string;
  /** Workers to wait for before anything is conducted. */
  minWorkers: number;
  signal: AbortSignal;
  disk: QueueDisk;
  locks: DirectoryLocks;
  bus: Bus;
  subjects: Subjects;
  log: Log;
  unheard: DeskEdges["hearing"]["unheard"];
  events: EventPublisher;
  /** Tells everybody what a submission does, and `hear` too. */
  eventsOf: (id: string, hear: (event: LiveEvent) => void) => EventPublisher;
  /** What runs and sweeps are conducted with until this signal comes. */
  contextOf: (signal: AbortSignal) => ListContext & Omit<LeadContext, "locks" | "command">;
}

/** Until the signal. What has not ended then goes on at the next start. Throws ClusterError("storage"). */
export async function leadQueue(lead: QueueLead): Promise<WorkEnd> {
  const { out, disk, isEmulated, signal, log, bus, subjects, unheard, events } = lead;
  const { book, journal } = disk;
  const told = new Map<string, ToldLog>();
  const limit = new LineLimit();
  const queue = new Queue({
    ...{ book, journal, isEmulated },
    isThere: (name) => isInFolder(out, name),
    wallClock: () => Date.now(),
    conduct: (id, work, how) => conductOne(lead, told, { id, work, ...how }),
    note(level, message) {
      log(level === "warning" ? "warn" : "info", message);
      events.note(level, message);
    },
  });
  const desk = openDesk({
    ...{ bus, subjects, queue },
    folderOf: (id) => join(out, id),
    linesOf: async (id, after, most) => {
      const active = told.get(id);
      if (active !== undefined) return active.after(after, most);
      return (await readToldLines(join(out, id))).filter(({ number }) => number > after).slice(0, most);
    },
    hearing: {
      now: () => realClock.now(),
      unheard,
      log: (user, level, text) => {
        if (limit.take(user, realClock.now()).isWritten) log(level, text);
      },
    },
  });
  try {
    await bus.flush();
    log("info", `Taking work in for ${out}; ${book.next().length} submission(s) go on`);
    await queue.conduct(signal);
  } finally {
    desk.close();
    await journal.close();
  }
  return { failed: {}, interrupted: book.submissions.some(({ end }) => end === undefined) };
}

interface Conducted {
  id: string;
  work: Work;
  signal: AbortSignal;
  others: () => number;
}

/** One submission in its folder, which is ours alone until it ends. */
async function conductOne(
  lead: QueueLead,
  told: Map<string, ToldLog>,
  { id, work, signal, others }: Conducted,
): Promise<WorkEnd> {
  const { out, locks, log } = lead;
  const folder = join(out, id);
  const home = new DiskStorage(folder, realClock, locks);
  await makeFolder(folder);
  await locks.take(folder);
  const lines = await ToldLog.open(folder, realClock, (message) => log("warn", message));
  told.set(id, lines);
  const conduct = async (): Promise<WorkEnd> => {
    const context = {
      ...lead.contextOf(AbortSignal.any([lead.signal, signal])),
      report: (directory: string, title: string) =>
        reportAside(directory, { title, command: againCommand(work, folder) }),
      events: lead.eventsOf(id, hearingOf(id, lines)),
      besides: others,
    };
    if (work.kind === "sweep")
      return leadSweep(
        {
          ...{ space: work.space, isForced: false, directory: folder },
          ...{ minWorkers: lead.minWorkers, patienceMs: Infinity },
        },
        { ...context, locks },
      );
    const evaluateOnly = work.kind === "evaluation";
    const config =
      work.kind === "run" ? work.config : await takeWeights(out, { folder, id, order: work.order });
    return conductList(listOptions(lead, folder, { config, evaluateOnly }), context);
  };
  try {
    return await attemptIn(home, Date.now, conduct);
  } finally {
    told.delete(id);
    await lines.close();
    await locks.release(folder);
  }
}

function againCommand({ kind }: Work, folder: string): string {
  return kind === "evaluation"
    ? `npx saf evaluate ${folder}`
    : `npx saf train -c ${join(folder, "config.yaml")}`;
}

function listOptions(
  { minWorkers, disk }: QueueLead,
  out: string,
  { config, evaluateOnly }: { config: Config; evaluateOnly: boolean },
): Parameters<typeof conductList>[0] {
  const name = config.name ?? config.model;
  const { share = 1, priority = 0 } = disk.book.get(name)?.line ?? {};
  return {
    ...{ configs: [config], out, title: name, evaluateOnly, sideBySide: 1 },
    ...{ minWorkers, patienceMs: Infinity, beganMs: realClock.now() },
    account: { name: `${RUN_ACCOUNT}${name}`, share, priority, isSteady: false },
  };
}

/** What a submission tells, as lines; its own name need not stand in them. */
function hearingOf(id: string, lines: ToldLog): (event: LiveEvent) => void {
  const add = (level: "info" | "warning" | "error", message: string): void =>
    lines.add(level, message, Date.now());
  const progress = new ProgressLog(
    (level, message) => add(level === "warn" ? "warning" : level === "error" ? "error" : "info", message),
    realClock.now,
  );
  return (event) => {
    progress.take(event);
    if (event.note == null) return;
    const message = event.note.message ?? "";
    add(noteLevel(event.note.level), message.startsWith(`${id}: `) ? message.slice(id.length + 2) : message);
  };
}
