/** What a worker's credential can be used for, one attempt after another. docs/security.md has the same list. */
import { randomBytes } from "node:crypto";
import { CHUNK_BYTES, HEADER_BYTES, type ChunkHeader } from "../../shared/core/chunk.js";
import { TAIL } from "../../shared/core/layout.js";
import { readMessage, type saf, wire, writeMessage } from "../../shared/messages.js";
import { inboxPrefix } from "../../shared/subjects.js";
import { blockValues } from "../support/hand-worker.js";
import type { AttemptName } from "./attempt-names.js";
import type { Attacker } from "./attacker.js";
import { passed } from "./pools.js";

export interface Attempt {
  /** It joins the pool first, as a worker like the others. */
  joins?: boolean;
  /** With the credential of a worker that works, and not with one of its own. */
  poses?: boolean;
  /** Says what came back. */
  act(attacker: Attacker): Promise<string>;
}

const HUGE = 2 ** 52;
const MEBIBYTE = 2 ** 20;
const WATCH_MS = 2000;

const { Status } = wire.PushReply;
const statusWords = (status: saf.v1.PushReply.Status): string => Status[status].toLowerCase();

/** Counts words. */
function tally(words: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  return [...counts].map(([word, count]) => `${count} x ${word}`).join(", ");
}

const wordOf = (answer: Uint8Array | string, read: (bytes: Uint8Array) => string | undefined): string =>
  typeof answer === "string" ? answer : (read(answer) ?? "unreadable");

const dataWord = (answer: Uint8Array | string): string =>
  wordOf(answer, (bytes) => {
    const range = readMessage(wire.DataRange, bytes);
    return range?.error?.message ? "refused" : `${range?.body.byteLength} bytes`;
  });

const pushWord = (answer: Uint8Array | string): string =>
  wordOf(answer, (bytes) => {
    const reply = readMessage(wire.PushReply, bytes);
    return reply === undefined ? undefined : statusWords(reply.status);
  });

/** Subjects on which only its own name may be heard, or nobody's but the coordinator's. */
function foreignSubjects({ subjects: s, victim }: Attacker): string[] {
  return [
    ...[s.command(victim), s.all, s.parameters(0), s.parametersAsBytes(0), s.event("progress")],
    ...[s.gradient(0, victim), s.heartbeat(victim), s.lease(victim), s.push(victim), s.result(victim)],
    ...[s.join(victim), s.data(victim), s.runGet(victim), s.parameterGet(0, victim)],
    ...[
      `${inboxPrefix(victim)}.x`,
      `${inboxPrefix("coordinator")}.x`,
      "$JS.API.INFO",
      "$SYS.REQ.SERVER.PING",
    ],
  ];
}

/** What it may say. */
function ownSubjects({ subjects: s, id }: Attacker): string[] {
  return [
    ...[s.join(id), s.heartbeat(id), s.lease(id), s.gradient(0, id), s.push(id)],
    ...[s.parameterGet(0, id), s.runGet(id), s.data(id), s.result(id)],
  ];
}

/** Does it with lease after lease, for a while. Returns how many there were. */
async function eachLease(
  attacker: Attacker,
  use: (lease: saf.v1.BlockLease) => Promise<void> | void,
  most = Infinity,
): Promise<number> {
  const until = performance.now() + WATCH_MS;
  let count = 0;
  while (performance.now() < until && count < most) {
    const lease = await attacker.lease();
    if (lease === undefined) break;
    await use(lease);
    count++;
  }
  return count;
}

const truth = ({ known }: Attacker, { step, firstSlot, slotCount }: saf.v1.BlockLease): Float32Array =>
  blockValues(known.run, step, firstSlot, slotCount);

/** A push of whose values something is wrong; only the chunk with it is sent. */
async function badValues(
  attacker: Attacker,
  spoil: (values: Float32Array, tail: number) => void,
): Promise<string> {
  const { hand, known } = attacker;
  const words: string[] = [];
  const leases = await eachLease(attacker, async (lease) => {
    const values = truth(attacker, lease);
    spoil(values, known.run.layout.size);
    hand.send(hand.frames(lease, values).slice(-1));
    words.push(statusWords((await hand.end(lease)).status));
  });
  return `${leases} leases: ${tally(words)}`;
}

