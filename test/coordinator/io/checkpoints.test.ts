import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdir, readFile, readdir, readlink, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { Checkpoints } from "../../../coordinator/io/checkpoints.js";
import type { TrainingState } from "../../../shared/records/checkpoint.js";
import { placeTensors } from "../../../shared/core/layout.js";
import { ClusterError } from "../../../shared/errors.js";
import { RandomStream } from "../../../shared/random.js";
import { killedWriter, NO_DISK, smallDisk } from "./storage-processes.js";
import { isStorageError, LAYOUT, stateOf, temporaryDirectory } from "./storage-support.js";
import { hashOf } from "../../../shared/io/hash.js";
import { type CheckpointState, tensorsOf, vectorOf } from "../../../shared/records/checkpoint.js";

const INFO = { model: "mrelu", identity: "abc", cleanAccuracy: null, best: false };
const never = (message: string): never => assert.fail(message);

const steps = async (directory: string): Promise<number[]> =>
  (await readdir(directory))
    .filter((name) => /^step-\d{8}$/.test(name))
    .map((name) => Number(name.slice(5)))
    .sort((a, b) => a - b);

function assertState(found: TrainingState, expected: TrainingState): void {
  assert.equal(found.step, expected.step);
  assert.deepEqual(found.parameters, expected.parameters);
  assert.deepEqual(found.velocity, expected.velocity);
}

async function refusal(reading: Promise<unknown>): Promise<ClusterError> {
  const error = await reading.then(
    () => assert.fail("the checkpoint was accepted"),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof ClusterError, String(error));
  return error;
}

test("what was written is read back: step, parameters, momentum, and what describes them", async (t) => {
  const directory = await temporaryDirectory(t);
  const checkpoints = new Checkpoints(directory, LAYOUT, 2);
  const { path } = await checkpoints.write(stateOf(7), { ...INFO, cleanAccuracy: 0.5 });
  assert.equal(path, join(directory, "step-00000007"));
  for (const name of ["step-00000007", "latest"]) {
    const { state, description } = await checkpoints.read(name);
    assertState(state, stateOf(7));
    assert.deepEqual(
      [description.step, description.model, description.identity, description.clean_accuracy],
      [7, "mrelu", "abc", 0.5],
    );
    assert.equal(description.weights_sha256, hashOf(stateOf(7).parameters));
    for (const [file, expected] of Object.entries(description.files_sha256)) {
      assert.equal(
        createHash("sha256")
          .update(await readFile(join(path, file)))
          .digest("hex"),
        expected,
      );
    }
  }
});

