/** What our manifests must hold to beyond their form. Each check gives one line for each thing that is wrong. */
import { knownVariables } from "../../../deploy/cli/environment.js";
import { POOL_VARIABLES } from "../../../deploy/cli/pool-options.js";
import { createProgram } from "../../../deploy/cli/program.js";
import { EXIT_CODES } from "../../../shared/errors.js";
import { type KubeObject, bears, isObject } from "./objects.js";
import type {
  Container,
  FailureRule,
  JobSpec,
  PodSpec,
  PodTemplate,
  Probe,
  StatefulSetSpec,
} from "./workloads.js";

interface Workload {
  where: string;
  object: KubeObject;
  labels: Record<string, string>;
  spec: PodSpec & Record<string, unknown>;
}

/** Failures after which another try may help: something unexpected, a dependency that was away. */
const RETRIED = [EXIT_CODES.unexpected, EXIT_CODES.dependency];
const SIGNALLED = [130, 143];
const VOLUME_KINDS = ["configMap", "emptyDir", "secret", "persistentVolumeClaim", "projected", "downwardAPI"];
const MAX_CONFIG_MAP_BYTES = 1024 * 1024;
const PROBED_PATHS = ["/healthz", "/readyz", "/healthz?js-server-only=true", "/healthz?js-enabled-only=true"];

export function policyProblems(objects: readonly KubeObject[]): string[] {
  const workloads = workloadsIn(objects);
  return [
    ...workloads.flatMap(securityProblems),
    ...workloads.flatMap(containerProblems),
    ...workloads.flatMap((workload) => referenceProblems(workload, objects)),
    ...objects.filter(({ kind }) => kind === "Job").flatMap(failurePolicyProblems),
    ...objects.flatMap((object) => selectorProblems(object, objects, workloads)),
    ...objects.flatMap(objectProblems),
    ...variableProblems(objects, workloads),
  ];
}

function workloadsIn(objects: readonly KubeObject[]): Workload[] {
  return objects.flatMap((object) => {
    const where = `${object.kind}/${object.metadata.name}`;
    if (object.kind === "Pod")
      return [{ where, object, labels: object.metadata.labels ?? {}, spec: object.spec as Workload["spec"] }];
    const { template } = (object.spec ?? {}) as { template?: PodTemplate };
    if (template === undefined) return [];
    return [
      { where, object, labels: template.metadata?.labels ?? {}, spec: template.spec as Workload["spec"] },
    ];
  });
}

/** The standard "restricted", and a root file system that cannot be written. */
function securityProblems({ where, spec }: Workload): string[] {
  const pod = (spec["securityContext"] ?? {}) as Record<string, unknown>;
  const wrong: string[] = [];
  const must = (isSo: boolean, what: string): void => void (isSo || wrong.push(`${where}: ${what}`));
  must(pod["runAsNonRoot"] === true, "runAsNonRoot is not true");
  must(Number(pod["runAsUser"]) > 0, "runAsUser is not a number above 0");
  must(
    (pod["seccompProfile"] as { type?: string } | undefined)?.type === "RuntimeDefault",
    "no seccomp profile",
  );
  must(spec["automountServiceAccountToken"] === false, "a token of the API server is mounted");
  must(spec["enableServiceLinks"] === false, "names of Services get into the environment");
  must(spec["serviceAccountName"] === "saf", "it does not run as the account without rights");
  for (const key of ["hostNetwork", "hostPID", "hostIPC"]) must(spec[key] === undefined, `${key} is set`);
  for (const { name, ...volume } of spec.volumes ?? []) {
    const [kind = "none"] = Object.keys(volume);
    must(VOLUME_KINDS.includes(kind), `volume ${name} is a ${kind}`);
  }
  for (const container of spec.containers) {
    const context = ((container as unknown as Record<string, unknown>)["securityContext"] ?? {}) as Record<
      string,
      unknown
    >;
    const { drop, add } = (context["capabilities"] ?? {}) as { drop?: string[]; add?: string[] };
    must(context["allowPrivilegeEscalation"] === false, `${container.name} may escalate`);
    must(context["readOnlyRootFilesystem"] === true, `${container.name} may write its root`);
    must(drop?.includes("ALL") === true && add === undefined, `${container.name} keeps capabilities`);
    must(context["privileged"] === undefined, `${container.name} is privileged`);
  }
  return wrong;
}

