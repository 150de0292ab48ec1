/** Runs on Kubernetes, from the rendered manifests alone: real commands, environment, probes, signals; real kubectl. */
import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { stringify } from "yaml";
import type { ResultsDocument } from "../../coordinator/runs/results-document.js";
import { temporaryDirectory, testConfig } from "../support/cluster.js";
import { kubectlProblem } from "../support/kube/kubectl.js";
import { type Kubernetes, startKubernetes } from "../support/kube/kubernetes.js";
import type { KubeObject } from "../support/kube/objects.js";
import { exitCodeOfPod, isOver, isReady, type PodStatus } from "../support/kube/workloads.js";
import { saf } from "../support/saf.js";

const LIMIT = { timeout: 1_200_000 };
const SKIP =
  kubectlProblem() ?? (process.platform === "linux" ? false : "needs all of 127.0.0.0/8, as on Linux");

/** Everywhere the same engine, and one that every machine has. */
const ENGINE = { SAF_ENGINE: "wasm" };
/** Where what is tested is not what is computed: made-up gradients, at the pace of real ones. */
const EMULATED = { SAF_ENGINE: "emulated", SAF_COMPUTE_MS: "30" };
const STEPS = 60;

const RUN_YAML = stringify(
  testConfig({
    name: "tiny",
    seed: 11,
    train: { max_steps: STEPS, limit_images: 4000, checkpoint_every_steps: 20 },
    evaluate: { kinds: ["clean"] },
  }),
);
const EMULATED_YAML = `engine: emulated\n${RUN_YAML}`;
/** A busy machine is no dead worker. */
const POOL = ["SAF_POOL_HEARTBEAT_MS=5000", "SAF_POOL_MIN_WORKERS=2"];
/** More is measured; what decides the weights is the same. */
const EVALUATE_YAML = RUN_YAML.replace(
  "- clean",
  "- clean\n    - noisy\n  strengths:\n    - 0.1\n    - 0.3\n  images: 100",
);

