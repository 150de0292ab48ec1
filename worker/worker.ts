/**
 * The worker's loop: take a lease, compute it on the engine, push what came out. It keeps nothing that matters: it can
 * die at any instant and nothing is lost.
 */
import type { BusMessage } from "../shared/bus.js";
import { ONLY_SHARD } from "../shared/core/shards.js";
import type { ClusterError } from "../shared/errors.js";
import { readMessage, wire, writeMessage } from "../shared/messages.js";
import type { WorkerEdges } from "./edges.js";
import { EngineDesk } from "./engine-desk.js";
import type { EngineTrouble } from "./engine-watch.js";
import type { FromEngine } from "./engine/messages.js";
import { ImageSplits } from "./images.js";
import { type Lease, LeaseInHand, leaseIn } from "./lease.js";
import { LeaseQueue } from "./lease-queue.js";
import { Membership, type MembershipEvents } from "./membership.js";
import { DataParts } from "./parts.js";
import { Mates } from "./mates/outgoing.js";
import { ParameterFeed } from "./mates/parameter-feed.js";
import { Pusher } from "./push.js";
import type { PreparedRun } from "./run-setup.js";
import { LoadedRuns } from "./runs.js";
import { serveBlock } from "./serve/block.js";
import type { ServeContext } from "./serve/context.js";
import { serveFeatures } from "./serve/features.js";
import { serveStretch } from "./serve/stretch.js";
import { serveTask } from "./serve/task.js";
import { ThreadMemory } from "./thread-memory.js";
import { AssetCache } from "./task-assets.js";

export class Worker {
  readonly #id: string;
  readonly #edges: WorkerEdges;
  readonly #stopping = new AbortController();
  readonly #queue: LeaseQueue;
  readonly #membership: Membership;
  readonly #engine: EngineDesk;
  readonly #runs: LoadedRuns;
  readonly #context: ServeContext;
  #inHand: LeaseInHand | undefined;
  /** A lease that came before the answer to our join. */
  #early: Lease | undefined;
  /** Why the worker ends, when that is no order. */
  #refusal: ClusterError | undefined;

