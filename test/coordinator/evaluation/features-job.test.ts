import assert from "node:assert/strict";
import { test } from "node:test";
import { FeaturesJob, checkedCounts } from "../../../coordinator/evaluation/features-job.js";
import { type FeatureCounts, HISTOGRAM_BINS, JOINT_BINS, featureTaps } from "../../../shared/features.js";
import type { saf } from "../../../shared/messages.js";
import { type Extent, extents } from "../../../shared/networks/network.js";
import { networkNamed } from "../../../shared/networks/registry.js";
import { BookDesk } from "../../support/book-desk.js";

const NETWORK = networkNamed("mnist", "mrelu");

/** What a worker would send: every value in the first bin. */
function counts(): FeatureCounts {
  const images = 2;
  const sizes = extents(NETWORK);
  const full = (value: number, length: number): number[] => [value, ...new Array<number>(length - 1).fill(0)];
  return {
    images,
    places: featureTaps(NETWORK).map(({ layer, activation, depth }) => {
      const { height, width, channels } = sizes[depth] as Extent;
      const units = height * width * channels;
      const all = full(images * units, HISTOGRAM_BINS);
      const joint = full(images * height * width, JOINT_BINS * JOINT_BINS);
      return {
        layer,
        activation,
        units,
        channels,
        suppressed: { clean: 0.25, nonsense: 0.5 },
        all: { low: -1, high: 1, clean: all, nonsense: all },
        single: [],
        pairs: [{ channels: [0, 1], low: [-1, -1], high: [1, 1], clean: joint, nonsense: joint }],
      };
    }),
  };
}

/** A job that the given workers could serve. */
function job(...workers: string[]): { features: FeaturesJob; desk: BookDesk } {
  const desk = new BookDesk();
  const measured = {
    runId: "run",
    spec: {},
    term: 1,
    version: 3,
    parameters: new Float32Array(8),
    checkpoint: "c0ffee",
    seed: 5,
    network: NETWORK,
  };
  const features = new FeaturesJob(measured, desk.desk);
  desk.add(features);
  for (const worker of workers) desk.join(worker);
  return { features, desk };
}

const answer = (taskId: string, featuresJson: string): saf.v1.TaskResult =>
  ({
    workerId: "worker-1",
    taskId,
    featuresJson,
    outcomes: [],
    samples: [],
    computeSeconds: 1,
  }) as unknown as saf.v1.TaskResult;

test("one worker gets the task, and its counts become the document", async () => {
  const { features, desk } = job("worker-1", "worker-2");
  assert.equal(desk.leases.length, 1, "there is one task only");
  const [lease] = desk.leases;
  assert.ok(lease);
  const { task } = lease.command;
  assert.deepEqual([task?.features, task?.version, task?.strengths ?? []], [true, 3, []]);
  const verdict = features.onResult(answer(lease.unit.id, JSON.stringify(counts())));
  assert.deepEqual([verdict.reply.accepted, verdict.completed?.unitId], [true, lease.unit.id]);
  desk.conclude(features, "worker-1", verdict);
  const document = await features.done;
  assert.deepEqual([document?.checkpoint, document?.seed, document?.images], ["c0ffee", 5, 2]);
  assert.equal(
    features.onResult(answer(lease.unit.id, "")).reply.accepted,
    false,
    "a second copy is dropped",
  );
});

test("counts of a worker that was not leased the task do not count", () => {
  const { features, desk } = job("worker-1");
  const [lease] = desk.leases;
  assert.ok(lease);
  const told = {
    ...answer(lease.unit.id, JSON.stringify(counts())),
    workerId: "worker-2",
  } as saf.v1.TaskResult;
  const { reply, settled } = features.onResult(told);
  assert.deepEqual([reply.reason, settled?.outcome], ["this task was not leased to you", "refused"]);
});

test("a lost lease is given again", () => {
  const { desk } = job("worker-1");
  const [lease] = desk.leases;
  assert.ok(lease);
  const { leaseId } = lease;
  desk.take({
    kind: "returned",
    worker: "worker-1",
    incarnation: 9,
    leaseId,
    reason: "by hand",
    hasFailed: false,
  });
  assert.deepEqual(
    desk.leases.map(({ attempt }) => attempt),
    [1, 2],
  );
});

test("counts that do not fit the network are refused, and after three answers the job gives up", async () => {
  const { features, desk } = job("worker-1");
  const key = desk.leases[0]?.unit.id ?? "";
  const whole = counts();
  const [first] = whole.places;
  assert.ok(first);
  const spoiled: unknown[] = [
    { ...whole, places: whole.places.slice(1) },
    { ...whole, images: 3 },
    { ...whole, places: [{ ...first, activation: "rbf" }, ...whole.places.slice(1)] },
    { ...whole, extra: 1 },
    { ...whole, places: [{ ...first, all: { ...first.all, clean: [1] } }, ...whole.places.slice(1)] },
  ];
  for (const document of spoiled) assert.equal(checkedCounts(JSON.stringify(document), NETWORK), undefined);
  assert.equal(checkedCounts("{", NETWORK), undefined);
  assert.ok(checkedCounts(JSON.stringify(whole), NETWORK));
  for (let i = 0; i < 3; i++) {
    assert.equal(desk.leases.length, i + 1);
    const verdict = features.onResult(answer(key, "{}"));
    assert.equal(verdict.settled?.outcome, "refused");
    desk.conclude(features, "worker-1", verdict);
  }
  assert.equal(await features.done, undefined);
  assert.equal(desk.leases.length, 3);
});

test("a stopped job ends at once without a document", async () => {
  const { features, desk } = job();
  features.stop();
  assert.equal(await features.done, undefined);
  desk.join("worker-1");
  assert.deepEqual(desk.leases, []);
});