/** What the same file gives on this machine without Kubernetes. */
async function laptopHash(yaml: string, engine: "wasm" | "emulated"): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "saf-laptop-"));
  try {
    await writeFile(join(folder, "run.yaml"), yaml);
    const args = [
      ...["train", "-c", "run.yaml", "--engine", engine, "--workers", "1", "--json", "--progress", "none"],
      ...["--set", "pool.heartbeat_ms=5000", "--set", "pool.compute_ms=2"],
    ];
    const run = await saf(args, { cwd: folder, limitMs: 400_000 });
    assert.equal(run.code, 0, run.stderr);
    const hash = (JSON.parse(run.stdout) as ResultsDocument).weights_sha256["tiny"];
    assert.ok(hash, "the laptop run has no weights");
    return hash;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function generated(name: string, file: string): object {
  return {
    configMapGenerator: [
      { name, namespace: "saf", behavior: "merge", files: [file], literals: ["name=tiny"] },
      { name: "saf-env", namespace: "saf", behavior: "merge", literals: POOL },
    ],
  };
}

async function metric(kube: Kubernetes, pod: string, name: string): Promise<number> {
  try {
    const response = await fetch(`http://${kube.kubelet.addressOf(pod)}:9464/metrics`);
    const text = await response.text();
    return Number(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)`, "m").exec(text)?.[1] ?? Number.NaN);
  } catch {
    return Number.NaN;
  }
}

const living = (pods: readonly KubeObject[]): KubeObject[] =>
  pods.filter((pod) => !isOver(pod) && pod.metadata.deletionTimestamp === undefined);

function endingOf(
  kube: Kubernetes,
  pod: string,
): { exitCode: number; ms: number; graceMs: number; wasKilled: boolean } {
  const ending = kube.kubelet.endings.find((candidate) => candidate.pod === pod);
  assert.ok(ending !== undefined, `${pod} was not ended: ${JSON.stringify(kube.kubelet.endings)}`);
  return ending;
}

test(
  "a run as two Jobs: a worker preempted, a coordinator moved, one worker more; the weights are a laptop's",
  { ...LIMIT, skip: SKIP },
  async (t) => {
    const expected = await laptopHash(RUN_YAML, "wasm");
    const kube = await startKubernetes(t, { environment: ENGINE });
    const began = performance.now();
    const train = kube.overlay("train", ["k8s/runs/train"], generated("train-run", "run.yaml"), {
      "run.yaml": RUN_YAML,
    });
    await kube.kubectl("apply", "-k", train);
    const out = join(kube.kubelet.claimFolder("saf-runs"), "runs", "tiny");

    const step = async (): Promise<number> => {
      const [pod] = living(kube.pods("coordinator"));
      return pod === undefined ? Number.NaN : metric(kube, pod.metadata.name, "saf_parameter_version");
    };
    await kube.until("the first coordinator trains", async () => (await step()) >= 3);
    const log = kube.tryKubectl(["-n", "saf", "logs", "-f", "job/train-coordinator"]);
    const first = living(kube.pods("coordinator"))[0] as KubeObject;
    const map = kube.store.list("ConfigMap").find(({ metadata }) => metadata.name.startsWith("train-run-"));
    assert.equal((map?.["data"] as Record<string, string>)["run.yaml"], RUN_YAML, "not the laptop's file");

    // A node is taken away under a worker.
    const preempted = living(kube.pods("worker"))[0] as KubeObject;
    kube.kubelet.preempt(preempted.metadata.name, "saf");
    await kube.until("the worker is replaced", () => {
      const workers = living(kube.pods("worker"));
      return workers.length === 2 && !workers.some(({ metadata }) => metadata.uid === preempted.metadata.uid);
    });
    const worker = endingOf(kube, preempted.metadata.name);
    assert.deepEqual([worker.exitCode, worker.wasKilled], [143, false]);

    // … and under the coordinator: it leaves a checkpoint, the next one goes on from there.
    kube.kubelet.preempt(first.metadata.name, "saf");
    await kube.until("the coordinator is replaced", () =>
      living(kube.pods("coordinator")).some(({ metadata }) => metadata.uid !== first.metadata.uid),
    );
    const coordinator = endingOf(kube, first.metadata.name);
    assert.deepEqual([coordinator.exitCode, coordinator.wasKilled], [143, false]);

    await kube.kubectl(
      ...["-n", "saf", "patch", "job", "train-worker", "-p", '{"spec":{"parallelism":3,"completions":3}}'],
    );
    await kube.kubectl(
      "-n",
      "saf",
      "wait",
      "--for=condition=complete",
      "job/train-coordinator",
      "--timeout=400s",
    );
    const seconds = (performance.now() - began) / 1000;
    const results = JSON.parse(readFileSync(join(out, "results.json"), "utf8")) as ResultsDocument;
    assert.equal(results.weights_sha256["tiny"], expected);
    assert.equal(results.interrupted, false);

    // kubectl showed the first coordinator's log to its end, and said when it was told to stop.
    const { code, stdout } = await log;
    assert.equal(code, 0);
    assert.match(stdout, /"msg":"training \d+ of 60, loss/);
    // The workers were dismissed, and the Job is complete with them.
    await kube.kubectl("-n", "saf", "wait", "--for=condition=complete", "job/train-worker", "--timeout=60s");
    for (const pod of kube.pods("worker").filter(isOver)) {
      const { name } = pod.metadata;
      const said = await kube.tryKubectl(["-n", "saf", "logs", name]);
      assert.equal(exitCodeOfPod(pod), 0, `${name}:\n${said.stdout.slice(-2000)}`);
    }
    for (const { pod, ms, graceMs } of kube.kubelet.endings)
      assert.ok(ms < graceMs / 2, `${pod} took ${ms} ms of ${graceMs}`);
    assert.ok(kube.kubelet.started.length >= 5, `probes were answered by ${kube.kubelet.started.join(", ")}`);

    // Measuring more is a run of its own on the same claim.
    const evaluate = kube.overlay("evaluate", ["k8s/runs/evaluate"], generated("train-run", "run.yaml"), {
      "run.yaml": EVALUATE_YAML,
    });
    await kube.kubectl("apply", "-k", evaluate);
    await kube.kubectl(
      "-n",
      "saf",
      "wait",
      "--for=condition=complete",
      "job/evaluate-coordinator",
      "--timeout=400s",
    );
    const measured = JSON.parse(readFileSync(join(out, "results.json"), "utf8")) as ResultsDocument;
    assert.equal(measured.weights_sha256["tiny"], expected);
    assert.ok(
      JSON.stringify(measured.models).includes("noisy"),
      JSON.stringify(measured.models).slice(0, 500),
    );
    assert.ok(existsSync(join(out, "report.html")));
    t.diagnostic(
      `train with two moves ${seconds.toFixed(1)} s; worker ended in ${worker.ms.toFixed(0)} ms of ${worker.graceMs}, coordinator in ${coordinator.ms.toFixed(0)} ms of ${coordinator.graceMs}`,
    );
  },
);

test(
  "the shared cluster: ready, scaled, a worker killed, a coordinator that stays; all end in time",
  { ...LIMIT, skip: SKIP },
  async (t) => {
    const kube = await startKubernetes(t, { environment: EMULATED });
    const local = kube.overlay("local", ["k8s/overlays/local"], generated("run", "run.yaml"), {
      "run.yaml": EMULATED_YAML,
    });
    await kube.kubectl("apply", "-k", local);
    await kube.kubectl("-n", "saf", "rollout", "status", "statefulset/coordinator", "--timeout=300s");
    await kube.kubectl("-n", "saf", "rollout", "status", "statefulset/worker", "--timeout=300s");
    assert.match(await kube.kubectl("apply", "-k", local), /statefulset\.apps\/worker unchanged/);

    await kube.kubectl("-n", "saf", "scale", "statefulset/worker", "--replicas=3");
    await kube.until("three workers are ready", () => kube.pods("worker").filter(isReady).length === 3);
    assert.deepEqual(
      kube
        .pods("worker")
        .map(({ metadata }) => metadata.name)
        .sort(),
      ["worker-0", "worker-1", "worker-2"],
    );
    kube.kubelet.kill("worker-1", "SIGKILL");

    const out = join(kube.kubelet.claimFolder("runs-coordinator-0"), "runs", "tiny");
    await kube.until("the run is done", () => existsSync(join(out, "results.json")));
    await kube.until("the killed worker is back", () => kube.pods("worker").filter(isReady).length === 3);
    // It stays, and tells.
    const url = `http://${kube.kubelet.addressOf("coordinator-0")}:9464`;
    assert.equal((await fetch(`${url}/readyz`)).status, 200);
    assert.ok((await metric(kube, "coordinator-0", "saf_workers")) >= 0);
    const logs = await kube.kubectl("-n", "saf", "logs", "coordinator-0");
    for (const id of ["worker-0", "worker-1", "worker-2"])
      assert.match(logs, new RegExp(`Worker ${id} joined`));

    await kube.kubectl("-n", "saf", "scale", "statefulset/worker", "--replicas=1");
    await kube.until("one worker is left", () => kube.pods("worker").length === 1);
    assert.deepEqual([endingOf(kube, "worker-2").exitCode, endingOf(kube, "worker-1").exitCode], [143, 143]);

    await kube.kubectl("delete", "-k", local);
    await kube.until("nothing is left", () => kube.store.list("Pod").length === 0);
    assert.equal(endingOf(kube, "coordinator-0").exitCode, 0, "all runs were done");
    for (const { pod, ms, graceMs, wasKilled } of kube.kubelet.endings) {
      assert.equal(wasKilled, false, pod);
      assert.ok(ms < graceMs / 2, `${pod} took ${ms} ms of ${graceMs}`);
    }
    t.diagnostic(
      kube.kubelet.endings
        .map(({ pod, ms, exitCode }) => `${pod} ${exitCode} after ${ms.toFixed(0)} ms`)
        .join(", "),
    );
  },
);

test(
  "with credentials: what is missing is said, then they come, and NATS dies under the run; the weights are a laptop's",
  { ...LIMIT, skip: SKIP },
  async (t) => {
    const folder = await temporaryDirectory(t);
    const expected = await laptopHash(EMULATED_YAML, "emulated");
    const kube = await startKubernetes(t, { environment: EMULATED });
    const more = { ...generated("run", "run.yaml"), components: [kube.path("k8s/components/nats-auth")] };
    const cluster = kube.overlay("auth", ["k8s/base"], more, { "run.yaml": EMULATED_YAML });
    await kube.kubectl("apply", "-k", cluster);

    const lastExit = (pod: string): number | undefined => {
      const status = kube.store.get("Pod", pod, "saf")?.status as PodStatus | undefined;
      return status?.containerStatuses?.[0]?.lastState?.terminated?.exitCode;
    };
    await kube.until("a worker and the coordinator have said what they miss", () =>
      ["worker-0", "coordinator-0"].every((pod) => lastExit(pod) === 2),
    );
    const missing = await kube.kubectl("-n", "saf", "logs", "worker-0");
    assert.match(missing, /^saf: Cannot read the NATS credentials \S+worker-0\.creds: the file is missing$/m);
    assert.match(await kube.kubectl("-n", "saf", "logs", "nats-0"), /auth\.conf: no such file/);

    const made = await saf(["creds", "init", "--dir", "keys", "--pool", "shared"], { cwd: folder });
    assert.equal(made.code, 0, made.stderr);
    const args = ["creds", "kubernetes", "--dir", "keys", "--workers", "2", "--namespace", "saf"];
    const { stdout: secrets } = await saf(args, { cwd: folder });
    const given = await kube.tryKubectl(["apply", "-f", "-"], secrets);
    assert.equal(given.code, 0, given.stderr);

    await kube.until(
      "it trains",
      async () => (await metric(kube, "coordinator-0", "saf_parameter_version")) >= 3,
    );
    const before = kube
      .pods("worker")
      .map((pod) => (pod.status as PodStatus).containerStatuses?.[0]?.restartCount);
    kube.kubelet.kill("nats-0", "SIGKILL");
    const out = join(kube.kubelet.claimFolder("runs-coordinator-0"), "runs", "tiny");
    await kube.until("the run is done", () => existsSync(join(out, "results.json")));
    const results = JSON.parse(readFileSync(join(out, "results.json"), "utf8")) as ResultsDocument;
    assert.equal(results.weights_sha256["tiny"], expected);
    const after = kube
      .pods("worker")
      .map((pod) => (pod.status as PodStatus).containerStatuses?.[0]?.restartCount);
    assert.deepEqual(after, before, "a worker did not live through the loss of NATS");
    assert.ok(((kube.pods("nats")[0]?.status as PodStatus).containerStatuses?.[0]?.restartCount ?? 0) >= 1);
    // Nothing that a pod may write holds a seed.
    const logs = kube.store.list("Pod").map(({ metadata }) => kube.kubelet.logOf(metadata.name)?.text ?? "");
    assert.doesNotMatch(logs.join("\n"), /SU[A-Z2-7]{56}|BEGIN USER NKEY SEED/);
  },
);

test(
  "a run.yaml that is wrong: the Job fails at once and for good, and its log says where",
  { ...LIMIT, skip: SKIP },
  async (t) => {
    const kube = await startKubernetes(t, { environment: EMULATED });
    const wrong = EMULATED_YAML.replace("batch_size", "batch_sise");
    const train = kube.overlay("wrong", ["k8s/runs/train"], generated("train-run", "run.yaml"), {
      "run.yaml": wrong,
    });
    await kube.kubectl("apply", "-k", train);
    await kube.kubectl(
      "-n",
      "saf",
      "wait",
      "--for=condition=failed",
      "job/train-coordinator",
      "--timeout=400s",
    );
    const pods = kube.pods("coordinator");
    assert.deepEqual(pods.map(exitCodeOfPod), [2], "it was tried again");
    const log = await kube.kubectl("-n", "saf", "logs", "job/train-coordinator");
    assert.match(log, /:\d+:\d+: unknown key "batch_sise" — did you mean "batch_size"\?/);
    const reason = "jsonpath={.status.conditions[0].reason}";
    assert.equal(
      await kube.kubectl("-n", "saf", "get", "job", "train-coordinator", "-o", reason),
      "PodFailurePolicy",
    );
  },
);

test(
  "everything taken away in mid-training: a checkpoint is left, and nobody has to be killed",
  { ...LIMIT, skip: SKIP },
  async (t) => {
    const kube = await startKubernetes(t, { environment: EMULATED });
    const long = EMULATED_YAML.replace(`max_steps: ${STEPS}`, "max_steps: 100000").replace(
      " epochs: 1\n",
      " epochs: 1000\n",
    );
    const local = kube.overlay("local", ["k8s/overlays/local"], generated("run", "run.yaml"), {
      "run.yaml": long,
    });
    await kube.kubectl("apply", "-k", local);
    await kube.until(
      "it trains",
      async () => (await metric(kube, "coordinator-0", "saf_parameter_version")) >= 3,
    );
    await kube.kubectl("delete", "-k", local);
    await kube.until("nothing is left", () => kube.store.list("Pod").length === 0);
    const said = kube.kubelet.endings
      .map(({ pod, exitCode, ms }) => `${pod} ${exitCode} ${ms.toFixed(0)} ms`)
      .join(", ");
    for (const [pod, code] of [
      ["coordinator-0", 143],
      ["worker-0", 143],
      ["worker-1", 143],
    ] as const)
      assert.equal(endingOf(kube, pod).exitCode, code, said);
    for (const { ms, graceMs, wasKilled } of kube.kubelet.endings)
      assert.ok(!wasKilled && ms < graceMs / 2, said);
    const checkpoints = join(kube.kubelet.claimFolder("runs-coordinator-0"), "runs", "tiny", "checkpoints");
    assert.ok(
      readdirSync(checkpoints).some((name) => name.startsWith("step-")),
      said,
    );
    t.diagnostic(said);
  },
);