const WRONG_HEADERS: ((lease: saf.v1.BlockLease) => Partial<ChunkHeader>)[] = [
  () => ({ shard: 1 }),
  () => ({ shard: 2 ** 31 }),
  ({ step }) => ({ step: step + 1 }),
  () => ({ step: 2 ** 32 - 1 }),
  () => ({ node: 2 ** 31 }),
  () => ({ node: 0 }),
  () => ({ term: HUGE }),
  () => ({ term: 1 }),
  () => ({ runHash: "0123456789abcdef" }),
  () => ({ kind: "state" }),
  () => ({ kind: "parameters" }),
  () => ({ totalBytes: 2 ** 32 - 4 }),
  () => ({ totalBytes: 4 }),
  () => ({ chunk: 2 ** 31, chunkCount: 2 ** 32 - 1 }),
  () => ({ offset: 2 ** 31 }),
  () => ({ chunkCount: 0 }),
];

async function forgedFrames(attacker: Attacker): Promise<string> {
  const { hand, id, subjects } = attacker;
  let frames = 0;
  const words: string[] = [];
  const leases = await eachLease(
    attacker,
    async (lease) => {
      const values = truth(attacker, lease).fill(1);
      for (const wrong of WRONG_HEADERS) {
        const forged = hand.frames(lease, values, wrong(lease));
        hand.send(forged);
        frames += forged.length;
      }
      for (const frame of hand.frames(lease, values)) {
        frame[HEADER_BYTES + 1] = (frame[HEADER_BYTES + 1] ?? 0) ^ 1;
        attacker.say(subjects.gradient(0, id), frame);
        attacker.say(subjects.gradient(0, id), frame.subarray(0, frame.byteLength - 4));
        frames += 2;
      }
      await attacker.flush();
      words.push(statusWords((await hand.end(lease)).status));
      attacker.giveBack(lease.leaseId);
    },
    3,
  );
  return `${frames} frames for ${leases} leases, then ${tally(words)}`;
}

/** Of every block but its own. */
async function othersBlocks(attacker: Attacker): Promise<string> {
  const { hand, known } = attacker;
  const { slots } = known.run.plan;
  const words: string[] = [];
  const leases = await eachLease(
    attacker,
    async (lease) => {
      for (let firstSlot = 0; firstSlot < slots; firstSlot++) {
        if (firstSlot >= lease.firstSlot && firstSlot < lease.firstSlot + lease.slotCount) continue;
        const other = { ...lease, firstSlot, slotCount: 1 } as saf.v1.BlockLease;
        hand.send(hand.frames(other, truth(attacker, other).fill(1)));
        words.push(statusWords((await hand.end(other)).status));
      }
      attacker.giveBack(lease.leaseId);
    },
    4,
  );
  return `${leases} leases: ${tally(words)}`;
}

const ABSURD_SECONDS = [NaN, -1, -1e300, 1e300, Infinity, 0, 1e9];

/** For steps that are over: nobody must have been leased anything for that answer. */
async function absurdTimes(attacker: Attacker): Promise<string> {
  const { hand, known, id, subjects } = attacker;
  const words: string[] = [];
  for (let i = 0; i < 20 * ABSURD_SECONDS.length; i++) {
    const seconds = ABSURD_SECONDS[i % ABSURD_SECONDS.length] ?? 0;
    const end = {
      ...{ workerId: id, runId: known.run.runId, term: hand.term, step: 1, node: 1, attempt: 1 },
      ...{ leaseId: i, chunkCount: 1, computeSeconds: seconds, waitSeconds: seconds },
    };
    words.push(pushWord(await attacker.ask(subjects.push(id), writeMessage(wire.PushEnd, end))));
  }
  await passed(WATCH_MS);
  return tally(words);
}

async function foreignResults(attacker: Attacker): Promise<string> {
  const { hand, known, id, subjects } = attacker;
  const words: string[] = [];
  for (const bytes of [0, 1000, MEBIBYTE]) {
    const outcome = { strength: NaN, predictions: randomBytes(bytes), confidences: randomBytes(bytes >> 2) };
    for (const term of [hand.term, HUGE, NaN]) {
      const result = {
        ...{ workerId: id, leaseId: 1, term, runId: known.run.runId, taskId: "0123456789abcdef" },
        ...{ attempt: 1, outcomes: [outcome], computeSeconds: NaN },
      };
      const answer = await attacker.ask(subjects.result(id), writeMessage(wire.TaskResult, result));
      words.push(
        wordOf(answer, (reply) => (readMessage(wire.TaskReply, reply)?.accepted ? "taken" : "refused")),
      );
    }
  }
  return tally(words);
}