function containerProblems({ where, spec, object }: Workload): string[] {
  return spec.containers.flatMap((container) => {
    const wrong: string[] = [];
    const must = (isSo: boolean, what: string): void =>
      void (isSo || wrong.push(`${where}/${container.name}: ${what}`));
    const { requests = {}, limits = {} } =
      (container as unknown as { resources?: Record<string, Record<string, string>> }).resources ?? {};
    must(requests["cpu"] !== undefined, "no request of cpu");
    must(
      requests["memory"] !== undefined && requests["memory"] === limits["memory"],
      "memory: request and limit differ",
    );
    must(
      requests["ephemeral-storage"] !== undefined &&
        requests["ephemeral-storage"] === limits["ephemeral-storage"],
      "ephemeral-storage: request and limit differ",
    );
    must(limits["cpu"] === undefined, "a limit of cpu throttles every step");
    const [, tag] = /:([^:/]+)$/.exec(container.image) ?? [];
    must(tag !== undefined && /^\d+\.\d+\.\d+/.test(tag), `image ${container.image} has no exact version`);
    must((spec.terminationGracePeriodSeconds ?? 0) >= 5, "no grace period is said");
    // A pod that only waits serves nothing.
    if (object.kind !== "Pod") {
      for (const key of ["startupProbe", "readinessProbe", "livenessProbe"] as const)
        wrong.push(...probeProblems(`${where}/${container.name}: ${key}`, container[key], container));
    }
    const mounts = new Set((container.volumeMounts ?? []).map(({ name }) => name));
    const volumes = new Set([
      ...(spec.volumes ?? []).map(({ name }) => name),
      ...((object.spec as StatefulSetSpec).volumeClaimTemplates ?? []).map(({ metadata }) => metadata.name),
    ]);
    const places = (container.volumeMounts ?? []).map(({ mountPath }) => mountPath);
    for (const place of places) {
      // A place to mount on cannot be made in a volume that is read-only.
      const isInside = places.some((other) => place.startsWith(`${other}/`));
      must(!isInside, `${place} is mounted inside another volume`);
    }
    for (const name of mounts) must(volumes.has(name), `mounts ${name}, which is no volume`);
    for (const name of volumes) must(mounts.has(name), `does not mount ${name}`);
    return wrong;
  });
}

function probeProblems(where: string, probe: Probe | undefined, container: Container): string[] {
  if (probe?.httpGet === undefined) return [`${where} is missing`];
  const { path, port } = probe.httpGet;
  const isKnown = container.ports?.some(({ name }) => name === port) ?? false;
  return [
    ...(isKnown ? [] : [`${where} asks at ${port}, which is no port of it`]),
    ...(PROBED_PATHS.includes(path) ? [] : [`${where} asks ${path}, which nobody serves`]),
  ];
}

