/**
 * How a block leaves its worker: straight to the coordinator, or with the blocks of mates as one sum. A worker waits for a mate
 * only as long as its own block took; then it pushes that itself, and what was counted before is not counted twice.
 */
import type { Bus, BusMessage } from "../../shared/bus.js";
import { type Clock, pause } from "../../shared/clock.js";
import { breakSeal, chunkCountOf, frameIn } from "../../shared/core/chunk.js";
import { roundedGradients } from "../../shared/core/codec.js";
import { stepSamples } from "../../shared/core/schedule.js";
import { blockOfNode, slotRange } from "../../shared/core/slots.js";
import type { saf } from "../../shared/messages.js";
import { type Subjects, speakerOf } from "../../shared/subjects.js";
import { FrameSender, type Push } from "../frame-sender.js";
import type { PreparedRun } from "../run-setup.js";
import { Carrier } from "./carrier.js";

/** The chunks of one block on their way. */
export interface Outgoing {
  send(chunks: readonly number[]): void;
  /** All of them are computed, which took so long. Resolves to what sends again what the coordinator misses. */
  handedOver(computeMs: number): Promise<FrameSender>;
}

/** A mate is waited for at least this long. */
const LEAST_PATIENCE_MS = 250;

export interface MatesEdges {
  id: string;
  /** Frames that are published here mates read where they lie; undefined where this worker has no mates. */
  mates: Bus | undefined;
  subjects: Subjects;
  clock: Clock;
  /** Resolves when another lease waits, and when the worker stops. */
  nextLease(): Promise<void>;
}

/** What a block is sent with. */
interface Sending {
  run: PreparedRun;
  lease: saf.v1.BlockLease;
  /** Of the block itself. */
  push: Push;
  /** Begins a push to the coordinator. */
  begin(push: Push): FrameSender;
}

export class Mates {
  readonly #edges: MatesEdges;
  #carrier: Carrier | undefined;

  constructor(edges: MatesEdges) {
    this.#edges = edges;
  }

  /** Hears of blocks that mates give us. */
  listen(): { unsubscribe(): void } {
    const { mates, subjects, id } = this.#edges;
    const take = ({ subject, data, inPlace }: BusMessage): void =>
      this.#carrier?.take(speakerOf(subject), data, inPlace === true);
    return mates?.subscribe(subjects.mateGradientPattern(id), take) ?? { unsubscribe: () => undefined };
  }

  outgoing(sending: Sending): Outgoing {
    const { mates, id } = this.#edges;
    const { run, lease, push } = sending;
    const { porter } = lease;
    this.#carrier?.stop();
    this.#carrier = undefined;
    // A mate that is late with the block before must see that this one takes its place.
    if (run.home !== undefined && run.home === mates?.mapped) breakSeals(push);
    if (mates === undefined || porter === "") return straight(sending);
    return porter === id ? this.#carried(sending) : this.#given(sending, mates);
  }

  /** To a mate, which pushes it with its own. */
  #given({ run, lease, push, begin }: Sending, mates: Bus): Outgoing {
    const { id, subjects } = this.#edges;
    const inPlace = run.home !== undefined && run.home === mates.mapped;
    const given = new FrameSender(mates, subjects.mateGradient(lease.porter, id), { ...push, inPlace });
    return {
      send: (chunks) => given.send(chunks),
      handedOver: async (computeMs) => {
        await given.settled();
        // The next lease says that the block was counted.
        await this.#patience(computeMs);
        return begin(push);
      },
    };
  }

  /** With what mates give us. */
  #carried({ run, lease, push, begin }: Sending): Outgoing {
    const { slots } = run.plan;
    const identity = { ...push.identity, node: lease.carriedNode };
    const sender = begin({ frames: run.carried.frames(), identity });
    const carrier = new Carrier({
      ...{ slots, identity, sender, ownNode: push.identity.node, ownFrames: push.frames },
      ...{ mates: lease.mates, sums: run.carried },
      images: (node) => imagesOf(run, lease.step, node),
      rounded: (node) => roundedGradients(run.plan.codec, run.layout, blockOfNode(slots, node)?.count ?? 0),
    });
    this.#carrier = carrier;
    return {
      send: (chunks) => carrier.addOwn(chunks),
      handedOver: async (computeMs) => {
        const isWhole = await this.#patience(computeMs, carrier.ended);
        this.#carrier = undefined;
        const left = carrier.stop();
        if (isWhole === true) return sender;
        const own = begin(push);
        own.send(left);
        return own;
      },
    };
  }

  /** Waits for what is to come as long as a block took; not at all when another lease comes. */
  async #patience<Result>(computeMs: number, coming?: Promise<Result>): Promise<Result | undefined> {
    const { clock, nextLease } = this.#edges;
    const over = new AbortController();
    const late = Promise.race([
      pause(clock, Math.max(LEAST_PATIENCE_MS, computeMs), over.signal),
      nextLease(),
    ]);
    const first = await Promise.race([coming ?? late.then(() => undefined), late.then(() => undefined)]);
    over.abort();
    return first;
  }
}

function breakSeals({ frames, identity: { totalBytes } }: Push): void {
  for (let chunk = 0; chunk < chunkCountOf(totalBytes); chunk++)
    breakSeal(frameIn(frames, totalBytes, chunk));
}

function straight({ push, begin }: Sending): Outgoing {
  const sender = begin(push);
  return { send: (chunks) => sender.send(chunks), handedOver: () => Promise.resolve(sender) };
}

function imagesOf({ plan }: PreparedRun, step: number, node: number): number {
  const block = blockOfNode(plan.slots, node);
  if (block === undefined) return NaN;
  const samples = stepSamples(plan, step);
  const { start } = slotRange(samples, plan.slots, block.first);
  return slotRange(samples, plan.slots, block.first + block.count - 1).end - start;
}
