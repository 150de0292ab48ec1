/** What controllers and kubelet read of the workloads' specs. */
import type { KubeObject } from "./objects.js";

export interface Probe {
  httpGet?: { path: string; port: string | number };
  periodSeconds?: number;
  timeoutSeconds?: number;
  failureThreshold?: number;
}

export interface EnvVar {
  name: string;
  value?: string;
  valueFrom?: {
    fieldRef?: { fieldPath: string };
    configMapKeyRef?: { name: string; key: string; optional?: boolean };
    secretKeyRef?: { name: string; key: string; optional?: boolean };
  };
}

export interface Container {
  name: string;
  image: string;
  command?: string[];
  args?: string[];
  env?: EnvVar[];
  envFrom?: { configMapRef?: { name: string } }[];
  ports?: { name?: string; containerPort: number }[];
  startupProbe?: Probe;
  readinessProbe?: Probe;
  livenessProbe?: Probe;
  lifecycle?: { preStop?: { exec?: { command: string[] } } };
  volumeMounts?: { name: string; mountPath: string }[];
}

export interface Volume {
  name: string;
  emptyDir?: object;
  configMap?: { name: string; optional?: boolean; items?: { key: string; path: string }[] };
  secret?: { secretName: string; optional?: boolean; items?: { key: string; path: string }[] };
  persistentVolumeClaim?: { claimName: string };
}

export interface PodSpec {
  restartPolicy?: "Always" | "Never" | "OnFailure";
  terminationGracePeriodSeconds?: number;
  hostname?: string;
  containers: Container[];
  volumes?: Volume[];
}

export interface PodTemplate {
  metadata?: { labels?: Record<string, string>; annotations?: Record<string, string> };
  spec: PodSpec;
}

export interface Terminated {
  exitCode: number;
  finishedAt: string;
}

export interface PodStatus {
  phase: "Pending" | "Running" | "Succeeded" | "Failed";
  podIP?: string;
  conditions?: { type: string; status: "True" | "False"; reason?: string }[];
  containerStatuses?: {
    name: string;
    ready: boolean;
    started: boolean;
    restartCount: number;
    state: { running?: { startedAt: string }; terminated?: Terminated; waiting?: { reason: string } };
    lastState?: { terminated?: Terminated };
  }[];
}

export interface StatefulSetSpec {
  replicas?: number;
  template: PodTemplate;
  volumeClaimTemplates?: { metadata: { name: string }; spec: unknown }[];
}

export interface FailureRule {
  action: "Ignore" | "FailJob" | "FailIndex" | "Count";
  onExitCodes?: { containerName?: string; operator: "In" | "NotIn"; values: number[] };
  onPodConditions?: { type: string; status?: string }[];
}

export interface JobSpec {
  completionMode?: "Indexed" | "NonIndexed";
  completions?: number;
  parallelism?: number;
  backoffLimit?: number;
  backoffLimitPerIndex?: number;
  podFailurePolicy?: { rules: FailureRule[] };
  successPolicy?: { rules: { succeededCount?: number }[] };
  template: PodTemplate;
}

export const podSpec = (pod: KubeObject): PodSpec => pod.spec as PodSpec;
export const podStatus = (pod: KubeObject): PodStatus =>
  (pod.status as PodStatus | undefined) ?? { phase: "Pending" };

export function isOver(pod: KubeObject): boolean {
  return ["Succeeded", "Failed"].includes(podStatus(pod).phase);
}

export function isReady(pod: KubeObject): boolean {
  const { conditions = [] } = podStatus(pod);
  return conditions.some(({ type, status }) => type === "Ready" && status === "True");
}

export function exitCodeOfPod(pod: KubeObject): number | undefined {
  return podStatus(pod).containerStatuses?.[0]?.state.terminated?.exitCode;
}
