/** A sweep on Kubernetes, from the rendered manifests alone: moved in the middle, and applied again with more trials. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { stringify } from "yaml";
import type { SweepLine } from "../../shared/records/sweep-line.js";
import { kubectlProblem } from "../support/kube/kubectl.js";
import { type Kubernetes, startKubernetes } from "../support/kube/kubernetes.js";
import { isOver } from "../support/kube/workloads.js";

const SKIP =
  kubectlProblem() ?? (process.platform === "linux" ? false : "needs all of 127.0.0.0/8, as on Linux");

/** `trials` seeds of a training of a few steps. Its gradients are made up: what is tested is who does which trial. */
const specOf = (trials: number): string =>
  stringify({
    version: 1,
    name: "tiny-sweep",
    base: {
      model: "plain",
      engine: "emulated",
      train: { batch_size: 16, slots: 1, limit_images: 64, epochs: 2, evaluate_every_epochs: 0 },
      evaluate: { kinds: ["clean"], images: 50 },
    },
    parameters: { "train.learning_rate": { grid: [0.01, 0.02] }, seed: { repeat: trials / 2 } },
  });

const given = (): object => ({
  configMapGenerator: [
    {
      ...{ name: "sweep-spec", namespace: "saf", behavior: "merge" },
      ...{ files: ["sweep.yaml"], literals: ["name=tiny-sweep"] },
    },
    {
      ...{ name: "saf-env", namespace: "saf", behavior: "merge" },
      literals: ["SAF_POOL_HEARTBEAT_MS=5000"],
    },
  ],
});

async function complete(kube: Kubernetes): Promise<void> {
  const job = "job/sweep-coordinator";
  await kube.kubectl("-n", "saf", "wait", "--for=condition=complete", job, "--timeout=400s");
}

test(
  "a sweep as two Jobs: its coordinator is moved, and applied again it does only the trials that are new",
  { timeout: 1_200_000, skip: SKIP },
  async (t) => {
    const kube = await startKubernetes(t, { environment: { SAF_ENGINE: "emulated" } });
    const out = join(kube.kubelet.claimFolder("saf-runs"), "runs", "tiny-sweep");
    const lines = (): SweepLine[] =>
      existsSync(join(out, "sweep.jsonl"))
        ? readFileSync(join(out, "sweep.jsonl"), "utf8")
            .split("\n")
            .filter((line) => line !== "")
            .map((line) => JSON.parse(line) as SweepLine)
        : [];
    const results = (): string[] =>
      lines().flatMap((line) => (line.kind === "result" ? [`${line.trial} ${line.rung}`] : []));
    const sweepOf = (trials: number): string =>
      kube.overlay(`sweep-${trials}`, ["k8s/runs/sweep"], given(), { "sweep.yaml": specOf(trials) });

    await kube.kubectl("apply", "-k", sweepOf(4));
    await kube.until("a trial has a result", () => results().length >= 1);
    const [first] = kube.pods("coordinator").filter((pod) => !isOver(pod));
    assert.ok(first !== undefined);
    kube.kubelet.preempt(first.metadata.name, "saf");
    await complete(kube);
    const before = results();
    assert.equal(new Set(before).size, 4);
    assert.equal(before.length, 4, "a trial counted twice");

    await kube.kubectl("-n", "saf", "delete", "job", "-l", "app.kubernetes.io/instance=sweep");
    await kube.until("its pods are gone", () => kube.pods("coordinator").length === 0);
    await kube.kubectl("apply", "-k", sweepOf(6));
    await complete(kube);
    assert.deepEqual(results().slice(0, 4), before);
    assert.equal(new Set(results()).size, 6);
    assert.equal(results().length, 6);
    assert.ok(lines().filter(({ kind }) => kind === "opened").length >= 3);
    assert.ok(existsSync(join(out, "leaderboard.md")));
  },
);
