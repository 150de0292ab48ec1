/** StatefulSets and Jobs become pods: the controllers' rules that our manifests rely on, without their pauses. */
import { createHash, randomBytes } from "node:crypto";
import type { KubeObject, Metadata } from "./objects.js";
import type { Store } from "./store.js";
import {
  type FailureRule,
  type JobSpec,
  type PodTemplate,
  type StatefulSetSpec,
  exitCodeOfPod,
  isOver,
  isReady,
  podSpec,
  podStatus,
} from "./workloads.js";

const INDEX = "batch.kubernetes.io/job-completion-index";
const REVISION = "controller-revision-hash";
const CONTROLLER = "batch.kubernetes.io/controller-uid";

/** What a Job has come to so far. Kept beside the pods, which go. */
interface JobRecord {
  counted: Set<string>;
  succeeded: Set<number>;
  failedIndexes: Set<number>;
  failures: Map<number, number>;
  ended: { type: "Complete" | "Failed"; reason: string } | undefined;
}

export class Controllers {
  readonly #store: Store;
  readonly #jobs = new Map<string, JobRecord>();
  #due = false;
  readonly #stop: () => void;

  constructor(store: Store) {
    this.#store = store;
    this.#stop = store.onChange(({ type, object }) => {
      // A pod that goes is counted by what it last was.
      if (type !== "ADDED" && object.kind === "Pod") this.#count(object);
      this.#schedule();
    });
  }

  stop(): void {
    this.#stop();
    this.#due = true;
  }

  #schedule(): void {
    if (this.#due) return;
    this.#due = true;
    setImmediate(() => {
      this.#due = false;
      for (const set of this.#store.list("StatefulSet")) this.#serveStatefulSet(set);
      for (const job of this.#store.list("Job")) this.#serveJob(job);
    });
  }

  // ---- StatefulSets ---------------------------------------------------------------------------------------------

  #serveStatefulSet(set: KubeObject): void {
    const { replicas = 1, template, volumeClaimTemplates = [] } = set.spec as StatefulSetSpec;
    const { name, namespace } = set.metadata;
    const revision = `${name}-${createHash("sha256").update(JSON.stringify(template)).digest("hex").slice(0, 10)}`;
    const own = this.#store.list("Pod", namespace).filter((pod) => isOwnedBy(pod, set));
    for (let ordinal = 0; ordinal < replicas; ordinal++) {
      const podName = `${name}-${ordinal}`;
      const pod = own.find(({ metadata }) => metadata.name === podName);
      if (pod !== undefined) {
        const isOld = pod.metadata.labels?.[REVISION] !== revision;
        if ((isOld || isOver(pod)) && pod.metadata.deletionTimestamp === undefined)
          this.#store.delete("Pod", podName, namespace);
        continue;
      }
      const claims = volumeClaimTemplates.map(({ metadata, spec }) => {
        const claimName = `${metadata.name}-${podName}`;
        if (this.#store.get("PersistentVolumeClaim", claimName, namespace) === undefined)
          this.#store.create({
            ...{ apiVersion: "v1", kind: "PersistentVolumeClaim", spec },
            metadata: { name: claimName, ...(namespace === undefined ? {} : { namespace }) },
          });
        return { name: metadata.name, persistentVolumeClaim: { claimName } };
      });
      this.#createPod(set, template, podName, {
        labels: { [REVISION]: revision, "apps.kubernetes.io/pod-index": String(ordinal) },
        hostname: podName,
        claims,
      });
    }
    for (const pod of own) {
      const ordinal = Number(pod.metadata.name.slice(name.length + 1));
      if (ordinal >= replicas && pod.metadata.deletionTimestamp === undefined)
        this.#store.delete("Pod", pod.metadata.name, namespace);
    }
    const now = this.#store.list("Pod", namespace).filter((pod) => isOwnedBy(pod, set));
    const updated = now.filter(({ metadata }) => metadata.labels?.[REVISION] === revision).length;
    this.#store.update("StatefulSet", name, namespace, (object) => {
      object.status = {
        observedGeneration: set.metadata.generation,
        replicas: now.length,
        readyReplicas: now.filter(isReady).length,
        availableReplicas: now.filter(isReady).length,
        currentReplicas: updated,
        updatedReplicas: updated,
        currentRevision: revision,
        updateRevision: revision,
      };
    });
  }

  // ---- Jobs -----------------------------------------------------------------------------------------------------

  #serveJob(job: KubeObject): void {
    const spec = job.spec as JobSpec;
    const { name, namespace } = job.metadata;
    const record = this.#recordOf(job.metadata.uid as string);
    const pods = this.#store.list("Pod", namespace).filter((pod) => isOwnedBy(pod, job));
    for (const pod of pods) this.#count(pod);
    this.#judge(spec, record);
    const active = pods.filter((pod) => !isOver(pod));
    if (record.ended !== undefined) {
      for (const pod of active) {
        if (pod.metadata.deletionTimestamp === undefined)
          this.#store.delete("Pod", pod.metadata.name, namespace);
      }
    } else this.#createPodsOfJob(job, spec, record, active);
    this.#store.update("Job", name, namespace, (object) => {
      object.status = jobStatus(record, active.length, object);
    });
  }

  #createPodsOfJob(job: KubeObject, spec: JobSpec, record: JobRecord, active: readonly KubeObject[]): void {
    const { completions = 1, parallelism = 1 } = spec;
    const isIndexed = spec.completionMode === "Indexed";
    const { name } = job.metadata;
    // Where pods are replaced once they have ended: those on their way out still hold their index.
    const held = new Set(active.map(indexOf));
    let room = parallelism - active.length;
    for (let index = 0; index < completions && room > 0; index++) {
      if (held.has(index) || record.succeeded.has(index) || record.failedIndexes.has(index)) continue;
      room--;
      const suffix = randomBytes(3).toString("hex").slice(0, 5);
      this.#createPod(job, spec.template, isIndexed ? `${name}-${index}-${suffix}` : `${name}-${suffix}`, {
        labels: {
          [CONTROLLER]: job.metadata.uid as string,
          "batch.kubernetes.io/job-name": name,
          ...(isIndexed ? { [INDEX]: String(index) } : {}),
        },
        ...(isIndexed ? { annotations: { [INDEX]: String(index) }, hostname: `${name}-${index}` } : {}),
      });
    }
  }

  /** Once for each pod, when it has ended. */
  #count(pod: KubeObject): void {
    const owner = pod.metadata.ownerReferences?.find(({ kind }) => kind === "Job");
    const uid = pod.metadata.uid as string;
    if (owner === undefined || !isOver(pod)) return;
    const record = this.#recordOf(owner.uid);
    if (record.counted.has(uid) || record.ended !== undefined) return;
    const job = this.#store.get("Job", owner.name, pod.metadata.namespace);
    if (job?.metadata.uid !== owner.uid) return;
    record.counted.add(uid);
    const index = indexOf(pod);
    if (podStatus(pod).phase === "Succeeded") {
      record.succeeded.add(index);
      return;
    }
    const action = actionFor(pod, (job.spec as JobSpec).podFailurePolicy?.rules ?? []);
    if (action === "Ignore") return;
    if (action === "FailJob") record.ended = { type: "Failed", reason: "PodFailurePolicy" };
    else if (action === "FailIndex") record.failedIndexes.add(index);
    else record.failures.set(index, (record.failures.get(index) ?? 0) + 1);
  }

  #judge(spec: JobSpec, record: JobRecord): void {
    if (record.ended !== undefined) return;
    const { completions = 1, backoffLimit = 6, backoffLimitPerIndex, successPolicy } = spec;
    const failures = [...record.failures.values()].reduce((sum, count) => sum + count, 0);
    if (backoffLimitPerIndex === undefined) {
      if (failures > backoffLimit) record.ended = { type: "Failed", reason: "BackoffLimitExceeded" };
    } else {
      for (const [index, count] of record.failures)
        if (count > backoffLimitPerIndex) record.failedIndexes.add(index);
    }
    const enough = successPolicy?.rules.some(
      ({ succeededCount = completions }) => record.succeeded.size >= succeededCount,
    );
    if (enough === true) record.ended ??= { type: "Complete", reason: "SuccessPolicy" };
    else if (record.succeeded.size >= completions)
      record.ended ??= { type: "Complete", reason: "CompletionsReached" };
    else if (record.succeeded.size + record.failedIndexes.size >= completions)
      record.ended ??= { type: "Failed", reason: "FailedIndexes" };
  }

  #recordOf(uid: string): JobRecord {
    let record = this.#jobs.get(uid);
    if (record === undefined) {
      record = {
        ...{ counted: new Set(), succeeded: new Set(), failedIndexes: new Set(), failures: new Map() },
        ended: undefined,
      };
      this.#jobs.set(uid, record);
    }
    return record;
  }

  // ---- Pods -----------------------------------------------------------------------------------------------------

  #createPod(
    owner: KubeObject,
    template: PodTemplate,
    name: string,
    more: {
      labels: Record<string, string>;
      annotations?: Record<string, string>;
      hostname?: string;
      claims?: { name: string; persistentVolumeClaim: { claimName: string } }[];
    },
  ): void {
    const { namespace, uid } = owner.metadata;
    const metadata: Metadata = {
      name,
      ...(namespace === undefined ? {} : { namespace }),
      labels: { ...template.metadata?.labels, ...more.labels },
      annotations: { ...template.metadata?.annotations, ...more.annotations },
      ownerReferences: [
        {
          ...{ apiVersion: owner.apiVersion, kind: owner.kind, controller: true },
          ...{ name: owner.metadata.name, uid: uid as string },
        },
      ],
    };
    const spec = structuredClone(template.spec);
    spec.volumes = [...(spec.volumes ?? []), ...(more.claims ?? [])];
    if (more.hostname !== undefined) spec.hostname = more.hostname;
    this.#store.create({ apiVersion: "v1", kind: "Pod", metadata, spec, status: { phase: "Pending" } });
  }
}

