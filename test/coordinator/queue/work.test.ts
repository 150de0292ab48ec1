/** What a submission may want: settings by the same schemas as a file's, and no file of the coordinator's machine. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { kindOf, wantedName, workOf } from "../../../coordinator/queue/work.js";
import { ClusterError } from "../../../shared/errors.js";

const run = (spec: Record<string, unknown>, isEmulated = false): ReturnType<typeof workOf> =>
  workOf({ work: "run", spec }, isEmulated);
const sweep = (spec: Record<string, unknown>): ReturnType<typeof workOf> =>
  workOf({ work: "sweep", spec }, false);

const SWEEP = {
  name: "lr",
  limits: { trials: 4 },
  parameters: { "train.learning_rate": { range: [0.001, 0.1], scale: "log" } },
};

function refuses(work: () => unknown, words: RegExp): void {
  assert.throws(
    work,
    (error) => error instanceof ClusterError && error.code === "config" && words.test(error.message),
  );
}

test("a run and a sweep are told apart by their keys", () => {
  assert.equal(kindOf(["model", "train"]), "run");
  assert.equal(kindOf(["name"]), "run");
  assert.equal(kindOf([]), "run");
  assert.equal(kindOf(["name", "base", "parameters", "seed"]), "sweep");
  assert.equal(kindOf(["name", "list"]), "sweep");
});

test("a submission is called as its file, and its settings bear its own name", () => {
  assert.equal(wantedName(run({ model: "plain" })), "plain");
  assert.equal(wantedName(run({ name: "mine" })), "mine");
  assert.equal(wantedName(sweep(SWEEP)), "lr");
  const named = workOf({ work: "run", spec: { name: "mine" }, id: "mine-2" }, false);
  assert.equal(named.kind === "run" && named.config.name, "mine-2");
  const other = workOf({ work: "sweep", spec: SWEEP, id: "lr-2", share: 3, priority: -1 }, false);
  assert.ok(other.kind === "sweep");
  const { name, share, priority } = other.space.spec;
  assert.deepEqual({ name, share, priority }, { name: "lr-2", share: 3, priority: -1 });
});

test("what no file may say, no submission may, and each problem names its place", () => {
  refuses(() => run({ modell: "plain" }), /modell/);
  refuses(() => run({ train: { slots: 3 } }), /train\.slots: slots must be a power of two/);
  refuses(() => sweep({ ...SWEEP, parameters: { "train.no_such": { choice: [1] } } }), /train\.no_such/);
  refuses(() => sweep({ parameters: {} }), /name/);
});

test("a submission names no files of the coordinator's machine", () => {
  refuses(() => run({ data: { dir: "/etc" } }), /data\.dir: .*no files/);
  for (const source of ["/home/x/run", "../run", "weights.safetensors:plain"])
    refuses(() => run({ evaluate: { transfer_from: source } }), /transfer_from: .*no files/);
  assert.doesNotThrow(() => run({ evaluate: { transfer_from: ["other-run"] } }));
  refuses(() => sweep({ ...SWEEP, base: "run.yaml" }), /base: expected its settings/);
  refuses(() => sweep({ ...SWEEP, base: { data: { dir: "/etc" } } }), /data\.dir/);
});

test("a pool of real engines takes no emulated work, and the other way round", () => {
  refuses(() => run({ engine: "emulated" }), /real gradients/);
  refuses(() => run({}, true), /emulated/);
  assert.doesNotThrow(() => run({ engine: "emulated" }, true));
  const hintOf = (act: () => unknown): string | undefined => {
    try {
      act();
    } catch (error) {
      return error instanceof ClusterError ? error.hint : undefined;
    }
    return undefined;
  };
  const emulated = (): unknown => workOf({ work: "sweep", spec: SWEEP }, true);
  assert.equal(
    hintOf(() => run({}, true)),
    "submit it with --set engine=emulated",
  );
  assert.equal(
    hintOf(() => run({ engine: "emulated" })),
    "submit it with --set engine=null",
  );
  refuses(emulated, /^base\.engine: this pool is emulated/);
  assert.equal(hintOf(emulated), "submit it with --set base.engine=emulated");
});

test("an evaluation names a submission, and what is asked of its weights is checked as a file's settings are", () => {
  const evaluation = (spec: Record<string, unknown>): ReturnType<typeof workOf> =>
    workOf({ work: "evaluation", spec }, false);
  assert.equal(wantedName(evaluation({ of: "mine" })), "mine-evaluation");
  assert.equal(wantedName(evaluation({ of: "a".repeat(32) })), `${"a".repeat(21)}-evaluation`);
  assert.equal(wantedName(evaluation({ of: "mine", name: "strong" })), "strong");
  const kept = evaluation({ of: "rates", trial: "3fa91c02", evaluate: { images: 100, budget: null } });
  assert.ok(kept.kind === "evaluation");
  assert.deepEqual(kept.order.evaluate, { images: 100, budget: null });
  refuses(() => evaluation({ of: "../mine" }), /of: expected the id of a submission/);
  for (const trial of ["0", "12", "#1234"]) evaluation({ of: "rates", trial });
  refuses(() => evaluation({ of: "mine", trial: "best" }), /trial: expected the beginning of a trial's id/);
  refuses(() => evaluation({ of: "mine", evaluate: { imagess: 3 } }), /imagess/);
  refuses(
    () => evaluation({ of: "mine", evaluate: { transfer_from: "/etc/net" } }),
    /transfer_from: .*no files/,
  );
  refuses(() => evaluation({ of: "mine", train: { epochs: 3 } }), /train/);
});
