/**
 * A process with a worker's credentials that never joins: it listens to what it may hear, and says everything that its
 * rights allow, in others' names, of other terms, steps and leases, and plain noise; and it asks to have answers sent to
 * others. Nothing of it may count.
 */
import { subjectsOf } from "../../shared/subjects.js";
import { PROTOCOL_VERSION, readMessage, type saf, wire, writeMessage } from "../../shared/messages.js";
import { recipeOf } from "../../shared/run-hash.js";
import type { Draws } from "./draws.js";
import type { SimulatedBus } from "./network.js";
import { poisonedName } from "./poison.js";
import type { Surroundings } from "./surroundings.js";

const EVERY_MS = 150;
const MOST_HEARD = 16;
const ANSWER_MS = 1000;

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

/** What it has learnt by listening and asking. */
interface Learnt {
  frames: Uint8Array[];
  /** By run. */
  recipes: Map<string, string>;
}

export function forge(setting: ForgerSetting): void {
  const { process, bulk, pool } = setting;
  const subjects = subjectsOf(pool);
  const learnt: Learnt = { frames: [], recipes: new Map() };
  bulk.subscribe(subjects.parameters(0), ({ data }) => {
    if (data.byteLength === 0) return;
    learnt.frames.push(data.slice());
    if (learnt.frames.length > MOST_HEARD) learnt.frames.shift();
  });
  process.clock.every(EVERY_MS, () => say(setting, learnt));
}

/** Every worker may ask what a run is. */
async function learn(
  { pool, name, runIds, control, draws }: ForgerSetting,
  { recipes }: Learnt,
): Promise<void> {
  const runId = draws.pick(runIds);
  const request = writeMessage(wire.RunRequest, { runId });
  const answer = await control
    .request(subjectsOf(pool).runGet(name), request, ANSWER_MS)
    .catch(() => undefined);
  const spec = answer === undefined ? undefined : readMessage(wire.RunSpec, answer);
  if (spec?.configJson) recipes.set(runId, recipeOf(spec));
}

/** It asks, and wants the answer sent to somebody else. */
function misdirect(
  { pool, name, names, runIds, control, bulk, draws }: ForgerSetting,
  { recipes }: Learnt,
): void {
  const subjects = subjectsOf(pool);
  const runId = draws.pick(runIds);
  const version = draws.whole(0, 12);
  const recipe = recipes.get(runId) ?? "";
  const victim = draws.pick(names);
  const target = draws.pick([
    ...[subjects.command(victim), subjects.command(victim), subjects.command(victim), subjects.all],
    ...[subjects.lease(victim), subjects.heartbeat(victim), subjects.parameters(0), subjects.push(victim)],
  ]);
  const join = writeMessage(wire.JoinRequest, {
    protocol: PROTOCOL_VERSION,
    workerId: name,
    engineName: poisonedName({ runId, recipe, version }),
  });
  const frame = writeMessage(wire.ParamRequest, { runId, version });
  const run = writeMessage(wire.RunRequest, { runId });
  const questions: (() => void)[] = [
    () => control.publishFor(target, subjects.join(name), join),
    () => control.publishFor(target, subjects.runGet(name), run),
    () => bulk.publishFor(target, subjects.parameterGet(0, name), frame),
  ];
  draws.pick(questions)();
}

function say(setting: ForgerSetting, learnt: Learnt): void {
  const { pool, name, names, runIds, control, bulk, draws } = setting;
  const subjects = subjectsOf(pool);
  const identity = {
    workerId: draws.pick(names),
    runId: draws.pick(runIds),
    leaseId: draws.whole(0, 40),
    term: draws.pick([0, 1, 2 ** 50]),
    step: draws.whole(0, 12),
    attempt: draws.whole(0, 3),
  };
  const { frames } = learnt;
  const frame = frames.length === 0 ? noise(draws) : changed(draws.pick(frames), draws);
  const misdirects = (): void => misdirect(setting, learnt);
  const lies: (() => void)[] = [
    ...[misdirects, misdirects, misdirects, misdirects],
    () => void learn(setting, learnt),
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
