import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { subjectMatches } from "../../shared/core/subject-match.js";
import { ClusterError } from "../../shared/errors.js";
import {
  coordinatorPermissions,
  inboxPrefix,
  isToken,
  isSubmitterName,
  isWorkerName,
  observerPermissions,
  submitterPermissions,
  type Subjects,
  subjectsOf,
  workerPermissions,
} from "../../shared/subjects.js";

const s = subjectsOf("pool");
const isAllowed = (patterns: readonly string[], subject: string): boolean =>
  patterns.some((pattern) => subjectMatches(pattern, subject));

/** Every subject that a worker of this name speaks on. */
const ofWorker = (worker: string): string[] => [
  s.heartbeat(worker),
  s.lease(worker),
  s.gradient(0, worker),
  s.push(worker),
  s.result(worker),
  s.parameterGet(0, worker),
  s.runGet(worker),
  s.data(worker),
];

test("tokens are 1 to 32 of a-z, 0-9 and -; anything else builds no subject", () => {
  for (const good of ["a", "w-0", "0".repeat(32)]) assert.ok(isToken(good));
  const bad = ["", "a.b", "a b", "*", ">", "A", "ü", "a\n", "\na", "0".repeat(33)];
  for (const name of bad) {
    assert.ok(!isToken(name), name);
    const builders: (() => unknown)[] = [
      () => subjectsOf(name),
      () => s.command(name),
      () => ofWorker(name),
      () => s.event(name),
      () => inboxPrefix(name),
      () => workerPermissions("pool", name),
      () => workerPermissions(name, "w"),
      () => coordinatorPermissions(name),
      () => observerPermissions(name),
    ];
    for (const build of builders) {
      assert.throws(build, (error) => error instanceof ClusterError && error.code === "usage");
    }
  }
});

test("every pattern matches the subjects it is for, and no other kind", () => {
  const kinds: Record<string, { pattern: string; subjects: string[] }> = {
    heartbeat: { pattern: s.heartbeatPattern, subjects: [s.heartbeat("w")] },
    lease: { pattern: s.leasePattern, subjects: [s.lease("w")] },
    gradient: { pattern: s.gradientPattern(3), subjects: [s.gradient(3, "w")] },
    "other shard": { pattern: s.gradientPattern(4), subjects: [s.gradient(4, "w")] },
    push: { pattern: s.pushPattern, subjects: [s.push("w")] },
    parameters: { pattern: s.parametersPattern, subjects: [s.parameters(0), s.parameters(12)] },
    "parameters as bytes": { pattern: s.parametersAsBytesPattern, subjects: [s.parametersAsBytes(0)] },
    "a mate's gradient": { pattern: s.mateGradientPattern("p"), subjects: [s.mateGradient("p", "w")] },
    "parameter get": { pattern: s.parameterGetPattern(0), subjects: [s.parameterGet(0, "w")] },
    result: { pattern: s.resultPattern, subjects: [s.result("w")] },
    event: { pattern: s.eventPattern, subjects: [s.event("step")] },
    command: { pattern: s.commandPattern, subjects: [s.command("w")] },
    run: { pattern: s.runGetPattern, subjects: [s.runGet("w")] },
    data: { pattern: s.dataPattern, subjects: [s.data("w")] },
    submit: { pattern: s.submitPattern, subjects: [s.submit("submitter")] },
    queue: { pattern: s.queuePattern, subjects: [s.queue("observer")] },
  };
  for (const [name, { pattern }] of Object.entries(kinds)) {
    for (const [other, { subjects }] of Object.entries(kinds)) {
      for (const subject of subjects) {
        assert.equal(subjectMatches(pattern, subject), name === other, `${name}: ${pattern} ~ ${subject}`);
      }
    }
  }
});

