/** What a worker's credential is good for in other hands: nothing is done to another worker, and nothing ends the run. */
import { readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { configSchema } from "../../shared/config/run.js";
import { readMessage, type saf, wire, writeMessage } from "../../shared/messages.js";
import { connectNats } from "../../shared/io/nats-bus.js";
import { layoutOf } from "../../shared/networks/network.js";
import { resolveRun, stepPlan } from "../../shared/resolve.js";
import type { Bus } from "../../shared/bus.js";
import type { TestCluster } from "../support/cluster.js";
import { Attacker, type Known } from "./attacker.js";
import { ATTEMPT_NAMES, type AttemptName } from "./attempt-names.js";
import { ATTEMPTS } from "./attempts.js";
import { type Bar, endedLedgerFault, passed, speedOf, withPool } from "./pools.js";

/** Those that are started, and one more that shows how a worker introduces itself. */
const WORKERS = 3;
const SLOTS = 4;
const COMPUTE_MS = 25;
const MIB = 2 ** 20;
const MOST_MEMORY_MIB = 1024;
/** Of all logs, for one attempt. */
const MOST_LOG_BYTES = 256 * 1024;
const PAUSE_S = 2;
/** Steps of the calm run between two looks. */
const LEG = 200;

/** What an attempt did. */
interface Row {
  attempt: string;
  answer: string;
  seconds: number;
  /** Steps a second, in the pause before it and while it lasted. */
  calm: number;
  during: number;
  /** What happened to workers that do their work. */
  harm: string[];
  logBytes: number;
  /** Of the coordinator, with what it shares; and the most so far. */
  memoryMib: number;
  mostMib: number;
}

export const hostile: Bar = async ({ seed = 1 }) => {
  const setting = { slots: SLOTS, seed, pool: { compute_ms: COMPUTE_MS } };
  const { rows, ...hostileEnd } = await withPool(
    { ...setting, workers: WORKERS - 1, isAttacked: true },
    async (cluster) => {
      const rows = await attempted(cluster);
      const fault = await endedLedgerFault(cluster, SLOTS);
      return { rows, fault, ...cluster.checkpoint() };
    },
  );
  const { step, sha256 } = hostileEnd;
  const calm = await withPool(
    { ...setting, workers: WORKERS, pool: { compute_ms: 1 }, steps: step },
    async (cluster) => {
      // Each wait has a limit of its own, and this is a long run.
      for (let at = 0; at < step; at += LEG) await cluster.untilStep(Math.min(step, at + LEG));
      await cluster.trained();
      return cluster.checkpoint();
    },
  );
  const isSame = calm.step === step && calm.sha256 === sha256;
  const wrong = rows.flatMap((row) => faultsOf(row).map((fault) => `${row.attempt}: ${fault}`));
  return {
    ...{
      rows,
      wrong,
      steps: step,
      weights: sha256,
      calmWeights: calm.sha256,
      ledger: hostileEnd.fault ?? "ok",
    },
    bar: "nothing done to another worker, the run goes on, coordinator < 1 GiB, logs bounded, the same weights",
    isMet:
      wrong.length === 0 && isSame && hostileEnd.fault === undefined && rows.length === ATTEMPT_NAMES.length,
  };
};

function faultsOf({ harm, during, logBytes, mostMib }: Row): string[] {
  return [
    ...harm,
    ...(during > 0 ? [] : ["no step while it lasted"]),
    ...(logBytes <= MOST_LOG_BYTES ? [] : [`${logBytes} bytes of log`]),
    ...(mostMib < MOST_MEMORY_MIB ? [] : [`the coordinator takes ${mostMib.toFixed(0)} MiB`]),
  ];
}

// ---- One attempt after another --------------------------------------------------------------------------------

async function attempted(cluster: TestCluster): Promise<Row[]> {
  const { local } = cluster;
  const watch = await Watch.begin(cluster);
  const rows: Row[] = [];
  try {
    const known = await learnt(cluster, watch);
    process.stderr.write(`${heading()}\n`);
    for (const [i, name] of ATTEMPT_NAMES.entries()) {
      const calm = await speedOf(cluster, PAUSE_S);
      const id = ATTEMPTS[name].poses === true ? "worker-1" : `worker-${WORKERS + 1 + (i % 12)}`;
      const attacker = await Attacker.start(known, local.server.credentials.worker(id));
      watch.regard(known.others.filter((other) => other !== id));
      try {
        const row = await measured(name, attacker, cluster, watch);
        rows.push({ ...row, calm });
      } finally {
        await attacker.stop();
      }
      process.stderr.write(`${lineOf(rows.at(-1))}\n`);
    }
  } finally {
    await watch.end();
  }
  return rows;
}

async function measured(
  name: AttemptName,
  attacker: Attacker,
  cluster: TestCluster,
  watch: Watch,
): Promise<Omit<Row, "calm">> {
  const attempt = ATTEMPTS[name];
  const [began, step] = [performance.now(), cluster.step];
  if (attempt.joins === true) await attacker.join();
  const answer = await attempt.act(attacker);
  if (attempt.joins === true) await attacker.leave();
  const spent = (performance.now() - began) / 1000;
  // One that is over in no time is followed by what it caused.
  await passed(1000);
  const seconds = spent + 1;
  return {
    attempt: name,
    answer,
    seconds: spent,
    during: (cluster.step - step) / seconds,
    ...watch.since(),
    ...memoryOf(cluster.local.coordinatorPid),
  };
}

const COLUMNS: [string, (row: Row) => string, number][] = [
  ["attempt", ({ attempt }) => attempt, 56],
  ["s", ({ seconds }) => seconds.toFixed(1), 5],
  ["steps/s", ({ calm, during }) => `${calm.toFixed(0)} > ${during.toFixed(0)}`, 8],
  ["MiB", ({ memoryMib }) => memoryMib.toFixed(0), 4],
  ["log", ({ logBytes }) => `${(logBytes / 1024).toFixed(0)}k`, 5],
  [
    "came back",
    ({ answer, harm }) => [answer, ...harm.slice(0, 3).map((one) => `HARM ${one}`)].join("; "),
    0,
  ],
];

const heading = (): string => COLUMNS.map(([name, , width]) => name.padEnd(width)).join(" ");
const lineOf = (row: Row | undefined): string =>
  row === undefined ? "" : COLUMNS.map(([, read, width]) => read(row).padEnd(width)).join(" ");

function memoryOf(pid: number | undefined): Pick<Row, "memoryMib" | "mostMib"> {
  const text = readFileSync(`/proc/${pid}/status`, "utf8");
  const mib = (name: string): number =>
    (Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(text)?.[1]) * 1024) / MIB;
  return { memoryMib: mib("VmRSS"), mostMib: mib("VmHWM") };
}