test("the hash of a part of an array is that of the part", () => {
  const values = Float32Array.of(1, 2, 3, 4);
  assert.equal(hashOf(values.subarray(1, 3)), hashOf(Float32Array.of(2, 3)));
  assert.equal(hashOf(new Uint8Array()), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
});

test("no checkpoint is no error", async (t) => {
  const directory = await temporaryDirectory(t);
  assert.equal(await new Checkpoints(directory, LAYOUT, 1).readLatest(never), undefined);
  assert.equal(await new Checkpoints(join(directory, "nowhere"), LAYOUT, 1).readLatest(never), undefined);
});

test("the newest are kept, and the best besides; latest and best point where they should", async (t) => {
  const directory = await temporaryDirectory(t);
  const checkpoints = new Checkpoints(directory, LAYOUT, 2);
  for (const step of [1, 2, 3, 10, 100]) {
    await checkpoints.write(stateOf(step), { ...INFO, cleanAccuracy: step / 100, best: step === 2 });
  }
  assert.deepEqual(await steps(directory), [2, 10, 100]);
  assert.equal(await readlink(join(directory, "latest")), "step-00000100");
  assert.equal(await readlink(join(directory, "best")), "step-00000002");
  assertState((await checkpoints.read("best")).state, stateOf(2));
  assert.equal((await checkpoints.readLatest(never))?.state.step, 100);

  await checkpoints.write(stateOf(101), { ...INFO, best: true });
  assert.deepEqual(await steps(directory), [100, 101]);
  assert.equal(await readlink(join(directory, "best")), "step-00000101");
});

test("a damaged newest checkpoint is passed over, and named with the checksum expected and found", async (t) => {
  const directory = await temporaryDirectory(t);
  const checkpoints = new Checkpoints(directory, LAYOUT, 3);
  for (const step of [1, 2, 3]) await checkpoints.write(stateOf(step), INFO);
  const damage = async (
    step: number,
    name: string,
  ): Promise<{ file: string; expected: string; found: string }> => {
    const folder = join(directory, `step-0000000${step}`);
    const file = join(folder, name);
    const bytes = await readFile(file);
    const { files_sha256: expected } = JSON.parse(
      await readFile(join(folder, "state.json"), "utf8"),
    ) as CheckpointState;
    bytes.writeUInt8(bytes.readUInt8(bytes.length - 5) ^ 1, bytes.length - 5);
    await writeFile(file, bytes);
    return { file, expected: expected[name] ?? "", found: hashOf(bytes) };
  };
  const damaged = [await damage(3, "model.safetensors"), await damage(2, "optimizer.safetensors")];

  const messages: string[] = [];
  const latest = await checkpoints.readLatest((message) => messages.push(message));
  assert.equal(latest?.state.step, 1);
  assert.equal(messages.length, 2);
  damaged.forEach(({ file, expected, found }, i) => {
    for (const part of [file, expected, found]) assert.ok(messages[i]?.includes(part), messages[i]);
  });
  assert.equal((await refusal(checkpoints.read("step-00000003"))).code, "data");
});

test("files that are missing, cut short or no description at all are refused by name", async (t) => {
  const directory = await temporaryDirectory(t);
  const checkpoints = new Checkpoints(directory, LAYOUT, 9);
  const file = join(directory, "step-00000001", "state.json");
  const spoil = async (change: () => Promise<unknown>): Promise<ClusterError> => {
    await checkpoints.write(stateOf(1), INFO);
    await change();
    const error = await refusal(checkpoints.read("step-00000001"));
    assert.equal(error.code, "data");
    assert.ok(error.message.includes("step-00000001"), error.message);
    await rm(join(directory, "step-00000001"), { recursive: true });
    return error;
  };
  const model = join(directory, "step-00000001", "model.safetensors");
  await spoil(() => rm(model));
  await spoil(() => truncate(model, 100));
  await spoil(() => truncate(model, 0));
  await spoil(() => rm(file));
  for (const text of [
    "",
    "{",
    "null",
    "7",
    "{}",
    '{"files_sha256":null}',
    '{"step":"1","files_sha256":{}}',
  ]) {
    await spoil(() => writeFile(file, text));
  }
  await refusal(checkpoints.read("step-00000009"));
});

test("a checkpoint of another network is refused with the tensor and both shapes", async (t) => {
  const directory = await temporaryDirectory(t);
  await new Checkpoints(directory, LAYOUT, 1).write(stateOf(1), INFO);
  const other = placeTensors(
    LAYOUT.tensors.map((tensor) => (tensor.name === "conv/bias" ? { ...tensor, shape: [4, 5] } : tensor)),
  );
  const error = await refusal(new Checkpoints(directory, other, 1).read("latest"));
  assert.equal(error.code, "shape-mismatch");
  assert.match(error.message, /"conv\/bias".*\[20\].*\[4, 5\]/);
});

test("a vector and its named tensors are each other's inverse; a missing tensor is named", () => {
  const { parameters } = stateOf(3);
  const tensors = tensorsOf(LAYOUT, parameters);
  assert.deepEqual(vectorOf(LAYOUT, [...tensors].reverse(), "it"), parameters);
  assert.throws(
    () => vectorOf(LAYOUT, tensors.slice(1), "the file"),
    (error) =>
      error instanceof ClusterError &&
      error.code === "shape-mismatch" &&
      /the file.*"conv\/weight".*\[3, 3, 20\]/.test(error.message),
  );
});

test("going back to an older checkpoint never costs the one just written, however few are kept", async (t) => {
  const directory = await temporaryDirectory(t);
  const checkpoints = new Checkpoints(directory, LAYOUT, 1);
  await checkpoints.write(stateOf(10), { ...INFO, best: true });
  await checkpoints.write(stateOf(20), INFO);
  await truncate(join(directory, "step-00000020", "model.safetensors"), 50);
  assert.equal((await checkpoints.readLatest(() => undefined))?.state.step, 10);
  // Trained on from 10, stopped at 17: the damaged 20 is still there.
  await checkpoints.write(stateOf(17), INFO);
  assert.equal((await checkpoints.readLatest(() => undefined))?.state.step, 17);
  assertState((await checkpoints.read("latest")).state, stateOf(17));
});

test("writing the same step again keeps its accuracy where the new writing has none", async (t) => {
  const directory = await temporaryDirectory(t);
  const checkpoints = new Checkpoints(directory, LAYOUT, 1);
  await checkpoints.write(stateOf(5), { ...INFO, cleanAccuracy: 0.9, best: true });
  await checkpoints.write(stateOf(5), INFO); // an interrupt right behind the checkpoint
  assert.equal((await checkpoints.read("latest")).description.clean_accuracy, 0.9);
  await checkpoints.write(stateOf(5), { ...INFO, cleanAccuracy: 0.95 });
  assert.equal((await checkpoints.read("latest")).description.clean_accuracy, 0.95);

  // A damaged one, or one of other weights, is replaced.
  await truncate(join(directory, "step-00000005", "model.safetensors"), 50);
  await checkpoints.write(stateOf(5), INFO);
  assertState((await checkpoints.read("latest")).state, stateOf(5));
  const other = { ...stateOf(5), parameters: stateOf(6).parameters };
  await checkpoints.write(other, INFO);
  const { state, description } = await checkpoints.read("latest");
  assertState(state, other);
  assert.equal(description.clean_accuracy, null);
});

test("what a killed writer had begun is removed by the next checkpoint", async (t) => {
  const directory = await temporaryDirectory(t);
  await mkdir(join(directory, ".step-00000003.4711.part"));
  await writeFile(join(directory, ".step-00000003.4711.part", "model.safetensors"), "half");
  await new Checkpoints(directory, LAYOUT, 1).write(stateOf(4), INFO);
  assert.deepEqual((await readdir(directory)).sort(), ["latest", "step-00000004"]);
});

test(
  "a writer killed at any instant leaves a whole latest checkpoint, though only one is kept",
  { timeout: 60_000 },
  async (t) => {
    const seed = Date.now() % 1_000_000;
    t.diagnostic(`seed ${seed}`);
    const stream = new RandomStream(seed, "attack");
    const directory = await temporaryDirectory(t);
    for (let round = 0; round < 12; round++) {
      const reported = await killedWriter(
        "checkpoints",
        directory,
        1 + stream.below(6),
        stream.uniform() * 15,
      );
      const checkpoints = new Checkpoints(directory, LAYOUT, 1);
      const latest = await checkpoints.readLatest((message) => assert.fail(`seed ${seed}: ${message}`));
      assert.ok(
        latest !== undefined && latest.state.step >= reported,
        `seed ${seed}: ${reported}, then ${latest?.state.step}`,
      );
      assertState(latest.state, stateOf(latest.state.step));
      await checkpoints.read("latest");
    }
  },
);

test("on a full disk the error names the checkpoint, and the one before stays readable", async (t) => {
  const disk = await smallDisk(t);
  if (disk === undefined) return t.skip(NO_DISK);
  const shape = [50_000]; // 200 kB: two states, each twice, do not fit beside what is there
  const layout = placeTensors([
    {
      name: "w",
      shape,
      role: "weight",
      initial: { kind: "constant", value: 0 },
      rateMultiplier: 1,
      decays: true,
    },
  ]);
  const checkpoints = new Checkpoints(disk, layout, 1);
  await checkpoints.write(stateOf(1, layout), INFO);
  await checkpoints.write(stateOf(2, layout), INFO);
  const ballast = join(disk, "ballast");
  await writeFile(ballast, new Uint8Array(400_000));
  await assert.rejects(
    checkpoints.write(stateOf(3, layout), { ...INFO, best: true }),
    isStorageError("step-00000003"),
  );
  assert.deepEqual(await steps(disk), [2]);
  assertState((await checkpoints.read("latest")).state, stateOf(2, layout));
  assert.ok(!(await readdir(disk)).includes("best"));
  await rm(ballast);
  await checkpoints.write(stateOf(3, layout), INFO);
  assertState((await checkpoints.read("latest")).state, stateOf(3, layout));
});

test("identity is compared before content: a description is judged before its tensors are read", async (t) => {
  const directory = await temporaryDirectory(t);
  const checkpoints = new Checkpoints(directory, LAYOUT, 3);
  await checkpoints.write(stateOf(1), INFO);
  await checkpoints.write(stateOf(2), { ...INFO, identity: "other" });
  await truncate(join(directory, "step-00000002", "model.safetensors"), 50);
  const accept = ({ identity }: CheckpointState): void => {
    if (identity !== "abc") throw new ClusterError("config", `of ${identity}`);
  };
  const error = await refusal(checkpoints.readLatest(never, accept));
  assert.deepEqual([error.code, error.message], ["config", "of other"]);
});

test("a checkpoint that does not fit the network is no damaged one, and none that is whole is an error", async (t) => {
  const directory = await temporaryDirectory(t);
  await new Checkpoints(directory, LAYOUT, 1).write(stateOf(1), INFO);
  const other = placeTensors(LAYOUT.tensors.slice(1).map((tensor) => ({ ...tensor, shape: [7] })));
  const misfit = await refusal(new Checkpoints(directory, other, 1).readLatest(never));
  assert.equal(misfit.code, "shape-mismatch");
  await rm(join(directory, "step-00000001", "model.safetensors"));
  const messages: string[] = [];
  const reading = new Checkpoints(directory, LAYOUT, 1).readLatest((message) => messages.push(message));
  const damaged = await refusal(reading);
  assert.equal(damaged.code, "data");
  assert.equal(messages.length, 1);
});