/** In its own name as well, where it means nothing good. */
async function oddHeartbeats(attacker: Attacker): Promise<string> {
  const { hand } = attacker;
  const odd: saf.v1.Heartbeat.$Properties[] = [
    { term: HUGE },
    { term: NaN },
    { term: -1 },
    { incarnation: HUGE },
    { incarnation: NaN },
    { leaseId: HUGE },
    { leaseId: NaN },
    { leaseId: -1 },
    { rssBytes: NaN, busySeconds: -1e300 },
    { rssBytes: 1e300 },
  ];
  let beats = 0;
  const leases = await eachLease(attacker, async (lease) => {
    const { leaseId } = lease;
    for (const says of odd) hand.beat(says);
    for (const steps of [0, 1, 2 ** 32 - 1])
      hand.beat({ leaseId, leaseTerm: hand.term, progress: { steps, loss: NaN, accuracy: -Infinity } });
    beats += odd.length + 3;
    await passed(100);
    attacker.giveBack(leaseId);
  });
  return `${beats} heartbeats, ${leases} leases; no answer`;
}

async function inOthersNames(attacker: Attacker): Promise<string> {
  const { known, id, subjects, hand } = attacker;
  await attacker.flood(300, (i) => {
    const workerId = known.others[i % known.others.length] ?? "";
    const says = { workerId, incarnation: Date.now(), term: hand.term, leaseId: i };
    attacker.say(subjects.heartbeat(id), writeMessage(wire.Heartbeat, says));
    const back = { ...says, reason: "made up", leaving: i % 2 === 0, failed: i % 3 === 0 };
    attacker.say(subjects.lease(id), writeMessage(wire.LeaseReturn, back));
  });
  return "600 messages; no answer";
}

/** The name of a part, where from and how much. */
async function boundlessData(attacker: Attacker): Promise<string> {
  const { known, id, subjects } = attacker;
  const questions: saf.v1.DataRequest.$Properties[] = [
    { sha256: known.part, offset: 0, length: MEBIBYTE },
    { sha256: known.part, offset: 0, length: 2 ** 32 - 1 },
    { sha256: known.part, offset: 2 ** 32 - 1, length: MEBIBYTE },
    { sha256: known.part, offset: 2 ** 32 - 1, length: 2 ** 32 - 1 },
    { sha256: "0".repeat(64), offset: 0, length: 1 },
    { sha256: "../../../../etc/passwd", offset: 0, length: 100 },
    { sha256: "x".repeat(100_000), offset: 0, length: 100 },
  ];
  const words: string[] = [];
  for (const question of questions)
    words.push(dataWord(await attacker.ask(subjects.data(id), writeMessage(wire.DataRequest, question))));
  return tally(words);
}

const dataFlood =
  (count: number) =>
  async (attacker: Attacker): Promise<string> => {
    const { known, id, subjects } = attacker;
    const inbox = attacker.inbox();
    const question = writeMessage(wire.DataRequest, { sha256: known.part, offset: 0, length: MEBIBYTE });
    await attacker.flood(count, (i) => attacker.say(subjects.data(id), question, `${inbox}.${i}`));
    return `${await attacker.answers()} answers of 1 MiB`;
  };

async function otherQuestions(attacker: Attacker): Promise<string> {
  const { known, id, subjects } = attacker;
  const inbox = attacker.inbox();
  const { runId } = known.run;
  const run = writeMessage(wire.RunRequest, { runId });
  await attacker.flood(10_000, (i) => {
    attacker.say(subjects.runGet(id), run, `${inbox}.r${i}`);
    const chunk = writeMessage(wire.ParamRequest, { runId, version: i, chunk: i % 9, velocity: i % 2 === 1 });
    attacker.say(subjects.parameterGet(0, id), chunk, `${inbox}.p${i}`);
  });
  return `${await attacker.answers()} answers`;
}

/** Each time as another process; NATS lets the coordinator answer once into one place. */
async function joinFlood(attacker: Attacker): Promise<string> {
  const { known, id, subjects } = attacker;
  const inbox = attacker.inbox();
  await attacker.flood(20_000, (i) => {
    const join = { ...known.hello, workerId: id, incarnation: Date.now() + i, pid: i };
    attacker.say(subjects.join(id), writeMessage(wire.JoinRequest, join), `${inbox}.one`);
  });
  const answers = await attacker.answers();
  await attacker.leave();
  return `${answers} answers`;
}

