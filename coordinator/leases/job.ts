/** What the coordinator asks of a job (a training, an evaluation), and what it hands in. */
import type { ChunkHeader } from "../../shared/core/chunk.js";
import type { saf } from "../../shared/messages.js";
import type { Refusal } from "../../shared/metrics.js";

/** A piece of work that one worker can hold. */
export interface Work {
  /** Names the piece within its job: the same block or task again has the same key. */
  key: string;
  /** Which copy of the piece this is, from 1. */
  attempt: number;
  /** Images to compute: of a block, or of a task at all its strengths. */
  images: number;
  command(lease: { leaseId: number; term: number; attempt: number }): saf.v1.WorkerCommand.$Properties;
  /** How long a worker may take, given how warm it is. */
  limitMs(warm: boolean): number;
}

/** What becomes of a lease after a message about it. */
export type LeaseFate = "held" | "done" | "failed";

export type ChunkFate = "accepted" | "completed" | Refusal;

export interface Job {
  readonly runId: string;
  readonly runHash: string;
  /**
   * Work for an idle worker, or undefined when there is none now. `workers`: in the pool, those in quarantine left out;
   * `isAlone`: no other one could take what this one may not have.
   */
  next(workerId: string, workers: number, isAlone: boolean): Work | undefined;
  /** This work's lease ended without a result: expired, returned, or its worker is lost. */
  giveBack(work: Work): void;
  /**
   * A chunk of a gradient; "accepted", "completed" when it was the last of the block whose key is `held`, or why not. The
   * body may lie where its sender can change it: what was read counts only if `isIntact` afterwards.
   */
  onChunk(
    workerId: string,
    header: ChunkHeader,
    body: Uint8Array,
    isIntact: () => boolean,
    held: string | undefined,
  ): ChunkFate;
  /** The end of a push. */
  onPushEnd(message: saf.v1.PushEnd): { reply: saf.v1.PushReply.$Properties; fate: LeaseFate };
  /** The result of an evaluation task. */
  onResult(message: saf.v1.TaskResult): { reply: saf.v1.TaskReply.$Properties; fate: LeaseFate };
  /** One chunk frame of a version, or the latest version when that one is gone. */
  parameterChunk(version: number, chunk: number): { frame: Uint8Array | undefined; latest: number };
  /** The same of the optimizer's velocity, where workers hold exclusive leases. */
  velocityChunk?(version: number, chunk: number): { frame: Uint8Array | undefined; latest: number };
  /** How far the worker says it is with an exclusive lease. Returns how much longer it may take, if it has moved. */
  onProgress?(workerId: string, progress: saf.v1.StretchProgress.$Properties): number | undefined;
  /** The description that workers ask for. */
  describe(): saf.v1.RunSpec.$Properties;
}