test("a worker may publish what it owns, and nothing of another worker, the coordinator or another pool", () => {
  const name = fc.stringMatching(/^[a-z0-9-]{1,32}$/);
  fc.assert(
    fc.property(name, name, (worker, other) => {
      fc.pre(worker !== other);
      const { publish, allowResponses } = workerPermissions("pool", worker);
      for (const subject of [...ofWorker(worker), s.join(worker)]) {
        assert.ok(isAllowed(publish, subject), subject);
      }
      const forbidden = [
        ...ofWorker(other),
        s.all,
        s.command(other),
        s.parameters(0),
        s.event("step"),
        `${inboxPrefix(other)}.x`,
        s.join(other),
        subjectsOf("elsewhere").join(worker),
        subjectsOf("elsewhere").push(worker),
      ];
      for (const subject of forbidden) assert.ok(!isAllowed(publish, subject), subject);
      assert.equal(allowResponses, false);
    }),
  );
});

test("a worker hears only what is meant for it", () => {
  const { subscribe } = workerPermissions("pool", "w1");
  for (const subject of [s.all, s.command("w1"), s.parameters(0), `${inboxPrefix("w1")}.a.b`]) {
    assert.ok(isAllowed(subscribe, subject), subject);
  }
  const forbidden = [
    s.command("w10"),
    ...ofWorker("w1"),
    ...ofWorker("w2"),
    s.join("w1"),
    `${inboxPrefix("w10")}.a`,
    `${inboxPrefix("coordinator")}.a`,
  ];
  for (const subject of forbidden) assert.ok(!isAllowed(subscribe, subject), subject);
});

test("the coordinator hears everything in its pool, and says nothing in a worker's name and nothing outside", () => {
  const { publish, subscribe } = coordinatorPermissions("pool");
  const own = [s.all, s.command("w1"), s.parameters(0), s.event("step")];
  for (const subject of own) assert.ok(isAllowed(publish, subject) && isAllowed(subscribe, subject), subject);
  for (const subject of [...ofWorker("w1"), s.join("w1")])
    assert.ok(!isAllowed(publish, subject) && isAllowed(subscribe, subject), subject);
  const elsewhere: Subjects = subjectsOf("pool2");
  assert.ok(!isAllowed([...publish, ...subscribe], elsewhere.join("w1")));
  assert.ok(!isAllowed([...publish, ...subscribe], elsewhere.command("w1")));
  for (const inbox of [`${inboxPrefix("w1")}.a`, "_INBOX.a"])
    assert.ok(!isAllowed([...publish, ...subscribe], inbox));
});

test("an observer asks what work there is, and publishes nothing else", () => {
  const { publish, subscribe, allowResponses } = observerPermissions("pool");
  assert.deepEqual([publish, allowResponses], [[s.queue("observer")], false]);
  assert.ok(isAllowed(subscribe, s.event("step")) && !isAllowed(subscribe, s.gradient(0, "w1")));
});

test("a submitter hands in work and asks in its own name only, and hears events and its own inbox", () => {
  const { publish, subscribe, allowResponses } = submitterPermissions("pool", "submitter-a");
  assert.deepEqual([publish, allowResponses], [[s.submit("submitter-a"), s.queue("submitter-a")], false]);
  assert.ok(isAllowed(subscribe, s.event("step")) && isAllowed(subscribe, `${inboxPrefix("submitter-a")}.x`));
  for (const other of [`${inboxPrefix("submitter")}.x`, s.heartbeat("w1"), s.submit("submitter-a")])
    assert.ok(!isAllowed(subscribe, other), other);
});

test("no name is both a worker's and a submitter's: they would share an inbox", () => {
  for (const name of ["submitter", "submitter-alice", "submitter-1"])
    assert.ok(isSubmitterName(name) && !isWorkerName(name), name);
  for (const name of ["submitters", "worker-1", "submit"])
    assert.ok(!isSubmitterName(name) && isWorkerName(name), name);
  for (const name of ["submitter-", "submitter.a", "coordinator", "observer"])
    assert.ok(!isSubmitterName(name), name);
});
