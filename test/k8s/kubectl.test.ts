/** What users do with kubectl, against an API server in memory: nothing runs here, runs.test.ts does that. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { kubernetesMonitoringFiles } from "../../deploy/monitoring/kubernetes.js";
import { METRICS, TASK_STATES } from "../../shared/metrics.js";
import { TRIAL_STATES } from "../../shared/records/sweep-line.js";
import { ROOT } from "../docs/tables.js";
import { kubectlProblem, render } from "../support/kube/kubectl.js";
import { startKubernetes } from "../support/kube/kubernetes.js";
import type { Container, StatefulSetSpec } from "../support/kube/workloads.js";

const SKIP = { skip: kubectlProblem() ?? false, timeout: 600_000 };

describe("kubectl", SKIP, () => {
  for (const root of [
    "overlays/local",
    "overlays/gpu-spot",
    "runs/train",
    "runs/evaluate",
    "runs/sweep",
    "runs/queue",
  ]) {
    test(`${root}: created, then unchanged, without a difference, and gone`, async (t) => {
      const kube = await startKubernetes(t, { runs: false });
      const folder = join("k8s", root);
      const count = render(folder).length;
      const first = await kube.kubectl("apply", "-k", folder);
      assert.equal(first.match(/ created$/gm)?.length, count, first);
      const { version } = kube.store;
      const second = await kube.kubectl("apply", "-k", folder);
      // kubectl always sends a PodDisruptionBudget's selector anew, and calls that configured.
      assert.equal(second.match(/ unchanged$|^poddisruptionbudget\S+ configured$/gm)?.length, count, second);
      assert.equal(kube.store.version, version, "something was changed");
      assert.equal(await kube.kubectl("diff", "-k", folder), "");
      await kube.kubectl("delete", "-k", folder);
      assert.deepEqual(
        ["Pod", "StatefulSet", "Job", "Namespace", "ConfigMap"].flatMap((kind) => kube.store.list(kind)),
        [],
      );
    });
  }

  test("a new image is a difference, is applied, and leaves the rest alone", async (t) => {
    const kube = await startKubernetes(t, { runs: false });
    await kube.kubectl("apply", "-k", "k8s/overlays/local");
    const images = {
      images: [{ name: "saf-cpu", newName: "registry.example.org/saf-cpu", newTag: "0.1.1" }],
    };
    const newer = kube.overlay("newer", ["k8s/overlays/local"], images);
    const difference = await kube.tryKubectl(["diff", "-k", newer]);
    assert.equal(difference.code, 1, difference.stderr);
    assert.match(difference.stdout, /^\+ +image: registry\.example\.org\/saf-cpu:0\.1\.1$/m);
    const said = await kube.kubectl("apply", "-k", newer);
    assert.deepEqual(said.match(/^statefulset\S+ configured$/gm)?.sort(), [
      "statefulset.apps/coordinator configured",
      "statefulset.apps/worker configured",
    ]);
    const worker = kube.store.get("StatefulSet", "worker", "saf")?.spec as StatefulSetSpec;
    const container = worker.template.spec.containers[0] as Container;
    assert.equal(container.image, "registry.example.org/saf-cpu:0.1.1");
    assert.ok((container.env?.length ?? 0) >= 3, "the patch took the environment away");
  });

  test("a changed run.yaml is a new ConfigMap, so the coordinator is started anew", async (t) => {
    const kube = await startKubernetes(t, { runs: false });
    await kube.kubectl("apply", "-k", "k8s/overlays/local");
    const other = kube.overlay(
      "other",
      ["k8s/overlays/local"],
      {
        configMapGenerator: [
          { name: "run", namespace: "saf", behavior: "merge", files: ["run.yaml"], literals: ["name=other"] },
        ],
      },
      { "run.yaml": "name: other\n" },
    );
    assert.match(
      await kube.kubectl("apply", "-k", other),
      /configmap\/run-\S+ created[\s\S]*statefulset\.apps\/coordinator configured/,
    );
    const maps = kube.store.list("ConfigMap").filter(({ metadata }) => metadata.name.startsWith("run-"));
    assert.equal(maps.length, 2);
  });

  test("get and scale say what there is", async (t) => {
    const kube = await startKubernetes(t, { runs: false });
    await kube.kubectl("apply", "-k", "k8s/overlays/local");
    await kube.kubectl("-n", "saf", "scale", "statefulset/worker", "--replicas=5");
    const replicas = [
      "-n",
      "saf",
      "get",
      "statefulset",
      "worker",
      "-o",
      "jsonpath={.spec.replicas}",
    ] as const;
    assert.equal(await kube.kubectl(...replicas), "5");
    assert.match(
      await kube.kubectl("-n", "saf", "get", "statefulsets"),
      /coordinator[\s\S]*nats[\s\S]*worker/,
    );
    assert.equal((await kube.tryKubectl(["-n", "saf", "get", "job", "train-coordinator"])).code, 1);
    // Applying again is going back to what the file says.
    await kube.kubectl("apply", "-k", "k8s/overlays/local");
    assert.equal(await kube.kubectl(...replicas), "2");
  });

  test("a Job cannot be changed under way: the server refuses, and says so", async (t) => {
    const kube = await startKubernetes(t, { runs: false });
    await kube.kubectl("apply", "-k", "k8s/runs/train");
    const changed = kube.overlay("changed", ["k8s/runs/train"], {
      images: [{ name: "saf-cpu", newTag: "0.1.1" }],
    });
    const { code, stderr } = await kube.tryKubectl(["apply", "-k", changed]);
    assert.equal(code, 1);
    assert.match(stderr, /spec\.template: field is immutable/);
  });
});

describe("the monitoring component", () => {
  test("its dashboards and rules are those of deploy/monitoring", () => {
    for (const [path, text] of kubernetesMonitoringFiles(ROOT))
      assert.equal(
        readFileSync(join(ROOT, path), "utf8"),
        text,
        `${path}: run dist/deploy/monitoring/write-kubernetes.js`,
      );
  });

  test(
    "each dashboard is a ConfigMap that Grafana's sidecar looks for",
    { skip: kubectlProblem() ?? false },
    () => {
      const maps = render("k8s/overlays/gpu").filter(
        ({ metadata }) => metadata.labels?.["grafana_dashboard"] === "1",
      );
      const files = maps.flatMap((map) =>
        Object.keys(map["data"] as object).map((key) => `k8s/components/monitoring/dashboards/${key}`),
      );
      const expected = [...kubernetesMonitoringFiles(ROOT).keys()].filter((path) => path.endsWith(".json"));
      assert.deepEqual(files.sort(), expected.sort());
    },
  );

  test("KEDA asks for metrics that there are, in states that there are", () => {
    const text = readFileSync(join(ROOT, "k8s/components/keda/scaled-object.yaml"), "utf8");
    const [, name, state] = /query: sum\((\w+)\{[^}]*state="(\w+)"/.exec(text) ?? [];
    assert.equal(name, METRICS.evaluationTasks.name);
    assert.ok(
      TASK_STATES.some((known) => known === state),
      `no task is ever ${state}`,
    );
    const [, planned, trials, states = ""] =
      /query: sum\((\w+)\{[^}]*\}\) - sum\((\w+)\{[^}]*state=~"([\w|]+)"/.exec(text) ?? [];
    assert.deepEqual([planned, trials], [METRICS.sweepPlanned.name, METRICS.sweepTrials.name]);
    const open = TRIAL_STATES.filter((known) => !states.split("|").includes(known));
    assert.deepEqual(open, ["running", "waiting"]);
  });
});