/** ConfigMaps, claims and Services that it names; Secrets are made by people. */
function referenceProblems({ where, spec, object }: Workload, objects: readonly KubeObject[]): string[] {
  const has = (kind: string, name: string): boolean =>
    objects.some((other) => other.kind === kind && other.metadata.name === name);
  const wrong: string[] = [];
  const must = (kind: string, name: string, key?: string): void => {
    const found = objects.find((other) => other.kind === kind && other.metadata.name === name);
    if (found === undefined) wrong.push(`${where}: there is no ${kind} ${name}`);
    else if (key !== undefined && !(key in ((found["data"] ?? {}) as Record<string, unknown>)))
      wrong.push(`${where}: ${kind} ${name} has no key ${key}`);
  };
  for (const { configMap, persistentVolumeClaim } of spec.volumes ?? []) {
    if (configMap !== undefined && configMap.optional !== true) {
      must("ConfigMap", configMap.name);
      for (const { key } of configMap.items ?? []) must("ConfigMap", configMap.name, key);
    }
    // Its claim was made by the run whose results it shows.
    if (persistentVolumeClaim !== undefined && object.kind !== "Pod")
      must("PersistentVolumeClaim", persistentVolumeClaim.claimName);
  }
  for (const container of spec.containers) {
    for (const { configMapRef } of container.envFrom ?? [])
      if (configMapRef !== undefined) must("ConfigMap", configMapRef.name);
    for (const { valueFrom } of container.env ?? []) {
      const ref = valueFrom?.configMapKeyRef;
      if (ref !== undefined) must("ConfigMap", ref.name, ref.key);
    }
  }
  const { serviceName } = (object.spec ?? {}) as { serviceName?: string };
  if (serviceName !== undefined && !has("Service", serviceName))
    wrong.push(`${where}: there is no Service ${serviceName}`);
  return wrong;
}

/** The rules say of every exit code of shared/errors.ts what the documents say. */
function failurePolicyProblems({ metadata, spec }: KubeObject): string[] {
  const { podFailurePolicy, template, completionMode, backoffLimitPerIndex } = spec as JobSpec;
  const rules = podFailurePolicy?.rules ?? [];
  const where = `Job/${metadata.name}`;
  const wrong: string[] = [];
  const must = (isSo: boolean, what: string): void => void (isSo || wrong.push(`${where}: ${what}`));
  const first = rules[0];
  must(
    first?.action === "Ignore" && first.onPodConditions?.[0]?.type === "DisruptionTarget",
    "its first rule does not forgive a disruption",
  );
  const valuesOf = (actions: readonly FailureRule["action"][]): number[] =>
    rules
      .filter(({ action }) => actions.includes(action))
      .flatMap(({ onExitCodes }) => onExitCodes?.values ?? []);
  const final = [...new Set(Object.values(EXIT_CODES))]
    .filter((code) => !RETRIED.includes(code))
    .sort((a, b) => a - b);
  must(
    String(valuesOf(["FailJob", "FailIndex"])) === String(final),
    `gives up on ${valuesOf(["FailJob", "FailIndex"]).join(", ")}, not on ${final.join(", ")}`,
  );
  must(String(valuesOf(["Ignore"])) === String(SIGNALLED), "does not forgive 130 and 143");
  for (const { onExitCodes } of rules)
    must(
      onExitCodes?.containerName === undefined ||
        template.spec.containers.some(({ name }) => name === onExitCodes.containerName),
      `a rule names the container ${onExitCodes?.containerName}`,
    );
  must(template.spec.restartPolicy === "Never", "a failure policy needs restartPolicy Never");
  must((spec as Record<string, unknown>)["podReplacementPolicy"] === "Failed", "two pods may hold one name");
  must((spec as Record<string, unknown>)["ttlSecondsAfterFinished"] !== undefined, "it stays for ever");
  if (completionMode === "Indexed") must(backoffLimitPerIndex !== undefined, "one bad worker fails all");
  return wrong;
}

