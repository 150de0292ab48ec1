/** Every NATS subject, built by a function. Tokens are `[a-z0-9-]{1,32}`; `pool` names the cluster of workers. */
import { ClusterError } from "./errors.js";

const TOKEN = /^[a-z0-9-]{1,32}$/;
const PREFIX = "saf.v1";

export function isToken(value: string): boolean {
  return TOKEN.test(value);
}

/** A worker so called would share a subject or an inbox with somebody else. */
export const RESERVED_NAMES: readonly string[] = [
  ...["all", "join", "coordinator", "observer", "system", "guest", "registrar"],
];

/** May whoever hands in work be called so? "submitter", or with a name of its own behind a dash. */
export function isSubmitterName(value: string): boolean {
  return TOKEN.test(value) && /^submitter(-[a-z0-9-]+)?$/.test(value);
}

/** May a worker be called so? */
export function isWorkerName(value: string): boolean {
  return TOKEN.test(value) && !RESERVED_NAMES.includes(value) && !isSubmitterName(value);
}

/** In place of a worker's name: NATS puts the name in, from the credentials that were signed for it. */
export const OWN_NAME = "{{name()}}";

function token(value: string): string {
  if (!TOKEN.test(value) && value !== OWN_NAME) {
    throw new ClusterError(
      "usage",
      `Cannot build a subject from "${value}": expected 1 to 32 of a-z, 0-9 and -`,
    );
  }
  return value;
}

/** What a worker says ends with its name: who speaks, the server has checked, and only that worker is answered. */
export interface Subjects {
  /** Request: a worker joins, under its own name only. */
  join(worker: string): string;
  joinPattern: string;
  /** Coordinator to all workers. */
  all: string;
  /** Coordinator to one worker. */
  command(worker: string): string;
  commandPattern: string;
  heartbeat(worker: string): string;
  heartbeatPattern: string;
  /** A worker hands a lease back. */
  lease(worker: string): string;
  leasePattern: string;
  /** Chunks of a gradient sum. */
  gradient(shard: number, worker: string): string;
  gradientPattern(shard: number): string;
  /** Request: the end of a push. */
  push(worker: string): string;
  pushPattern: string;
  /** Broadcast of parameter chunks. */
  parameters(shard: number): string;
  parametersPattern: string;
  /** The same as bytes, for workers of other machines, where `parameters` carries references to shared memory. */
  parametersAsBytes(shard: number): string;
  parametersAsBytesPattern: string;
  /** Parameter chunks that a worker passes on to its mates: workers of one host that share memory among themselves. */
  mateParameters(relay: string): string;
  /** Chunks of a gradient sum that a worker gives a mate, which pushes them with its own. */
  mateGradient(porter: string, worker: string): string;
  mateGradientPattern(porter: string): string;
  /** Request: one chunk of a version. */
  parameterGet(shard: number, worker: string): string;
  parameterGetPattern(shard: number): string;
  /** Request: a run's description. */
  runGet(worker: string): string;
  runGetPattern: string;
  /** Request: a range of a data part. */
  data(worker: string): string;
  dataPattern: string;
  /** Request: the outcome of an evaluation task. */
  result(worker: string): string;
  resultPattern: string;
  event(kind: string): string;
  eventPattern: string;
  /** Request: a machine that has a token asks for names for its workers. */
  enrol: string;
  /** Request: a submitter hands in work, ends it, or has it go on. */
  submit(submitter: string): string;
  submitPattern: string;
  /** Request: a submitter or an observer asks what work there is, and how it goes. */
  queue(user: string): string;
  queuePattern: string;
}

export function subjectsOf(pool: string): Subjects {
  const base = `${PREFIX}.${token(pool)}`;
  return {
    join: (worker) => `${base}.ctl.join.${token(worker)}`,
    joinPattern: `${base}.ctl.join.*`,
    all: `${base}.ctl.all`,
    command: (worker) => `${base}.ctl.${token(worker)}`,
    commandPattern: `${base}.ctl.*`,
    heartbeat: (worker) => `${base}.hb.${token(worker)}`,
    heartbeatPattern: `${base}.hb.*`,
    lease: (worker) => `${base}.lease.${token(worker)}`,
    leasePattern: `${base}.lease.*`,
    gradient: (shard, worker) => `${base}.grad.${shard}.${token(worker)}`,
    gradientPattern: (shard) => `${base}.grad.${shard}.*`,
    push: (worker) => `${base}.push.${token(worker)}`,
    pushPattern: `${base}.push.*`,
    parameters: (shard) => `${base}.param.${shard}`,
    parametersPattern: `${base}.param.*`,
    parametersAsBytes: (shard) => `${base}.param.bytes.${shard}`,
    parametersAsBytesPattern: `${base}.param.bytes.*`,
    mateParameters: (relay) => `${base}.mates.param.${token(relay)}`,
    mateGradient: (porter, worker) => `${base}.mates.grad.${token(porter)}.${token(worker)}`,
    mateGradientPattern: (porter) => `${base}.mates.grad.${token(porter)}.*`,
    parameterGet: (shard, worker) => `${base}.param.get.${shard}.${token(worker)}`,
    parameterGetPattern: (shard) => `${base}.param.get.${shard}.*`,
    runGet: (worker) => `${base}.run.get.${token(worker)}`,
    runGetPattern: `${base}.run.get.*`,
    data: (worker) => `${base}.data.${token(worker)}`,
    dataPattern: `${base}.data.*`,
    result: (worker) => `${base}.result.${token(worker)}`,
    resultPattern: `${base}.result.*`,
    event: (kind) => `${base}.events.${token(kind)}`,
    eventPattern: `${base}.events.*`,
    enrol: `${base}.enrol.guest`,
    submit: (submitter) => `${base}.submit.${token(submitter)}`,
    submitPattern: `${base}.submit.*`,
    queue: (user) => `${base}.queue.${token(user)}`,
    queuePattern: `${base}.queue.*`,
  };
}