  constructor(id: string, edges: WorkerEdges) {
    const stopping = this.#stopping.signal;
    const { control, bulk, subjects, clock, engine, isFar = false } = edges;
    const mates = edges.host?.bus;
    this.#id = id;
    this.#edges = edges;
    this.#queue = new LeaseQueue(stopping);
    this.#membership = new Membership(
      id,
      { ...edges, stopping },
      {
        work: () => this.#work(),
        asking: () => this.#queue.clear(),
        joined: (term, isNew) => this.#joined(term, isNew),
        end: (reason, error) => this.#stop(reason, error),
      },
    );
    this.#engine = new EngineDesk(
      engine,
      {
        done: (message) => this.#count(message),
        died: (error) => this.#stop("the engine died", error),
        unfit: (error) => this.#stop(error.message, error),
        hung: (error) => this.#stop(error.message, error),
        warned: (message) => edges.log("warn", message),
      },
      { stopping, clock },
    );
    const parts = new DataParts({
      bulk,
      subject: subjects.data(id),
      store: edges.parts,
      clock,
      signal: stopping,
    });
    this.#runs = new LoadedRuns({
      ...{ control, bulk, mates, engine, clock },
      signal: stopping,
      images: new ImageSplits(parts),
      memory: new ThreadMemory(),
      subjects: { runGet: subjects.runGet(id), parameterGet: subjects.parameterGet(ONLY_SHARD, id) },
    });
    const nextLease = (): Promise<void> => this.#queue.arrival();
    const push = new Pusher({ ...edges, workerId: id, stopping, nextLease });
    this.#context = {
      ...{ ...edges, engine: this.#engine, push, assets: new AssetCache(parts), stopping },
      mates: new Mates({ id, mates, subjects, clock, nextLease }),
      feed: new ParameterFeed(id, { bulk, mates, subjects, isFar }, (frame, inPlace) =>
        this.#runs.accept(frame, inPlace),
      ),
    };
  }

  /**
   * Serves until `signal` aborts, the coordinator says stop, or it refuses this worker (then throws
   * ClusterError("dependency")).
   */
  async serve(signal: AbortSignal): Promise<void> {
    const { control, subjects } = this.#edges;
    const { feed, mates } = this.#context;
    signal.addEventListener("abort", () => this.#stop("signal"), { once: true });
    if (signal.aborted) this.#stop("signal");
    const subscriptions = [
      control.subscribe(subjects.command(this.#id), (message) => this.#onCommand(message)),
      mates.listen(),
    ];
    feed.listen();
    this.#membership.listen();
    await control.flush();
    this.#membership.watch();
    await this.#membership.join();

    for (let lease = await this.#queue.next(); lease !== undefined; lease = await this.#queue.next()) {
      await this.#serveLease(lease);
    }
    this.#membership.close();
    for (const subscription of subscriptions) subscription.unsubscribe();
    feed.close();
    if (this.#refusal !== undefined) throw this.#refusal;
  }

  /** That the engine does not answer as it should, whatever the heart says; undefined while it does. */
  get engineTrouble(): EngineTrouble | undefined {
    return this.#engine.trouble;
  }

  #stop(reason: string, refusal?: ClusterError): void {
    if (this.#stopping.signal.aborted) return;
    this.#refusal = refusal;
    this.#edges.log(refusal === undefined ? "info" : "error", `Stopping: ${reason}`);
    this.#stopping.abort(new Error("the worker stops"));
    this.#giveBack(this.#inHand?.id ?? 0, reason, { leaving: true });
  }

  #onCommand({ data }: BusMessage): void {
    // Bytes in it are views of the message, and are read when the lease's turn comes.
    const command = readMessage(wire.WorkerCommand, Buffer.from(data));
    if (command === undefined) return;
    this.#membership.heard();
    if (command.settled != null) this.#context.push.settled(command.settled);
    const lease = leaseIn(command);
    if (lease !== undefined) this.#enqueue(lease);
    else if (command.rejoin != null) this.#membership.rejoin(command.rejoin.term ?? 0);
    else if (command.shutdown != null) this.#dismissed(command.shutdown.reason ?? "told to stop");
    else if (command.cancel != null) this.#cancel(command.cancel.leaseId ?? 0);
    else if (command.halt != null) this.#halt(command.halt.leaseId ?? 0);
  }

  /** The coordinator needs nobody any more. The next one announces itself. */
  #dismissed(reason: string): void {
    if (this.#edges.outlivesRuns !== true) {
      this.#stop(reason);
      return;
    }
    this.#edges.log("info", `Sent away (${reason}); waiting for the next run`);
    this.#queue.clear();
    this.#inHand?.halt();
    this.#membership.leave();
  }

  /** A lease counts only from the coordinator that took us in; one of a newer coordinator waits until that has. */
  #enqueue(lease: Lease): void {
    const { term } = lease.order;
    if (term === this.#membership.term) this.#queue.put(lease);
    else if (term > this.#membership.term) {
      this.#early = lease;
      void this.#membership.join();
    }
  }

  #joined(term: number, isNew: boolean): void {
    // What is computed for another coordinator nobody will take.
    if (isNew && this.#inHand?.term !== term) this.#inHand?.halt();
    this.#context.push.resend();
    const early = this.#early;
    this.#early = undefined;
    if (early?.order.term === term) this.#queue.put(early);
  }

  /** Nobody wants this lease any more. */
  #cancel(leaseId: number): void {
    if (!this.#queue.remove(leaseId) && this.#inHand?.id === leaseId) this.#inHand.halt();
  }

  /** A lease that has not begun goes back. */
  #halt(leaseId: number): void {
    if (this.#queue.remove(leaseId)) this.#giveBack(leaseId, "halted");
    else if (this.#inHand?.id === leaseId) this.#inHand.halt();
  }

  async #serveLease(lease: Lease): Promise<void> {
    const { leaseId } = lease.order;
    const hand = new LeaseInHand(lease.order, lease.brought?.frames);
    this.#inHand = hand;
    try {
      const run = await this.#runs.get(lease.order, lease.brought?.run);
      const unneeded = await this.#serve(run, lease, hand);
      if (unneeded !== undefined) this.#giveBack(leaseId, unneeded);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#edges.log("warn", `Lease ${leaseId} goes back: ${reason}`);
      // Ending is no failure.
      this.#giveBack(leaseId, reason, { failed: !this.#stopping.signal.aborted });
    } finally {
      this.#inHand = undefined;
    }
  }

  /** Resolves to the reason when the lease goes back because nobody needs it any more. */
  #serve(run: PreparedRun, lease: Lease, hand: LeaseInHand): Promise<string | undefined> {
    const context = this.#context;
    switch (lease.kind) {
      case "block":
        return serveBlock(context, run, lease.order, hand);
      case "stretch":
        return serveStretch(context, run, lease.order, hand);
      case "task":
        return serveTask(context, run, lease.order, hand);
      case "features":
        return serveFeatures(context, run, lease.order, hand);
    }
  }

  #giveBack(leaseId: number, reason: string, how: { leaving?: boolean; failed?: boolean } = {}): void {
    const { control, subjects } = this.#edges;
    if (!control.connected) return;
    const { leaving = false, failed = false } = how;
    const { incarnation } = this.#edges.process;
    const message = { workerId: this.#id, leaseId, reason, leaving, failed, incarnation };
    control.publish(subjects.lease(this.#id), writeMessage(wire.LeaseReturn, message));
  }

  /** What a heartbeat tells of the work. */
  #work(): ReturnType<MembershipEvents["work"]> {
    const { tensors, busySeconds } = this.#engine;
    return {
      leaseId: this.#inHand?.id ?? 0,
      leaseTerm: this.#inHand?.term ?? 0,
      tensors,
      busySeconds,
      progress: this.#inHand?.progress() ?? null,
    };
  }

  #count(done: Extract<FromEngine, { seconds: number }>): void {
    const { metrics } = this.#edges;
    metrics.tensors(done.tensors, done.tensorBytes);
    const trains = done.type === "block-done" || done.type === "stretch-done";
    metrics.phase(trains ? "compute" : "evaluate", done.seconds);
  }
}
