import assert from "node:assert/strict";
import { test } from "node:test";
import { FeaturesJob, checkedCounts } from "../../../coordinator/evaluation/features-job.js";
import { type FeatureCounts, HISTOGRAM_BINS, JOINT_BINS, featureTaps } from "../../../shared/features.js";
import type { saf } from "../../../shared/messages.js";
import { type Extent, extents } from "../../../shared/networks/network.js";
import { networkNamed } from "../../../shared/networks/registry.js";

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

function job(): { job: FeaturesJob; woken: () => number } {
  let woken = 0;
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
  return { job: new FeaturesJob(measured, () => woken++), woken: () => woken };
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
  const { job: features } = job();
  const work = features.next("worker-1");
  assert.ok(work);
  assert.equal(features.next("worker-1"), undefined, "there is one task only");
  const { task } = work.command({ leaseId: 1, term: 1, attempt: 1 });
  assert.deepEqual([task?.features, task?.version, task?.strengths ?? []], [true, 3, []]);
  const { reply, fate } = features.onResult(answer(work.key, JSON.stringify(counts())));
  assert.deepEqual([reply.accepted, fate], [true, "done"]);
  const document = await features.done;
  assert.deepEqual([document?.checkpoint, document?.seed, document?.images], ["c0ffee", 5, 2]);
  assert.equal(features.onResult(answer(work.key, "")).reply.accepted, false, "a second copy is dropped");
});

test("counts of a worker that was not leased the task do not count", () => {
  const { job: features } = job();
  const work = features.next("worker-1");
  assert.ok(work);
  const told = { ...answer(work.key, JSON.stringify(counts())), workerId: "worker-2" } as saf.v1.TaskResult;
  const { reply, fate } = features.onResult(told);
  assert.deepEqual([reply.reason, fate], ["this task was not leased to you", "failed"]);
});

test("a lost lease is given again", () => {
  const { job: features, woken } = job();
  const work = features.next("worker-1");
  assert.ok(work);
  features.giveBack(work);
  assert.equal(woken(), 1);
  assert.equal(features.next("worker-1")?.attempt, 2);
});

test("counts that do not fit the network are refused, and after three answers the job gives up", async () => {
  const { job: features } = job();
  const key = features.next("worker-1")?.key ?? "";
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
  for (let i = 0; i < 3; i++) assert.equal(features.onResult(answer(key, "{}")).fate, "failed");
  assert.equal(await features.done, undefined);
});

test("a stopped job ends at once without a document", async () => {
  const { job: features } = job();
  features.stop();
  assert.equal(await features.done, undefined);
  assert.equal(features.next("worker-1"), undefined);
});