/** Publish and subscribe rights of one identity, as NATS subject patterns. */
export interface Permissions {
  publish: string[];
  subscribe: string[];
  /** A replier may answer the requests it received. */
  allowResponses: boolean;
}

/**
 * Inbox prefix of an identity: nobody else may read its answers. The name is a token of its own: nats-server before 2.10
 * puts names into templates only there.
 */
export function inboxPrefix(identity: string): string {
  return `_INBOX.${token(identity)}`;
}

/** Who speaks on a subject, and in whose inbox the answer belongs. */
export function speakerOf(subject: string): string {
  return subject.slice(subject.lastIndexOf(".") + 1);
}

/**
 * It hears everything of its pool and says what only a coordinator says; nothing in a worker's name. Of JetStream nobody
 * has a right: the truth is the run directory, and saf keeps no stream.
 */
export function coordinatorPermissions(pool: string): Permissions {
  const s = subjectsOf(pool);
  return {
    publish: [s.commandPattern, s.parametersPattern, s.parametersAsBytesPattern, s.eventPattern],
    subscribe: [`${PREFIX}.${token(pool)}.>`, `${inboxPrefix("coordinator")}.>`],
    allowResponses: true,
  };
}

/** A worker publishes only its own gradients, heartbeats and results, and reads only what is meant for it. */
export function workerPermissions(pool: string, worker: string): Permissions {
  const s = subjectsOf(pool);
  const base = `${PREFIX}.${token(pool)}`;
  return {
    publish: [
      s.join(worker),
      s.heartbeat(worker),
      s.lease(worker),
      `${base}.grad.*.${token(worker)}`,
      s.push(worker),
      s.mateParameters(worker),
      `${base}.mates.grad.*.${token(worker)}`,
      `${base}.param.get.*.${token(worker)}`,
      s.runGet(worker),
      s.data(worker),
      s.result(worker),
    ],
    subscribe: [
      ...[s.all, s.command(worker), s.parametersPattern, s.parametersAsBytesPattern],
      ...[`${base}.mates.param.*`, s.mateGradientPattern(worker)],
      `${inboxPrefix(worker)}.>`,
    ],
    allowResponses: false,
  };
}

/** Reads progress, and asks what work there is; changes nothing. */
export function observerPermissions(pool: string): Permissions {
  const s = subjectsOf(pool);
  return {
    publish: [s.queue("observer")],
    subscribe: [s.eventPattern, s.heartbeatPattern, `${inboxPrefix("observer")}.>`],
    allowResponses: false,
  };
}

/** Hands in work in its own name, and looks how it goes. */
export function submitterPermissions(pool: string, submitter: string): Permissions {
  const s = subjectsOf(pool);
  return {
    publish: [s.submit(submitter), s.queue(submitter)],
    subscribe: [s.eventPattern, `${inboxPrefix(submitter)}.>`],
    allowResponses: false,
  };
}

/** Who has a token: it asks the registrar for names, and does nothing else. */
export function guestPermissions(pool: string): Permissions {
  return {
    publish: [subjectsOf(pool).enrol],
    subscribe: [`${inboxPrefix("guest")}.>`],
    allowResponses: false,
  };
}

/**
 * Hears guests and answers them; says nothing by itself. Their inboxes by name: the server reads its users anew before the
 * answer, and then knows no more which request it had passed on.
 */
export function registrarPermissions(pool: string): Permissions {
  return {
    publish: [`${inboxPrefix("guest")}.>`],
    subscribe: [subjectsOf(pool).enrol, `${inboxPrefix("registrar")}.>`],
    allowResponses: false,
  };
}

/** What a process may be to NATS. Workers and submitters have names of their own, the others are called as their role. */
export const ROLES = ["coordinator", "worker", "observer", "submitter"] as const;
export type Role = (typeof ROLES)[number];

export function permissionsOf(role: Role, pool: string, name: string = OWN_NAME): Permissions {
  switch (role) {
    case "coordinator":
      return coordinatorPermissions(pool);
    case "observer":
      return observerPermissions(pool);
    case "submitter":
      return submitterPermissions(pool, name);
    case "worker":
      return workerPermissions(pool, name);
  }
}

/** May one of this role be called so? */
export function isNameOf(role: Role, name: string): boolean {
  if (role === "worker") return isWorkerName(name);
  return role === "submitter" ? isSubmitterName(name) : name === role;
}
