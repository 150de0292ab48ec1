/** What workers say to the coordinator: decoded, checked, handed to the job that it is for, and told as events. */
import { type ChunkHeader, ENVELOPE_BYTES, decodeChunk, sealOf } from "../shared/core/chunk.js";
import { shardIndices } from "../shared/core/shards.js";
import { REAL_ENGINES } from "../shared/engine.js";
import { PROTOCOL_VERSION, readMessage, type saf, wire, writeMessage } from "../shared/messages.js";
import type { Refusal } from "../shared/metrics.js";
import { isToken, speakerOf } from "../shared/subjects.js";
import type { CoordinatorEdges, LogLevel } from "./coordinator-edges.js";
import { FOREIGN_LEASE } from "./leases/book.js";
import type { LeaseEvent } from "./leases/events.js";
import type { ChunkVerdict, Job, UnitOf, Verdict } from "./leases/job.js";
import { type Heard, Hearing, type HearingEdges, MOST_HEARD } from "./hearing.js";
import { RefusedPushes } from "./refused-pushes.js";
import { type Presence, admit } from "./pool/membership.js";
import type { EngineFingerprint } from "../shared/fingerprint.js";

export interface ListenerContext {
  jobs: ReadonlyMap<string, Job>;
  /** Of several at once, no work is given in between. */
  take(...events: readonly LeaseEvent[]): void;
  /** Who is in the pool under this name. */
  member(id: string): Presence | undefined;
  /** Why a worker with this engine is not taken beside the others; undefined where it is. */
  spoils(worker: string, engine: EngineFingerprint): string | undefined;
  /** A coordinator with this term, newer than ours, leads the pool. */
  superseded(term: number): void;
  /** Tells a worker what its push came to, together with the command that `follow` may have for it. */
  settle(worker: string, settled: saf.v1.Settled.$Properties, follow: () => void): void;
  /** A line that a worker can cause as often as it likes. */
  log(worker: string, level: LogLevel, text: string): void;
}

export interface Listener {
  stop(): void;
}

const MOST_IMPOSTORS = 1000;
/** Of a refusal, in characters: it may hold what the worker said. */
const MOST_REASON = 400;
/** Of a list in a fingerprint, and of each of its texts: it stays in memory. */
const MOST_ENTRIES = 32;
const MOST_TEXT = 100;

/** Makes an answer when there is room for it. */
type Answer = () => Uint8Array;

type PushVerdict = Verdict<saf.v1.PushReply.$Properties>;

/** Who sent a result, and for which lease. */
interface Sender {
  workerId: string;
  leaseId: number;
}

export function listen(edges: CoordinatorEdges, context: ListenerContext): Listener {
  const { subjects, metrics } = edges;
  const ear = new Ear(edges, context);
  const hearingEdges: HearingEdges = {
    now: () => edges.clock.now(),
    unheard: (why) => metrics.unheard(why),
    log: context.log,
  };
  const control = new Hearing(edges.control, MOST_HEARD.control, hearingEdges);
  const bulk = new Hearing(edges.bulk, MOST_HEARD.bulk, hearingEdges);
  control.hear(subjects.joinPattern, (message) => ear.onJoin(message));
  control.hear(subjects.heartbeatPattern, (message) => ear.onHeartbeat(message));
  control.hear(subjects.leasePattern, (message) => ear.onReturn(message));
  control.overhear(subjects.all, (data) => ear.onAnnounce(data));
  control.serve(subjects.runGetPattern, (data) => ear.onRunRequest(data));
  bulk.hear(subjects.pushPattern, (message) => ear.onPushEnd(message));
  bulk.hear(subjects.resultPattern, (message) => ear.onResult(message));
  bulk.serve(subjects.dataPattern, (data) => ear.onDataRequest(data));
  for (const shard of shardIndices()) {
    bulk.listenTo(subjects.gradientPattern(shard), (message) => ear.onChunk(message));
    bulk.serve(subjects.parameterGetPattern(shard), (data) => ear.onParameterRequest(shard, data));
  }
  return {
    stop: () => {
      control.stop();
      bulk.stop();
    },
  };
}

class Ear {
  readonly #edges: CoordinatorEdges;
  readonly #context: ListenerContext;
  /** Who spoke for another; each is named once. */
  readonly #impostors = new Set<string>();
  readonly #refused = new RefusedPushes();

