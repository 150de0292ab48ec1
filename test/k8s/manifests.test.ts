import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { describe, test } from "node:test";
import { ScaledObject } from "@kubernetes-models/keda/keda.sh/v1alpha1/ScaledObject";
import { PodMonitor } from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/PodMonitor";
import { PrometheusRule } from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/PrometheusRule";
import { StatefulSet } from "kubernetes-models/apps/v1/StatefulSet";
import { Job } from "kubernetes-models/batch/v1/Job";
import { NetworkPolicy } from "kubernetes-models/networking.k8s.io/v1/NetworkPolicy";
import { PodDisruptionBudget } from "kubernetes-models/policy/v1/PodDisruptionBudget";
import { ConfigMap } from "kubernetes-models/v1/ConfigMap";
import { Namespace } from "kubernetes-models/v1/Namespace";
import { PersistentVolumeClaim } from "kubernetes-models/v1/PersistentVolumeClaim";
import { Pod } from "kubernetes-models/v1/Pod";
import { Service } from "kubernetes-models/v1/Service";
import { ServiceAccount } from "kubernetes-models/v1/ServiceAccount";
import ts from "typescript";
import { parse, stringify } from "yaml";
import { loadConfig } from "../../deploy/cli/config-file.js";
import { sweepSchema } from "../../shared/config/sweep.js";
import { checkCommand } from "../docs/commands.js";
import { ROOT } from "../docs/tables.js";
import { kubectlProblem, render } from "../support/kube/kubectl.js";
import type { KubeObject } from "../support/kube/objects.js";
import { policyProblems } from "../support/kube/policies.js";
import type { Container, JobSpec, PodTemplate, StatefulSetSpec } from "../support/kube/workloads.js";

const SKIP = { skip: kubectlProblem() ?? false };

/** Applied by users; base and its parts are in them. */
const ROOTS = [
  "overlays/local",
  "overlays/gpu",
  "overlays/gpu-spot",
  "runs/train",
  "runs/train-gpu",
  "runs/evaluate",
  "runs/sweep",
  "runs/queue",
  "runs/results",
];
/** Components that no overlay has yet, as a user would add them. */
const COMBINED: readonly [string, string, readonly string[]][] = [
  ["base with nats-auth and nats-ha", "base", ["nats-auth", "nats-ha", "monitoring", "keda", "http-token"]],
  ["base with nats-ha and nats-auth, the other way round", "base", ["nats-ha", "nats-auth"]],
  [
    "runs/train with nats-auth, kueue, spot",
    "runs/train",
    ["nats-auth", "kueue", "gpu-nvidia", "spot", "monitoring"],
  ],
];

const MODELS = {
  ...{
    ConfigMap,
    Job,
    Namespace,
    NetworkPolicy,
    PersistentVolumeClaim,
    Pod,
    PodDisruptionBudget,
    PodMonitor,
  },
  ...{ PrometheusRule, ScaledObject, Service, ServiceAccount, StatefulSet },
};
const MODULES: Readonly<Record<keyof typeof MODELS, string>> = {
  ConfigMap: "kubernetes-models/v1/ConfigMap",
  Job: "kubernetes-models/batch/v1/Job",
  Namespace: "kubernetes-models/v1/Namespace",
  NetworkPolicy: "kubernetes-models/networking.k8s.io/v1/NetworkPolicy",
  PersistentVolumeClaim: "kubernetes-models/v1/PersistentVolumeClaim",
  Pod: "kubernetes-models/v1/Pod",
  PodDisruptionBudget: "kubernetes-models/policy/v1/PodDisruptionBudget",
  PodMonitor: "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/PodMonitor",
  PrometheusRule: "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/PrometheusRule",
  ScaledObject: "@kubernetes-models/keda/keda.sh/v1alpha1/ScaledObject",
  Service: "kubernetes-models/v1/Service",
  ServiceAccount: "kubernetes-models/v1/ServiceAccount",
  StatefulSet: "kubernetes-models/apps/v1/StatefulSet",
};

const isModelled = (kind: string): kind is keyof typeof MODELS => Object.hasOwn(MODELS, kind);

const rendered = new Map<string, KubeObject[]>();

