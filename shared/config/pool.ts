/**
 * Every setting of a pool of workers once. A pool serves many runs, one after another and side by side, so these are no
 * part of a run: none of them decides a number of any result.
 */
import { z } from "zod";
import { setting, settings } from "./setting.js";

const DEFAULT_COMPUTE_MS = 50;
const MOST_COMPUTE_MS = 600_000;
const COMPUTE_MS = /^([a-z0-9-]{1,32}=)?\d{1,6}(,([a-z0-9-]{1,32}=)?\d{1,6})*$/;
const COMPUTE_MS_FORM = "expected milliseconds, for one worker behind its name, as in worker-1=250,50";

export const poolSchema = settings({
  workers: setting(
    "nothing",
    z.union([z.literal("auto"), z.int().min(1).max(256)]).default("auto"),
    "local worker processes; auto: one per core (with a GPU say 1)",
  ),
  min_workers: setting(
    "nothing",
    z.int().min(1).max(256).default(1),
    "workers to wait for before the first step",
  ),
  shared_memory: setting(
    "nothing",
    z.boolean().default(true),
    "local pools: bulk bytes go through shared memory, NATS carries the references; false: all through NATS",
  ),
  hosts: setting(
    "nothing",
    z.int().min(0).max(64).default(0),
    "local pools with shared_memory: false: cut the workers into so many groups, as on so many machines: each shares memory among itself; 0: nobody shares any",
  ),
  heartbeat_ms: setting(
    "nothing",
    z.int().min(50).max(60_000).default(1000),
    "time between heartbeats; three missed mean lost",
  ),
  lease_floor_ms: setting(
    "nothing",
    z.int().min(50).max(600_000).default(2000),
    "shortest deadline of a lease, however fast others were",
  ),
  quarantine_after: setting(
    "nothing",
    z.int().min(1).max(1000).default(3),
    "failed leases in a row after which a worker gets no work for a while",
  ),
  quarantine_ms: setting(
    "nothing",
    z.int().min(50).max(3_600_000).default(5000),
    "length of that while; each further failure doubles it, up to 64 times",
  ),
  hung_after: setting(
    "nothing",
    z.int().min(0).max(1000).default(10),
    "deadlines that an engine may be silent for before its worker takes it for hung and ends, to be started again; 0: never",
  ),
  mixed_engines: setting(
    "nothing",
    z.enum(["refuse", "warn"]).default("refuse"),
    "a worker whose engine computes other bits than the pool's: refuse it, or warn and take it, and then the weights depend on who computed what",
  ),
  compute_ms: setting(
    "nothing",
    z
      .union([z.int().min(0).max(MOST_COMPUTE_MS), z.string().regex(COMPUTE_MS, COMPUTE_MS_FORM)])
      .default(DEFAULT_COMPUTE_MS),
    "emulated engine: milliseconds that a slot takes; worker-1=250,50 makes one worker slower than the others",
  ),
  wait_for_workers_ms: setting(
    "nothing",
    z.int().min(1000).max(1_000_000_000).default(120_000),
    "give up when no worker has joined for this long",
  ),
});

/** A pool's settings, defaults filled in. */
export type PoolConfig = z.output<typeof poolSchema>;
export type PoolInput = z.input<typeof poolSchema>;

/** What `compute_ms` says for a worker: its own time, else the one without a name, else the default. Undefined: it says nothing that can be read. */
export function computeMsOf(said: string | number, worker: string): number | undefined {
  const parsed = poolSchema.shape.compute_ms.safeParse(said);
  if (!parsed.success) return undefined;
  const times = new Map(
    String(parsed.data)
      .split(",")
      .map((part): [string, number] => {
        const [time = "", name = ""] = part.split("=").reverse();
        return [name, Number(time)];
      }),
  );
  return times.get(worker) ?? times.get("") ?? DEFAULT_COMPUTE_MS;
}