  constructor(edges: CoordinatorEdges, context: ListenerContext) {
    this.#edges = edges;
    this.#context = context;
  }

  // ---- Membership ---------------------------------------------------------------------------------------------

  onJoin({ data, speaker, answer: send }: Heard): void {
    const request = readMessage(wire.JoinRequest, data);
    if (request === undefined) return;
    if (this.#follows(speaker, request.term)) return;
    const { term, heartbeatMs, metrics, engines = REAL_ENGINES } = this.#edges;
    const answer = (accepted: boolean, reason: string): void =>
      send(
        writeMessage(wire.JoinReply, { accepted, reason: reason.slice(0, MOST_REASON), term, heartbeatMs }),
      );
    const present = this.#context.member(request.workerId);
    const engine = fingerprintIn(request);
    const admission = admit(request, speaker, PROTOCOL_VERSION, engines, {
      present,
      spoils: this.#context.spoils(request.workerId, engine),
    });
    if (!admission.accepted) {
      metrics.workerRefused(admission.label);
      const name = request.workerId.slice(0, 64);
      this.#context.log(speaker, "error", `Refused worker ${name}: ${admission.reason}`);
      answer(false, admission.reason);
      return;
    }
    answer(true, "");
    const { workerId: worker, incarnation, pid } = request;
    this.#edges.farWorkers?.seated(worker, request.isFar);
    const leaseId = this.#leaseOf(request);
    // Who shares memory with us sends nothing that could be summed on the way.
    const host = request.isFar ? request.host.slice(0, MOST_TEXT) : "";
    this.#context.take({ kind: "joined", worker, incarnation, engine, pid, host, leaseId });
  }

  /** Two coordinators would take the workers from each other for ever: the later one wins. */
  onAnnounce(data: Uint8Array): void {
    const announce = readMessage(wire.Announce, data);
    if (announce !== undefined && announce.term > this.#edges.term) this.#context.superseded(announce.term);
  }

  onHeartbeat({ subject, data }: Heard): void {
    const beat = readMessage(wire.Heartbeat, data);
    if (beat === undefined || !this.#isFrom(subject, beat.workerId)) return;
    const { workerId: worker, incarnation, rssBytes, progress } = beat;
    const leaseId = this.#leaseOf(beat);
    const isOurTerm = beat.term === this.#edges.term;
    const told =
      progress == null
        ? undefined
        : { steps: progress.steps ?? 0, loss: progress.loss ?? 0, accuracy: progress.accuracy ?? 0 };
    this.#context.take({ kind: "heard", worker, incarnation, isOurTerm, leaseId, rssBytes, progress: told });
    this.#follows(worker, beat.term);
  }

  /** Has this worker joined a later coordinator? It would heed nothing of ours, so it is not taken in. */
  #follows(worker: string, term: number): boolean {
    if (!(term > this.#edges.term)) return false;
    this.#context.take({ kind: "follows", worker, term });
    return true;
  }

  /** What a worker says that it works on. */
  #leaseOf({ leaseId, leaseTerm }: { leaseId: number; leaseTerm: number }): number {
    const isForeign = leaseId !== 0 && leaseTerm !== 0 && leaseTerm !== this.#edges.term;
    return isForeign ? FOREIGN_LEASE : leaseId;
  }

  onReturn({ subject, data }: Heard): void {
    const back = readMessage(wire.LeaseReturn, data);
    if (back === undefined || !this.#isFrom(subject, back.workerId)) return;
    const { workerId: worker, incarnation, leaseId, reason, failed: hasFailed } = back;
    if (back.leaving) this.#context.take({ kind: "left", worker, incarnation, reason });
    else this.#context.take({ kind: "returned", worker, incarnation, leaseId, reason, hasFailed });
  }

  // ---- Work that comes back -----------------------------------------------------------------------------------

  onChunk({ speaker, data, inPlace }: Heard): void {
    this.#takeChunk(speaker, data, inPlace);
  }

  #takeChunk(workerId: string, data: Uint8Array, inPlace: boolean | undefined): void {
    const seal = inPlace === true ? sealOf(data) : 0;
    const isIntact = (): boolean => inPlace !== true || sealOf(data) === seal;
    const decoded = decodeChunk(data, inPlace);
    const verdict: ChunkVerdict & { job?: Job } = decoded.ok
      ? this.#verdictOn(workerId, decoded.header, decoded.body, isIntact)
      : { fate: decoded.reason };
    // A worker breaks the seal of a frame that lies in its memory when it goes on to its next lease: of what it sent before,
    // more than was needed may still be on its way here.
    const isGone = inPlace === true && verdict.fate !== "accepted" && (seal === 0 || !isIntact());
    const fate = isGone ? "stale" : verdict.fate;
    this.#edges.metrics.gradient(fate);
    if (fate !== "accepted" && fate !== "duplicate" && fate !== "stale")
      this.#tellRefused(workerId, decoded.ok ? decoded.header : undefined, fate);
    // The worker may have its next lease before it has said that it is done.
    const { job, completed } = verdict;
    if (job !== undefined && completed !== undefined) this.#context.take(...completedIn(job, completed));
  }

  /** One line for a push: the values of a training that diverges are not finite in any of its chunks. */
  #tellRefused(workerId: string, header: ChunkHeader | undefined, why: Refusal): void {
    if (header !== undefined && !this.#refused.isFirst(workerId, header, why)) return;
    const what = header?.kind === "state" ? "state" : "gradient";
    this.#context.log(workerId, "warn", `Refused a ${what} chunk of worker ${workerId}: ${why}`);
  }

  #verdictOn(
    workerId: string,
    header: ChunkHeader,
    body: Uint8Array,
    isIntact: () => boolean,
  ): ChunkVerdict & { job?: Job } {
    const { term, metrics } = this.#edges;
    const job = this.#jobOf(({ runHash, onChunk }) => runHash === header.runHash && onChunk !== undefined);
    if (job?.onChunk === undefined)
      return { fate: this.#jobOf(({ runHash }) => runHash === header.runHash) ? "stale" : "run" };
    if (header.term !== term) return { fate: "fenced" };
    const verdict = job.onChunk(workerId, header, body, isIntact);
    if (verdict.fate === "nonfinite")
      metrics.nonfinite(job.runId, header.kind === "state" ? "state" : "gradient");
    return { ...verdict, job };
  }

  onPushEnd({ subject, data, answer }: Heard): void {
    // Results in it are views of the message, and are looked at later.
    const message = readMessage(wire.PushEnd, Buffer.from(data));
    if (message === undefined || !this.#isFrom(subject, message.workerId)) return;
    const { workerId, leaseId, term, frames } = message;
    // Decoded bytes are views of the message, at any place in it.
    for (const frame of frames) this.#takeChunk(workerId, new Uint8Array(frame), false);
    const { job, verdict } = this.#verdictOnPush(message);
    const follow = (): void => this.#conclude(job, message, verdict);
    if (frames.length > 0) this.#context.settle(workerId, { leaseId, term, reply: verdict.reply }, follow);
    else {
      answer(writeMessage(wire.PushReply, verdict.reply));
      follow();
    }
  }

  #verdictOnPush(message: saf.v1.PushEnd): { job: Job | undefined; verdict: PushVerdict } {
    if (message.term !== this.#edges.term)
      return { job: undefined, verdict: { reply: { status: wire.PushReply.Status.FENCED } } };
    const job = this.#jobOf(({ runId, onPushEnd }) => runId === message.runId && onPushEnd !== undefined);
    const over = { status: wire.PushReply.Status.STALE, reason: "the run is over" };
    return { job, verdict: job?.onPushEnd?.(message) ?? settledAs(over) };
  }

  onResult({ subject, data, answer }: Heard): void {
    const message = readMessage(wire.TaskResult, data);
    if (message === undefined || !this.#isFrom(subject, message.workerId)) return;
    const isOurs = message.term === this.#edges.term;
    const job = isOurs
      ? this.#jobOf(({ runId, onResult }) => runId === message.runId && onResult !== undefined)
      : undefined;
    const over = { accepted: false, reason: "this evaluation is over" };
    const verdict = job?.onResult?.(message) ?? settledAs(over);
    answer(writeMessage(wire.TaskReply, verdict.reply));
    this.#conclude(job, message, verdict);
  }

  #conclude(
    job: Job | undefined,
    { workerId: worker, leaseId }: Sender,
    { completed, settled }: Verdict<unknown>,
  ): void {
    if (job !== undefined && completed !== undefined)
      this.#context.take({ kind: "computed", jobId: job.id, worker, leaseId, ...completed });
    if (settled === undefined) return;
    const { unitId, outcome, reason, told } = settled;
    this.#context.take({ kind: "settled", jobId: job?.id, unitId, worker, leaseId, outcome, reason, told });
  }

  // ---- What workers ask for -----------------------------------------------------------------------------------

  onParameterRequest(shard: number, data: Uint8Array): Answer | undefined {
    const request = readMessage(wire.ParamRequest, data);
    return request === undefined
      ? undefined
      : () => writeMessage(wire.ParamReply, this.#parameters(shard, request));
  }

  #parameters(shard: number, request: saf.v1.ParamRequest): saf.v1.ParamReply.$Properties {
    const { runId, version, chunk, velocity, rounded } = request;
    const jobs = [...this.#context.jobs.values()].filter((job) => job.runId === runId);
    if (jobs.length === 0) return { error: { message: "the run is over" } };
    const nothing = { frame: undefined, latest: 0 };
    const answers = jobs.map((job) =>
      velocity
        ? (job.velocityFrame?.({ shard, version, chunk }) ?? nothing)
        : job.parameterFrame({ shard, version, chunk, rounded }),
    );
    const { frame, latest } = answers.find((answer) => answer.frame !== undefined) ?? answers[0] ?? nothing;
    return frame === undefined ? { latest } : { chunk: frame, latest };
  }

  onRunRequest(data: Uint8Array): Answer | undefined {
    const request = readMessage(wire.RunRequest, data);
    if (request === undefined) return undefined;
    return () => {
      const job = this.#jobOf(({ runId }) => runId === request.runId);
      return writeMessage(wire.RunSpec, job?.describe() ?? { error: { message: "no such run here" } });
    };
  }

  onDataRequest(data: Uint8Array): Answer | undefined {
    const request = readMessage(wire.DataRequest, data);
    if (request === undefined) return undefined;
    const most = this.#edges.bulk.maxPayload - ENVELOPE_BYTES;
    return () =>
      writeMessage(
        wire.DataRange,
        request.length <= most
          ? this.#edges.dataRange(request)
          : { error: { message: `at most ${most} bytes a request: NATS takes no larger answer` } },
      );
  }

  // ---- Who it is ----------------------------------------------------------------------------------------------

  #jobOf(fits: (job: Job) => boolean): Job | undefined {
    return [...this.#context.jobs.values()].find(fits);
  }

  /** Does a message that came on this subject speak for the worker that it names? Who does not is named once. */
  #isFrom(subject: string, workerId: string): boolean {
    const speaker = speakerOf(subject);
    if (workerId === speaker) return isToken(speaker);
    if (!this.#impostors.has(speaker) && this.#impostors.size < MOST_IMPOSTORS) {
      this.#impostors.add(speaker);
      this.#edges.log(
        "error",
        `Worker ${speaker} spoke for another: ${subject} named "${workerId.slice(0, 64)}"`,
      );
    }
    return false;
  }
}

/** What a worker says of its engine, cut to a bounded size. */
function fingerprintIn(request: saf.v1.JoinRequest): EngineFingerprint {
  const { engineName, engineVersion, device, fingerprint } = request;
  const text = (value: string): string => value.slice(0, MOST_TEXT);
  const list = (values: readonly string[] | null | undefined): string[] =>
    (values ?? []).slice(0, MOST_ENTRIES).map(text);
  return {
    engine: text(engineName),
    version: text(engineVersion),
    device: text(device),
    flags: list(fingerprint?.flags),
    cpu: list(fingerprint?.cpu),
    sample: text(fingerprint?.sample ?? ""),
  };
}

function completedIn({ id: jobId }: Job, units: readonly UnitOf[]): LeaseEvent[] {
  return units.map((unit) => ({ kind: "computed", jobId, ...unit }));
}

function settledAs<Reply>(reply: Reply): Verdict<Reply> {
  return { reply, settled: { outcome: "done", reason: "" } };
}