function objectsOf(root: string): KubeObject[] {
  let objects = rendered.get(root);
  if (objects === undefined) {
    const combined = COMBINED.find(([name]) => name === root);
    objects = combined === undefined ? render(join("k8s", root)) : renderWith(combined[1], combined[2]);
    rendered.set(root, objects);
  }
  return structuredClone(objects);
}

function renderWith(root: string, components: readonly string[]): KubeObject[] {
  const folder = mkdtempSync(join(tmpdir(), "saf-kustomize-"));
  try {
    const from = (path: string): string => relative(folder, join(ROOT, "k8s", path));
    const kustomization = {
      ...{ apiVersion: "kustomize.config.k8s.io/v1beta1", kind: "Kustomization" },
      resources: [from(root)],
      components: components.map((name) => from(join("components", name))),
    };
    writeFileSync(join(folder, "kustomization.yaml"), stringify(kustomization));
    return render(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const everything = (): string[] => [...ROOTS, ...COMBINED.map(([name]) => name)];
const find = (root: string, kind: string, name: string): KubeObject => {
  const found = objectsOf(root).find((object) => object.kind === kind && object.metadata.name === name);
  assert.ok(found !== undefined, `${root} has no ${kind} ${name}`);
  return found;
};
const templateOf = (object: KubeObject): PodTemplate => (object.spec as { template: PodTemplate }).template;
const containerOf = (object: KubeObject): Container => templateOf(object).spec.containers[0] as Container;
const envOf = (object: KubeObject): Map<string, string | undefined> =>
  new Map((containerOf(object).env ?? []).map(({ name, value }) => [name, value]));

describe("the manifests", SKIP, () => {
  test("every kustomization of k8s/ is rendered by these tests", () => {
    const folders = readdirSync(join(ROOT, "k8s"), { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith("kustomization.yaml"))
      .map(dirname);
    const components = COMBINED.flatMap(([, , names]) => names.map((name) => `components/${name}`));
    const known = [...ROOTS, ...components, "base", "base/common", "base/nats", "base/cluster"];
    assert.deepEqual(
      folders.filter((folder) => !known.includes(folder)),
      [],
    );
  });

  test("git ignores none of their files", (t) => {
    const files = readdirSync(join(ROOT, "k8s"), { recursive: true, encoding: "utf8", withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name));
    const asked = spawnSync("git", ["check-ignore", "--no-index", "--stdin"], {
      ...{ cwd: ROOT, encoding: "utf8", input: files.join("\n") },
    });
    // 0: these are ignored; 1: none is; anything else: no git, or no repository.
    if (asked.status !== 0 && asked.status !== 1) return t.skip("this is no git checkout");
    assert.equal(asked.stdout, "");
  });

  for (const root of everything()) {
    test(`${root}: types and required fields are Kubernetes' own`, () => {
      for (const object of objectsOf(root)) {
        assert.ok(isModelled(object.kind), `nobody knows the kind ${object.kind}`);
        const model = new MODELS[object.kind](object as never);
        assert.doesNotThrow(() => model.validate(), `${object.kind}/${object.metadata.name}`);
      }
    });

    test(`${root}: the policies hold`, () => {
      const objects = objectsOf(root);
      assert.deepEqual(policyProblems(objects), []);
    });
  }

  test("no field is misspelt: the same objects compile as typed literals", () => {
    const distinct = new Map(
      everything()
        .flatMap(objectsOf)
        .map((object) => [JSON.stringify(object), object]),
    );
    assert.ok(distinct.size > 40, `only ${distinct.size} objects`);
    const wrong = find("overlays/local", "StatefulSet", "worker");
    (containerOf(wrong) as unknown as Record<string, unknown>)["resourcess"] = {};
    const problems = compileProblems([...distinct.values(), wrong]);
    assert.equal(problems.length, 1, problems.join("\n"));
    assert.match(problems[0] as string, /'"resourcess"' does not exist/);
  });

  test("what a container is told to do is a command of ours, and parses", async () => {
    let checked = 0;
    for (const object of ROOTS.flatMap(objectsOf)) {
      if (!["StatefulSet", "Job"].includes(object.kind)) continue;
      const { args, command } = containerOf(object);
      if (command !== undefined) continue;
      const words = (args ?? []).map((word) => word.replace("$(RUN_NAME)", "run"));
      const { problem } = await checkCommand(["saf", ...words], true);
      assert.equal(problem, undefined, `${object.metadata.name}: ${problem}`);
      checked++;
    }
    assert.ok(checked >= 8);
  });

  test("run.yaml in the ConfigMaps is the example, byte for byte, and a valid run", async () => {
    const example = readFileSync(join(ROOT, "examples/mnist-mrelu-r-m.yaml"), "utf8");
    for (const [root, prefix] of [
      ["overlays/local", "run-"],
      ["runs/train", "train-run-"],
      ["runs/evaluate", "train-run-"],
    ] as const) {
      const map = objectsOf(root).find(
        ({ kind, metadata }) => kind === "ConfigMap" && metadata.name.startsWith(prefix),
      );
      const data = map?.["data"] as Record<string, string>;
      assert.equal(data["run.yaml"], example);
      const { value } = await loadConfig({ files: [join(ROOT, "examples/mnist-mrelu-r-m.yaml")], set: [] });
      assert.equal(value.name, data["name"]);
    }
  });

  test("train and evaluate differ in their names, their label and one flag", () => {
    const strip = (object: KubeObject): string =>
      JSON.stringify(object).replaceAll("evaluate", "train").replace(',"--train-only"', "");
    for (const kind of ["coordinator", "worker"]) {
      const train = find("runs/train", "Job", `train-${kind}`);
      const evaluate = find("runs/evaluate", "Job", `evaluate-${kind}`);
      assert.equal(strip(evaluate), strip(train));
      assert.equal(containerOf(evaluate).args?.includes("--evaluate-only"), kind === "coordinator");
    }
  });

  test("sweep.yaml in the ConfigMap is the example, byte for byte, and a valid sweep of its name", () => {
    const objects = objectsOf("runs/sweep");
    const maps = objects.filter(({ kind }) => kind === "ConfigMap").map(({ metadata }) => metadata.name);
    const map = objects.find(({ metadata }) => metadata.name.startsWith("sweep-spec-"));
    const data = map?.["data"] as Record<string, string>;
    const text = readFileSync(join(ROOT, "examples/sweeps/robust-mnist.yaml"), "utf8");
    assert.equal(data["sweep.yaml"], text);
    assert.equal(sweepSchema.parse(parse(text)).name, data["name"]);
    assert.ok(!maps.some((name) => name.startsWith("train-run")), "a recipe that nobody reads");
  });

  test("runs/queue is the shared cluster, told to take work in and given none", () => {
    const queue = find("runs/queue", "StatefulSet", "coordinator");
    const shared = find("overlays/local", "StatefulSet", "coordinator");
    assert.deepEqual(containerOf(queue).args, ["coordinator", "--queue", "/var/lib/saf/runs/queue"]);
    const without = (object: KubeObject): string => {
      const container = containerOf(object);
      container.args = [];
      container.env = container.env?.filter(({ name }) => name !== "RUN_NAME") ?? [];
      container.volumeMounts = container.volumeMounts?.filter(({ name }) => name !== "run") ?? [];
      const { spec } = (object.spec as StatefulSetSpec).template;
      spec.volumes = spec.volumes?.filter(({ name }) => name !== "run") ?? [];
      // The laptop's overlay asks for less of a processor.
      return JSON.stringify(object).replaceAll('"cpu":"100m"', '"cpu":"1"');
    };
    assert.equal(without(queue), without(shared));
    const maps = objectsOf("runs/queue").filter(({ kind }) => kind === "ConfigMap");
    assert.ok(!maps.some(({ metadata }) => metadata.name.startsWith("run-")), "a recipe that nobody reads");
  });

  test("train and sweep differ in their names, their label and what they are given", () => {
    const spec = find("runs/sweep", "Job", "sweep-coordinator");
    const { args } = containerOf(spec);
    assert.deepEqual(args?.slice(0, 5), [
      ...["coordinator", "--sweep", "/etc/saf/sweep.yaml", "--out", "/var/lib/saf/runs/$(RUN_NAME)"],
    ]);
    const strip = (object: KubeObject): string => {
      const { template } = object.spec as JobSpec;
      // The volume comes first in both; a sweep's has the whole ConfigMap, for a base beside the spec.
      template.spec.volumes?.shift();
      return JSON.stringify(object)
        .replaceAll(/(sweep-spec|train-run)-\w+/g, "given")
        .replaceAll("sweep", "run")
        .replaceAll("train", "run");
    };
    for (const kind of ["coordinator", "worker"])
      assert.equal(
        strip(find("runs/sweep", "Job", `sweep-${kind}`)),
        strip(find("runs/train", "Job", `train-${kind}`)),
      );
  });

  test("gpu: a whole GPU, its engine by name, a place on nodes that have one; the coordinator without", () => {
    for (const [root, kind, name] of [
      ["overlays/gpu", "StatefulSet", "worker"],
      ["runs/train-gpu", "Job", "train-worker"],
    ] as const) {
      const worker = find(root, kind, name);
      const container = containerOf(worker) as Container & { resources: { limits: Record<string, string> } };
      assert.equal(container.resources.limits["nvidia.com/gpu"], "1");
      assert.match(container.image, /^saf-gpu:/);
      assert.equal(envOf(worker).get("SAF_ENGINE"), "tensorflow-gpu");
      assert.equal(envOf(worker).get("TF_FORCE_GPU_ALLOW_GROWTH"), "true");
      const { nodeSelector, tolerations } = templateOf(worker).spec as unknown as Record<string, unknown>;
      assert.deepEqual(nodeSelector, { "nvidia.com/gpu.present": "true" });
      assert.deepEqual(tolerations, [{ key: "nvidia.com/gpu", operator: "Exists", effect: "NoSchedule" }]);
    }
    assert.ok(!JSON.stringify(find("overlays/gpu", "StatefulSet", "coordinator")).includes("gpu"));
  });

  test("nats-auth: each pod finds its own credentials, workers none of the coordinator's", () => {
    const coordinator = find("overlays/gpu", "StatefulSet", "coordinator");
    assert.equal(envOf(coordinator).get("SAF_NATS_CREDS_FILE"), "/etc/saf-nats/coordinator.creds");
    const worker = find("overlays/gpu", "StatefulSet", "worker");
    const names = (containerOf(worker).env ?? []).map(({ name }) => name);
    assert.equal(envOf(worker).get("SAF_NATS_CREDS_FILE"), "/etc/saf-nats/$(SAF_WORKER_ID).creds");
    // A reference is to what stands before it.
    assert.ok(names.indexOf("SAF_WORKER_ID") < names.indexOf("SAF_NATS_CREDS_FILE"));
    const job = find("runs/train with nats-auth, kueue, spot", "Job", "train-worker");
    const jobNames = (containerOf(job).env ?? []).map(({ name }) => name);
    assert.ok(jobNames.indexOf("COMPLETION_INDEX") < jobNames.indexOf("SAF_WORKER_ID"));
    assert.ok(jobNames.indexOf("SAF_WORKER_ID") < jobNames.indexOf("SAF_NATS_CREDS_FILE"));
    const keys = (templateOf(worker).spec.volumes ?? []).flatMap(
      ({ secret }) => secret?.items?.map(({ key }) => key) ?? [],
    );
    assert.deepEqual(
      keys,
      Array.from({ length: 32 }, (_, i) => `worker-${i}.creds`),
    );
    const { maxReplicaCount } = find("overlays/gpu-spot", "ScaledObject", "worker").spec as {
      maxReplicaCount: number;
    };
    assert.ok(
      maxReplicaCount <= keys.length && ((worker.spec as StatefulSetSpec).replicas ?? 0) <= keys.length,
    );
  });

  test("nats-ha: three servers apart from each other, with disks, and leave of their clients", () => {
    const nats = find("base with nats-auth and nats-ha", "StatefulSet", "nats");
    const { replicas, volumeClaimTemplates } = nats.spec as StatefulSetSpec;
    assert.equal(replicas, 3);
    assert.equal(volumeClaimTemplates?.[0]?.metadata.name, "data");
    assert.ok(containerOf(nats).lifecycle?.preStop?.exec?.command.join(" ").includes("ldm=/tmp/nats.pid"));
    assert.equal(envOf(nats).get("GOMEMLIMIT"), "6400MiB");
    const config = objectsOf("base with nats-auth and nats-ha").find(({ metadata }) =>
      metadata.name.startsWith("nats-config"),
    );
    const data = config?.["data"] as Record<string, string>;
    assert.match(data["access.conf"] ?? "", /include "\.\.\/nats-auth\/auth\.conf"/);
    assert.match(data["cluster.conf"] ?? "", /jetstream/);
  });

  test("kueue: the Jobs name their queue", () => {
    for (const name of ["train-coordinator", "train-worker"]) {
      const job = find("runs/train with nats-auth, kueue, spot", "Job", name);
      assert.equal(job.metadata.labels?.["kueue.x-k8s.io/queue-name"], "saf");
    }
  });
});

describe("the policies find what is wrong", SKIP, () => {
  const faults: readonly [string, string, string, (object: KubeObject) => void, RegExp][] = [
    [
      "a root user",
      "StatefulSet",
      "worker",
      (o) =>
        void ((
          templateOf(o).spec as unknown as { securityContext: { runAsNonRoot: boolean } }
        ).securityContext.runAsNonRoot = false),
      /runAsNonRoot/,
    ],
    [
      "a floating image",
      "StatefulSet",
      "worker",
      (o) => void (containerOf(o).image = "saf-cpu:latest"),
      /no exact version/,
    ],
    [
      "a mistyped variable",
      "StatefulSet",
      "worker",
      (o) => void containerOf(o).env?.push({ name: "SAF_NATS_ULR", value: "" }),
      /no option reads SAF_NATS_ULR/,
    ],
    [
      "a probe at no port",
      "StatefulSet",
      "coordinator",
      (o) => void ((containerOf(o).readinessProbe ?? {}).httpGet = { path: "/readyz", port: "htpp" }),
      /no port of it/,
    ],
    [
      "a Service to nobody",
      "Service",
      "nats",
      (o) => void ((o.spec as { selector: object }).selector = { app: "x" }),
      /leads to nobody/,
    ],
    [
      "a ConfigMap that is not there",
      "StatefulSet",
      "coordinator",
      (o) => void (containerOf(o).envFrom = [{ configMapRef: { name: "gone" } }]),
      /no ConfigMap gone/,
    ],
    [
      "a policy for nobody",
      "NetworkPolicy",
      "saf-to-nats",
      (o) => void ((o.spec as { podSelector: object }).podSelector = { matchLabels: { app: "x" } }),
      /no pod bears/,
    ],
    [
      "no limits",
      "StatefulSet",
      "nats",
      (o) => void delete (containerOf(o) as unknown as Record<string, unknown>)["resources"],
      /memory/,
    ],
  ];
  for (const [what, kind, name, spoil, complaint] of faults) {
    test(what, () => {
      const objects = objectsOf("overlays/local");
      const object = objects.find((candidate) => candidate.kind === kind && candidate.metadata.name === name);
      spoil(object as KubeObject);
      assert.match(policyProblems(objects).join("\n"), complaint);
    });
  }

  test("an exit code that the failure policy forgets", () => {
    const objects = objectsOf("runs/train");
    const job = objects.find(({ metadata }) => metadata.name === "train-coordinator") as KubeObject;
    (job.spec as JobSpec).podFailurePolicy?.rules.at(-1)?.onExitCodes?.values.pop();
    assert.match(policyProblems(objects).join("\n"), /gives up on 2, 3, 4, 6, not on 2, 3, 4, 6, 7/);
  });
});

/** What the compiler says about the objects as literals of the models' types: fields that there are not. */
function compileProblems(objects: readonly KubeObject[]): string[] {
  const folder = join(ROOT, "dist", "test", "typed-manifests");
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `manifests-${process.pid}.ts`);
  const kinds = [...new Set(objects.map(({ kind }) => kind))].filter(isModelled);
  const lines = [
    ...kinds.map((kind) => `import type { I${kind} } from "${MODULES[kind]}";`),
    ...objects.map((object, i) => `export const object${i}: I${object.kind} = ${JSON.stringify(object)};`),
  ];
  writeFileSync(file, lines.join("\n"));
  try {
    const program = ts.createProgram([file], {
      ...{ noEmit: true, strict: true, skipLibCheck: true, types: [] },
      ...{ module: ts.ModuleKind.NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext },
      target: ts.ScriptTarget.ES2023,
    });
    return ts
      .getPreEmitDiagnostics(program)
      .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, "\n"));
  } finally {
    if (existsSync(file)) rmSync(file);
  }
}