function selectorProblems(
  object: KubeObject,
  objects: readonly KubeObject[],
  workloads: readonly Workload[],
): string[] {
  const where = `${object.kind}/${object.metadata.name}`;
  const spec = (object.spec ?? {}) as Record<string, unknown>;
  const matching = (wanted: Record<string, string>): Workload[] =>
    workloads.filter(({ labels }) => bears({ ...object, metadata: { name: "", labels } }, wanted));
  const labelsOf = (selector: unknown): Record<string, string> =>
    (selector as { matchLabels?: Record<string, string> } | undefined)?.matchLabels ?? {};
  const portNames = (found: readonly Workload[]): string[] =>
    found.flatMap((workload) =>
      workload.spec.containers.flatMap(({ ports = [] }) => ports.map(({ name }) => name ?? "")),
    );
  if (object.kind === "Service") {
    const found = matching(spec["selector"] as Record<string, string>);
    if (found.length === 0) return [`${where} leads to nobody`];
    return (spec["ports"] as { targetPort: string }[])
      .filter(({ targetPort }) => !portNames(found).includes(targetPort))
      .map(({ targetPort }) => `${where}: no port ${targetPort} behind it`);
  }
  if (object.kind === "PodMonitor") {
    const found = matching(labelsOf(spec["selector"]));
    if (found.length === 0) return [`${where} finds nobody`];
    return (spec["podMetricsEndpoints"] as { port: string }[])
      .filter(({ port }) => !portNames(found).includes(port))
      .map(({ port }) => `${where}: nobody has a port ${port}`);
  }
  if (
    object.kind === "StatefulSet" &&
    matching(labelsOf(spec["selector"])).every((found) => found.object !== object)
  )
    return [`${where} does not select its own pods`];
  if (object.kind === "PodDisruptionBudget" && matching(labelsOf(spec["selector"])).length === 0)
    return [`${where} protects nobody`];
  if (object.kind === "ScaledObject") {
    const { kind, name } = spec["scaleTargetRef"] as { kind: string; name: string };
    const isThere = objects.some((other) => other.kind === kind && other.metadata.name === name);
    return isThere ? [] : [`${where} scales ${kind}/${name}, which is not there`];
  }
  if (object.kind === "NetworkPolicy") return networkPolicyProblems(where, spec, matching);
  return [];
}

function networkPolicyProblems(
  where: string,
  spec: Record<string, unknown>,
  matching: (wanted: Record<string, string>) => Workload[],
): string[] {
  const selectors: Record<string, string>[] = [];
  const look = (value: unknown): void => {
    if (Array.isArray(value)) value.forEach(look);
    else if (isObject(value)) {
      const pods = value["podSelector"];
      if (isObject(pods)) selectors.push((pods["matchLabels"] ?? {}) as Record<string, string>);
      Object.values(value).forEach(look);
    }
  };
  look(spec);
  return selectors
    .filter((labels) => Object.keys(labels).length > 0 && matching(labels).length === 0)
    .map((labels) => `${where}: no pod bears ${JSON.stringify(labels)}`);
}

function objectProblems(object: KubeObject): string[] {
  const where = `${object.kind}/${object.metadata.name}`;
  if (object.kind === "Secret") return [`${where}: secrets are made by people, not committed`];
  if (/^(Cluster)?Role(Binding)?$/.test(object.kind))
    return [`${where}: nothing here needs rights of the API server`];
  if (object.kind === "ConfigMap") {
    const bytes = Buffer.byteLength(JSON.stringify(object["data"] ?? {}));
    return bytes < MAX_CONFIG_MAP_BYTES ? [] : [`${where} has ${bytes} bytes, more than a ConfigMap may`];
  }
  if (object.kind === "Namespace") {
    const level = object.metadata.labels?.["pod-security.kubernetes.io/enforce"];
    return level === "restricted" ? [] : [`${where} enforces ${level ?? "nothing"}`];
  }
  return object.metadata.namespace === "saf" ? [] : [`${where} is in namespace ${object.metadata.namespace}`];
}

/** A variable of ours that no option knows would do nothing. */
function variableProblems(objects: readonly KubeObject[], workloads: readonly Workload[]): string[] {
  const options = createProgram().commands.flatMap((command) => command.options.map(({ envVar }) => envVar));
  const known = knownVariables(options, POOL_VARIABLES.keys());
  const given = [
    ...workloads.flatMap(({ where, spec }) =>
      spec.containers.flatMap(({ env = [] }) => env.map(({ name }) => ({ where, name }))),
    ),
    ...objects
      .filter(({ kind, metadata }) => kind === "ConfigMap" && metadata.name.startsWith("saf-env"))
      .flatMap((map) => Object.keys(map["data"] ?? {}).map((name) => ({ where: map.metadata.name, name }))),
  ];
  return given
    .filter(({ name }) => name.startsWith("SAF_") && !known.includes(name))
    .map(({ where, name }) => `${where}: no option reads ${name}`);
}