/** Of a step that is over, and of one that is in work some time. */
async function pushFlood(attacker: Attacker): Promise<string> {
  const { known, id, subjects, hand } = attacker;
  const inbox = attacker.inbox();
  await attacker.flood(20_000, (i) => {
    const end = { workerId: id, runId: known.run.runId, term: hand.term, step: i, node: i % 8, leaseId: i };
    attacker.say(subjects.push(id), writeMessage(wire.PushEnd, end), `${inbox}.${i}`);
  });
  return `${await attacker.answers()} answers`;
}

async function heartbeatFlood(attacker: Attacker): Promise<string> {
  const { id, subjects, hand } = attacker;
  await attacker.flood(20_000, (i) => {
    const says = { ...attacker.self, term: hand.term, leaseId: i };
    attacker.say(subjects.heartbeat(id), writeMessage(wire.Heartbeat, says));
  });
  return "no answer";
}

async function chunkFlood(attacker: Attacker): Promise<string> {
  const { known, id, subjects, hand } = attacker;
  const { layout } = known.run;
  const values = new Float32Array(layout.pushSize).fill(1);
  const lease = { term: hand.term, step: 2 ** 31, firstSlot: 0, slotCount: 1, attempt: 1 };
  const [frame = new Uint8Array()] = hand.frames(lease, values);
  for (let i = 0; i < 2000; i++) {
    attacker.say(subjects.gradient(0, id), frame);
    if (i % 50 === 49) await attacker.flush();
  }
  return `${frame.byteLength} bytes each; no answer`;
}

async function shortFrames(attacker: Attacker): Promise<string> {
  const { id, subjects } = attacker;
  await attacker.flood(5000, (i) =>
    attacker.say(subjects.gradient(0, id), randomBytes(i % (HEADER_BYTES + 8))),
  );
  return "5000 frames; no answer";
}

async function noise(attacker: Attacker): Promise<string> {
  const own = ownSubjects(attacker);
  const inbox = attacker.inbox();
  for (let round = 0; round < 5; round++)
    for (const subject of own) {
      attacker.say(subject, randomBytes(2 * MEBIBYTE - 1024), `${inbox}.${subject}`);
      await attacker.flush();
    }
  return `${5 * own.length} messages, ${await attacker.answers()} answers`;
}

/** As those that travel where processes share memory: a magic number, a length, a place, the name of a file. */
async function forgedReferences(attacker: Attacker): Promise<string> {
  const { id, subjects, victim } = attacker;
  const names = ["../../etc/passwd", "owner.json", `${victim}-00000000`, "coordinator-00000000", "a"];
  const places = [0, 4, 2 ** 40, -4, NaN, 1.5];
  let count = 0;
  for (const magic of ["SAFR", "SAFM"])
    for (const name of names)
      for (const place of places)
        for (const length of [0, 64, CHUNK_BYTES, 2 ** 32 - 1]) {
          const text = Buffer.from(name);
          const reference = Buffer.alloc(16 + text.byteLength);
          reference.write(magic);
          reference.writeUInt32LE(length, 4);
          reference.writeDoubleLE(place, 8);
          text.copy(reference, 16);
          attacker.say(subjects.gradient(0, id), reference);
          count++;
        }
  await attacker.flush();
  return `${count} references; no answer`;
}

async function answersToOthers(attacker: Attacker): Promise<string> {
  const { known, id, subjects, self } = attacker;
  const questions = [
    [subjects.join(id), writeMessage(wire.JoinRequest, { ...known.hello, ...self, protocol: 0 })],
    [subjects.runGet(id), writeMessage(wire.RunRequest, { runId: known.run.runId })],
    [subjects.data(id), writeMessage(wire.DataRequest, { sha256: known.part, offset: 0, length: 1000 })],
    [subjects.push(id), writeMessage(wire.PushEnd, { workerId: id, runId: known.run.runId })],
  ] as const;
  const places = foreignSubjects(attacker);
  for (const place of places)
    for (const [subject, question] of questions) attacker.say(subject, question, place);
  await attacker.flush();
  return `${places.length * questions.length} questions; no answer`;
}

async function joinsAsAnother(attacker: Attacker): Promise<string> {
  const { known, id, subjects } = attacker;
  const words: string[] = [];
  for (const workerId of [...known.others, "coordinator", "all", "x".repeat(100_000), ""]) {
    const join = { ...known.hello, workerId, incarnation: HUGE };
    const answer = await attacker.ask(subjects.join(id), writeMessage(wire.JoinRequest, join));
    words.push(
      wordOf(answer, (bytes) => (readMessage(wire.JoinReply, bytes)?.accepted ? "taken" : "refused")),
    );
  }
  return tally(words);
}