function isOwnedBy(pod: KubeObject, owner: KubeObject): boolean {
  return pod.metadata.ownerReferences?.some(({ uid }) => uid === owner.metadata.uid) ?? false;
}

function indexOf(pod: KubeObject): number {
  return Number(pod.metadata.annotations?.[INDEX] ?? 0);
}

/** The first rule that fits says what a failed pod means. */
function actionFor(pod: KubeObject, rules: readonly FailureRule[]): FailureRule["action"] {
  const { conditions = [] } = podStatus(pod);
  const code = exitCodeOfPod(pod);
  const names = podSpec(pod).containers.map(({ name }) => name);
  for (const { action, onExitCodes, onPodConditions } of rules) {
    const isCondition = onPodConditions?.some(({ type, status = "True" }) =>
      conditions.some((condition) => condition.type === type && condition.status === status),
    );
    if (isCondition === true) return action;
    if (onExitCodes === undefined || code === undefined || code === 0) continue;
    if (onExitCodes.containerName !== undefined && !names.includes(onExitCodes.containerName)) continue;
    if (onExitCodes.values.includes(code) === (onExitCodes.operator === "In")) return action;
  }
  return "Count";
}

function jobStatus(record: JobRecord, active: number, job: KubeObject): object {
  const before = (job.status as { startTime?: string; conditions?: object[] } | undefined) ?? {};
  const now = new Date().toISOString();
  const { ended } = record;
  const conditions =
    before.conditions ??
    (ended === undefined
      ? undefined
      : [{ ...ended, status: "True", lastTransitionTime: now, message: ended.reason }]);
  const failed = [...record.failures.values()].reduce((sum, count) => sum + count, 0);
  return {
    startTime: before.startTime ?? now,
    active,
    succeeded: record.succeeded.size,
    failed,
    ...(conditions === undefined ? {} : { conditions }),
  };
}