// ---- What happens to the others -------------------------------------------------------------------------------

/** Lines about a worker that only an attack, or a fault, brings. */
const HARM =
  /is lost|left:|joined|overdue|gets no work|Refused worker|is refused|spoke for another|later coordinator/;

/** Sees what the coordinator says to workers, and reads its log. */
class Watch {
  readonly #cluster: TestCluster;
  readonly #tap: Bus;
  #regarded: readonly string[] = [];
  #said: string[] = [];
  #lines = 0;
  #bytes = 0;
  /** How the newest worker introduced itself. */
  hello: saf.v1.JoinRequest.$Properties | undefined;

  private constructor(cluster: TestCluster, tap: Bus) {
    this.#cluster = cluster;
    this.#tap = tap;
  }

  static async begin(cluster: TestCluster): Promise<Watch> {
    const { server } = cluster.local;
    const tap = await connectNats({
      ...{ url: server.url, purpose: "watch", connectTimeoutMs: 10_000 },
      ...server.credentials.coordinator,
    });
    const watch = new Watch(cluster, tap);
    const { subjects } = cluster;
    tap.subscribe(subjects.joinPattern, ({ data }) => {
      watch.hello ??= readMessage(wire.JoinRequest, data) as saf.v1.JoinRequest.$Properties | undefined;
    });
    tap.subscribe(subjects.commandPattern, ({ subject, data }) => watch.#onCommand(subject, data));
    tap.subscribe(subjects.all, () => watch.#said.push("something was announced to all"));
    await tap.flush();
    return watch;
  }

  end(): Promise<void> {
    return this.#tap.close();
  }

  #onCommand(subject: string, data: Uint8Array): void {
    const worker = subject.slice(subject.lastIndexOf(".") + 1);
    if (!this.#regarded.includes(worker)) return;
    const command = readMessage(wire.WorkerCommand, data);
    if (command?.block != null) return;
    const kind = Object.keys(command ?? {}).find((key) => command?.[key as keyof typeof command] != null);
    this.#said.push(`${worker} was sent ${kind ?? "what is no command"}`);
  }

  /** From now on these are the ones that do their work. */
  regard(workers: readonly string[]): void {
    this.since();
    this.#regarded = workers;
    this.#said = [];
  }

  /** What was done to them, and how much was written, since it was asked last. */
  since(): Pick<Row, "harm" | "logBytes"> {
    const lines = this.#cluster.log();
    const fresh = lines.slice(this.#lines).map(({ msg }) => msg);
    this.#lines = lines.length;
    const named = fresh.filter(
      (line) => HARM.test(line) && this.#regarded.some((worker) => line.startsWith(`Worker ${worker} `)),
    );
    const overdue = fresh.filter((line) =>
      this.#regarded.some((worker) => line.includes(`of worker ${worker} is overdue`)),
    );
    const bytes = logBytes(this.#cluster.out);
    const logged = bytes - this.#bytes;
    this.#bytes = bytes;
    return { harm: [...this.#said.splice(0), ...named, ...overdue], logBytes: logged };
  }
}

function logBytes(out: string): number {
  const files = [
    join(out, "log.jsonl"),
    ...readdirSync(join(out, "logs")).map((name) => join(out, "logs", name)),
  ];
  return files.reduce((sum, file) => sum + statSync(file).size, 0);
}

// ---- What every worker gets to know ---------------------------------------------------------------------------

async function learnt(cluster: TestCluster, watch: Watch): Promise<Known> {
  const { local, subjects } = cluster;
  local.addWorker();
  await cluster.until("all workers", () => cluster.table.length === WORKERS);
  const hello = watch.hello;
  if (hello === undefined) throw new Error("Nobody joined");
  const { identity, seedFile } = local.server.credentials.worker(`worker-${WORKERS + 13}`);
  const bus = await connectNats({
    url: local.server.url,
    identity,
    seedFile,
    purpose: "spy",
    connectTimeoutMs: 10_000,
  });
  try {
    const join = writeMessage(wire.JoinRequest, { ...hello, workerId: identity, incarnation: Date.now() });
    let runId = "";
    const leased = new Promise<void>((resolve) => {
      bus.subscribe(subjects.command(identity), ({ data }) => {
        runId = readMessage(wire.WorkerCommand, data)?.block?.runId ?? "";
        if (runId !== "") resolve();
      });
    });
    await bus.flush();
    const reply = readMessage(wire.JoinReply, await bus.request(subjects.join(identity), join, 10_000));
    await leased;
    const back = { workerId: identity, leaving: true, reason: "knows enough", incarnation: Date.now() };
    const asked = writeMessage(wire.RunRequest, { runId });
    const spec = readMessage(wire.RunSpec, await bus.request(subjects.runGet(identity), asked, 10_000));
    bus.publish(subjects.lease(identity), writeMessage(wire.LeaseReturn, back));
    await bus.flush();
    if (spec?.data == null || reply === undefined)
      throw new Error("The coordinator did not describe the run");
    const config = configSchema.parse(JSON.parse(spec.configJson));
    const run = resolveRun(config);
    const images = (spec.data.train ?? []).reduce((sum, part) => sum + (part.images ?? 0), 0);
    return {
      ...{ url: local.server.url, subjects, hello, term: reply.term },
      run: { runId, run, layout: layoutOf(run.network), plan: stepPlan(config, run, images) },
      part: spec.data.train?.[0]?.sha256 ?? "",
      others: local.workerIds,
    };
  } finally {
    await bus.close();
  }
}
