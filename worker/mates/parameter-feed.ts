/**
 * Where parameters come from: the coordinator's broadcast, or the mate that hears it for all workers of this host and passes it
 * on through their memory. What does not come is pulled, so nothing depends on who passes it on.
 */
import type { Bus, BusMessage, Subscription } from "../../shared/bus.js";
import { isFrame } from "../../shared/core/chunk.js";
import { ONLY_SHARD } from "../../shared/core/shards.js";
import type { Subjects } from "../../shared/subjects.js";
import { RelayedFrames } from "./relayed-frames.js";

export interface FeedEdges {
  bulk: Bus;
  /** To the mates of this host; undefined where it has none. */
  mates: Bus | undefined;
  subjects: Subjects;
  /** It shares no memory with the coordinator's machine. */
  isFar: boolean;
}

export class ParameterFeed {
  readonly #id: string;
  readonly #edges: FeedEdges;
  readonly #accept: (frame: Uint8Array, inPlace: boolean | undefined) => void;
  /** Who passes parameters on to us; we do that when it is our own name; empty: everybody hears the broadcast. */
  #relay = "";
  readonly #relayed: RelayedFrames | undefined;
  #source: Subscription[] = [];

  constructor(
    id: string,
    edges: FeedEdges,
    accept: (frame: Uint8Array, inPlace: boolean | undefined) => void,
  ) {
    this.#id = id;
    this.#edges = edges;
    this.#accept = accept;
    const memory = edges.mates?.mapped;
    this.#relayed = memory === undefined ? undefined : new RelayedFrames(memory);
  }

  listen(): void {
    this.#source = this.#hear();
  }

  /** A lease says who it is now. */
  follow(relay: string): void {
    if (relay === this.#relay) return;
    const { mates } = this.#edges;
    const wasBroadcast = this.#hearsBroadcast;
    this.#relay = mates === undefined ? "" : relay;
    if (wasBroadcast && this.#hearsBroadcast) return;
    const before = this.#source;
    this.#source = this.#hear();
    for (const subscription of before) subscription.unsubscribe();
  }

  close(): void {
    for (const subscription of this.#source.splice(0)) subscription.unsubscribe();
  }

  get #hearsBroadcast(): boolean {
    return this.#relay === "" || this.#relay === this.#id;
  }

  #hear(): Subscription[] {
    const { bulk, mates, subjects, isFar } = this.#edges;
    if (!this.#hearsBroadcast && mates !== undefined) {
      const fromMate = ({ data, inPlace }: BusMessage): void => this.#accept(data, inPlace);
      return [mates.subscribe(subjects.mateParameters(this.#relay), fromMate)];
    }
    const heard = (message: BusMessage): void => this.#onBroadcast(message);
    const near = bulk.subscribe(subjects.parameters(ONLY_SHARD), heard);
    return isFar ? [near, bulk.subscribe(subjects.parametersAsBytes(ONLY_SHARD), heard)] : [near];
  }

  #onBroadcast({ data, inPlace }: BusMessage): void {
    const { mates, subjects } = this.#edges;
    // The mates first: taking it in here costs time that they would wait.
    if (mates !== undefined && this.#relay === this.#id && isFrame(data))
      mates.publish(subjects.mateParameters(this.#id), this.#relayed?.place(data) ?? data);
    this.#accept(data, inPlace);
  }
}
