/**
 * A process with a worker's credentials that never joins: it listens to what it may hear, and says everything that its
 * rights allow, in others' names, of other terms, steps and leases, and plain noise. Nothing of it may count.
 */
import { subjectsOf } from "../../shared/subjects.js";
import { type saf, wire, writeMessage } from "../../shared/messages.js";
import type { Draws } from "./draws.js";
import type { SimulatedBus } from "./network.js";
import type { Surroundings } from "./surroundings.js";

const EVERY_MS = 150;
const MOST_HEARD = 16;

export interface ForgerSetting {
  process: Surroundings;
  /** The name of its pool. */
  pool: string;
  name: string;
  /** Everybody, itself included. */
  names: readonly string[];
  runIds: readonly string[];
  control: SimulatedBus;
  bulk: SimulatedBus;
  draws: Draws;
}

export function forge(setting: ForgerSetting): void {
  const { process, bulk, pool } = setting;
  const subjects = subjectsOf(pool);
  const heard: Uint8Array[] = [];
  bulk.subscribe(subjects.parameters(0), ({ data }) => {
    heard.push(data.slice());
    if (heard.length > MOST_HEARD) heard.shift();
  });
  process.clock.every(EVERY_MS, () => say(setting, heard));
}

function say(
  { pool, name, names, runIds, control, bulk, draws }: ForgerSetting,
  heard: readonly Uint8Array[],
): void {
  const subjects = subjectsOf(pool);
  const identity = {
    workerId: draws.pick(names),
    runId: draws.pick(runIds),
    leaseId: draws.whole(0, 40),
    term: draws.pick([0, 1, 2 ** 50]),
    step: draws.whole(0, 12),
    attempt: draws.whole(0, 3),
  };
  const frame = heard.length === 0 ? noise(draws) : changed(draws.pick(heard), draws);
  const lies: (() => void)[] = [
    () => bulk.publish(subjects.gradient(0, name), frame),
    () =>
      bulk.publish(
        subjects.push(name),
        writeMessage(wire.PushEnd, { ...identity, node: draws.whole(0, 15) }),
      ),
    () =>
      bulk.publish(subjects.result(name), writeMessage(wire.TaskResult, { ...identity, taskId: "forged" })),
    () =>
      control.publish(
        subjects.heartbeat(name),
        writeMessage(wire.Heartbeat, { ...identity, incarnation: 1 }),
      ),
    () => control.publish(subjects.lease(name), writeMessage(wire.LeaseReturn, returned(identity, draws))),
    () => control.publish(subjects.join(name), noise(draws)),
    () => control.publish(subjects.runGet(name), noise(draws)),
    () => bulk.publish(subjects.parameterGet(0, name), noise(draws)),
    () => bulk.publish(subjects.data(name), noise(draws)),
  ];
  draws.pick(lies)();
}

function returned(
  { workerId, leaseId }: { workerId: string; leaseId: number },
  draws: Draws,
): saf.v1.LeaseReturn.$Properties {
  return { workerId, leaseId, reason: "forged", leaving: draws.chance(0.5), failed: draws.chance(0.5) };
}

function noise(draws: Draws): Uint8Array {
  return Uint8Array.from({ length: draws.whole(0, 120) }, () => draws.whole(0, 255));
}

function changed(frame: Uint8Array, draws: Draws): Uint8Array {
  const bytes = frame.slice();
  const at = draws.whole(0, bytes.byteLength - 1);
  bytes[at] = draws.whole(0, 255);
  return bytes;
}