async function foreignPublishing(attacker: Attacker): Promise<string> {
  const places = foreignSubjects(attacker);
  const announce = writeMessage(wire.Announce, { term: HUGE });
  for (const place of places) attacker.say(place, announce);
  for (const pattern of [...places, "saf.v1.>", ">", "_INBOX.>"]) {
    const isOurs = [attacker.subjects.all, attacker.subjects.parameters(0)].includes(pattern);
    if (!isOurs) attacker.hear(pattern);
  }
  await attacker.flush();
  await passed(200);
  return `NATS refused ${attacker.forbidden} of them`;
}

async function forbiddenFlood(attacker: Attacker): Promise<string> {
  const { subjects, victim } = attacker;
  const data = new Uint8Array(64);
  await attacker.flood(100_000, (i) =>
    attacker.say(i % 2 === 0 ? subjects.command(victim) : subjects.gradient(0, victim), data),
  );
  return `NATS refused ${attacker.forbidden}`;
}

async function holdsForEver(attacker: Attacker): Promise<string> {
  const lease = await attacker.lease();
  await passed(3 * WATCH_MS);
  return lease === undefined ? "no lease" : "one lease";
}

/** What was known of its failures is to be forgotten with it. */
async function leavesAndComesBack(attacker: Attacker): Promise<string> {
  let leases = 0;
  for (let i = 0; i < 3; i++) {
    if ((await attacker.lease()) !== undefined) leases++;
    await passed(WATCH_MS + 500);
    await attacker.leave();
    attacker.leaseId = 0;
    attacker.hand.incarnation++;
    await attacker.join();
  }
  return `${leases} leases`;
}

const givesBack =
  (failed: boolean) =>
  async (attacker: Attacker): Promise<string> => {
    const leases = await eachLease(attacker, ({ leaseId }) => attacker.giveBack(leaseId, { failed }));
    return `${leases} leases`;
  };

/** The true one is asked to join again, and is refused while this one beats. */
async function takesItsPlace(attacker: Attacker): Promise<string> {
  attacker.hand.incarnation = HUGE;
  const word = await attacker.join();
  await passed(WATCH_MS);
  await attacker.leave();
  return word;
}

export const ATTEMPTS: Record<AttemptName, Attempt> = {
  "answers wanted in others' subjects and inboxes": { act: answersToOthers },
  "joining in another's name": { act: joinsAsAnother },
  "publishing and listening where it may not": { act: foreignPublishing },
  "heartbeats, leaving, lease returns in another's name": { joins: true, act: inOthersNames },
  "heartbeats of huge terms, processes, leases and progress": { joins: true, act: oddHeartbeats },
  "gradient chunks with forged headers, sizes, checksums": { joins: true, act: forgedFrames },
  "gradients of blocks that others hold": { joins: true, act: othersBlocks },
  "gradients that are not finite": {
    joins: true,
    act: (attacker) => badValues(attacker, (values, tail) => (values[tail + TAIL.loss] = NaN)),
  },
  "gradients with wrong counts of images": {
    joins: true,
    act: (attacker) => badValues(attacker, (values, tail) => (values[tail + TAIL.samples] = 1e6)),
  },
  "ends of pushes with absurd times": { act: absurdTimes },
  "results of tasks that it was not leased": { act: foreignResults },
  "references into shared memory that are made up": { act: forgedReferences },
  "a lease held for ever, the heart beating": { joins: true, act: holdsForEver },
  "leases held until late, leaving, joining again": { joins: true, act: leavesAndComesBack },
  "every lease given back at once": { joins: true, act: givesBack(false) },
  "every lease given back as failed": { joins: true, act: givesBack(true) },
  "data asked for beyond all bounds": { act: boundlessData },
  "3,000 requests for 1 MiB of data": { act: dataFlood(3000) },
  "20,000 requests for 1 MiB of data": { act: dataFlood(20_000) },
  "20,000 requests for parameters and the run": { act: otherQuestions },
  "20,000 requests to join, all answers to one place": { act: joinFlood },
  "20,000 heartbeats": { joins: true, act: heartbeatFlood },
  "20,000 ends of pushes": { joins: true, act: pushFlood },
  "100,000 forbidden messages": { act: forbiddenFlood },
  "2,000 whole chunks of a block that it was not leased": { act: chunkFlood },
  "5,000 frames shorter than a header": { act: shortFrames },
  "2 MiB of noise on each of its subjects": { act: noise },
  "taking the place of the worker whose credential it is": { poses: true, act: takesItsPlace },
};
