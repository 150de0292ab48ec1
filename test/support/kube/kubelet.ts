/**
 * Runs pods as processes of this machine: their real commands, arguments, environment, files and probes. Each pod has an
 * address of its own in 127.0.0.0/8, so ports stay what the manifests say; names of Services and mount paths are written
 * over with addresses and folders. Only what a manifest gives reaches a process: nothing of our own environment.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { LogSource } from "./api-server.js";
import type { Image } from "./images.js";
import { type KubeObject, bears } from "./objects.js";
import type { Store } from "./store.js";
import { type Container, type EnvVar, type PodStatus, type Probe, podSpec, podStatus } from "./workloads.js";

/** Probes ask this much more often than the manifests say: nobody waits for five seconds in a test. */
const PROBE_HASTE = 20;
const RESTART_PAUSE_MS = 300;

/** How a process was ended, and how long it took of what it may. */
export interface Ending {
  pod: string;
  exitCode: number;
  ms: number;
  graceMs: number;
  wasKilled: boolean;
}

class Log implements LogSource {
  text = "";
  isOver = false;
  readonly #listeners = new Map<(text: string) => void, () => void>();

  add(text: string): void {
    this.text += text;
    for (const onText of this.#listeners.keys()) onText(text);
  }

  end(): void {
    this.isOver = true;
    for (const onEnd of this.#listeners.values()) onEnd();
    this.#listeners.clear();
  }

  listen(onText: (text: string) => void, onEnd: () => void): () => void {
    this.#listeners.set(onText, onEnd);
    return () => this.#listeners.delete(onText);
  }
}

interface RunningPod {
  uid: string;
  ip: string;
  folder: string;
  process: ChildProcess | undefined;
  log: Log;
  isEnding: boolean;
  restarts: number;
}

export class Kubelet {
  readonly #store: Store;
  readonly #home: string;
  readonly #images: (name: string) => Image;
  readonly #pods = new Map<string, RunningPod>();
  readonly #addresses = new Map<string, string>();
  readonly #network = `127.${randomInt(16, 250)}.${randomInt(250)}`;
  readonly #unlisten: () => void;
  #stopping = false;
  readonly endings: Ending[] = [];
  /** Names of pods whose startup probe was answered, in order. */
  readonly started: string[] = [];

  constructor(store: Store, home: string, images: (name: string) => Image) {
    this.#store = store;
    this.#home = home;
    this.#images = images;
    store.hasKubelet = true;
    this.#unlisten = store.onChange(({ type, object }) => {
      if (object.kind !== "Pod") return;
      const { name, deletionTimestamp } = object.metadata;
      const known = this.#pods.get(name);
      if (type === "ADDED") void this.#run(object);
      else if (
        type === "MODIFIED" &&
        deletionTimestamp !== undefined &&
        known !== undefined &&
        known.uid === object.metadata.uid
      )
        void this.#end(object, known);
    });
  }

  /** The folder of a claim: it outlives pods. */
  claimFolder(claim: string): string {
    return join(this.#home, "claims", claim);
  }

  addressOf(pod: string): string {
    let address = this.#addresses.get(pod);
    if (address === undefined) {
      address = `${this.#network}.${this.#addresses.size + 2}`;
      this.#addresses.set(pod, address);
    }
    return address;
  }

  pidOf(pod: string): number {
    const pid = this.#pods.get(pod)?.process?.pid;
    if (pid === undefined) throw new Error(`pod ${pod} runs no process`);
    return pid;
  }

  logOf(pod: string): LogSource | undefined {
    return this.#pods.get(pod)?.log;
  }

  /** Like an eviction: the pod is marked as disrupted, ended in its grace period, and gone. */
  preempt(pod: string, namespace: string): void {
    this.#store.update("Pod", pod, namespace, (object) => {
      const status = podStatus(object);
      status.conditions = [...(status.conditions ?? []), { type: "DisruptionTarget", status: "True" }];
      object.status = status;
    });
    this.#store.delete("Pod", pod, namespace);
  }

  /** Like the kernel, or a node that dies. */
  kill(pod: string, signal: NodeJS.Signals): void {
    this.#pods.get(pod)?.process?.kill(signal);
  }

  /** Runs nothing from here on: pods are objects. */
  rest(): void {
    this.#unlisten();
    this.#store.hasKubelet = false;
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    this.#unlisten();
    const children = [...this.#pods.values()].flatMap(({ process: child }) =>
      child === undefined ? [] : [child],
    );
    for (const child of children) child.kill("SIGKILL");
    for (const child of children) {
      if (child.exitCode === null && child.signalCode === null)
        await new Promise((resolve) => child.once("close", resolve));
    }
  }

  // ---- A pod's life -----------------------------------------------------------------------------------------------

  async #run(pod: KubeObject): Promise<void> {
    const { name, uid } = pod.metadata;
    const running: RunningPod = {
      ...{ uid: uid as string, ip: this.addressOf(name), process: undefined, log: new Log() },
      ...{ isEnding: false, restarts: 0, folder: join(this.#home, "pods", uid as string) },
    };
    this.#pods.set(name, running);
    const [container] = podSpec(pod).containers;
    if (container === undefined) return;
    let exitCode: number;
    for (;;) {
      try {
        exitCode = await this.#runOnce(pod, container, running);
      } catch (error) {
        // As a kubelet does while something is missing: the pod stays, and its events say why.
        running.log.add(`kubelet: ${error instanceof Error ? error.message : String(error)}\n`);
        exitCode = 128;
        if (!this.#stopping && !running.isEnding) {
          await delay(RESTART_PAUSE_MS);
          continue;
        }
      }
      if (this.#stopping || running.isEnding || podSpec(pod).restartPolicy === "Never") break;
      running.restarts++;
      const terminated = { exitCode, finishedAt: new Date().toISOString() };
      this.#setStatus(pod, running, container, {
        phase: "Running",
        state: { waiting: { reason: "CrashLoopBackOff" } },
        last: terminated,
      });
      await delay(RESTART_PAUSE_MS);
      if (running.isEnding) break;
    }
    running.process = undefined;
    running.log.end();
    if (this.#stopping) return;
    this.#setStatus(pod, running, container, {
      phase: exitCode === 0 ? "Succeeded" : "Failed",
      state: { terminated: { exitCode, finishedAt: new Date().toISOString() } },
    });
    const now = this.#store.get("Pod", name, pod.metadata.namespace);
    if (now?.metadata.deletionTimestamp !== undefined && now.metadata.uid === uid) this.#store.remove(now);
  }

  async #runOnce(pod: KubeObject, container: Container, running: RunningPod): Promise<number> {
    const { command, args, env } = await this.#describe(pod, container, running);
    const [program, ...rest] = [...command, ...args];
    if (program === undefined) throw new Error(`${container.name} has nothing to run`);
    const child = spawn(program, rest, { cwd: running.folder, env, stdio: ["ignore", "pipe", "pipe"] });
    running.process = child;
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding("utf8").on("data", (text: string) => running.log.add(text));
    this.#setStatus(pod, running, container, {
      phase: "Running",
      state: { running: { startedAt: new Date().toISOString() } },
    });
    const over = new AbortController();
    const ended = new Promise<number>((resolve) => {
      child.once("error", () => resolve(127));
      child.once("close", (code, signal) => resolve(code ?? (signal === "SIGKILL" ? 137 : 128)));
    });
    void this.#probe(pod, container, running, over.signal);
    const code = await ended;
    over.abort();
    return code;
  }

  async #end(pod: KubeObject, running: RunningPod): Promise<void> {
    if (running.isEnding) return;
    running.isEnding = true;
    const { process: child } = running;
    if (child === undefined) {
      // It has ended already, or never began.
      const now = this.#store.get("Pod", pod.metadata.name, pod.metadata.namespace);
      if (now !== undefined) this.#store.remove(now);
      return;
    }
    const { terminationGracePeriodSeconds = 30, containers } = podSpec(pod);
    const graceMs = 1000 * terminationGracePeriodSeconds;
    const began = performance.now();
    let wasKilled = false;
    const kill = setTimeout(() => {
      wasKilled = true;
      child.kill("SIGKILL");
    }, graceMs);
    const ended = new Promise<number>((resolve) =>
      child.once("close", (code, signal) => resolve(code ?? (signal === "SIGKILL" ? 137 : 128))),
    );
    const preStop = containers[0]?.lifecycle?.preStop?.exec?.command;
    if (preStop !== undefined) await this.#exec(pod, running, preStop);
    child.kill("SIGTERM");
    const exitCode = await ended;
    clearTimeout(kill);
    this.endings.push({
      pod: pod.metadata.name,
      exitCode,
      ms: performance.now() - began,
      graceMs,
      wasKilled,
    });
  }

  async #exec(pod: KubeObject, running: RunningPod, command: readonly string[]): Promise<void> {
    const container = podSpec(pod).containers[0] as Container;
    const { localize, env } = await this.#describe(pod, container, running);
    const [program = "", ...args] = command.map(localize);
    const image = this.#images(container.image);
    const child = spawn(image.programs[program] ?? program, args, { env, stdio: "ignore" });
    await new Promise((resolve) => child.once("close", resolve));
  }

  #setStatus(
    pod: KubeObject,
    running: RunningPod,
    container: Container,
    {
      phase,
      state,
      last,
      ready = false,
      started = false,
    }: {
      phase: PodStatus["phase"];
      state: NonNullable<PodStatus["containerStatuses"]>[number]["state"];
      last?: { exitCode: number; finishedAt: string };
      ready?: boolean;
      started?: boolean;
    },
  ): void {
    const { name, namespace } = pod.metadata;
    this.#store.update("Pod", name, namespace, (object) => {
      if (object.metadata.uid !== running.uid) return;
      const before = podStatus(object);
      const kept = (before.conditions ?? []).filter(({ type }) => type === "DisruptionTarget");
      object.status = {
        ...{ phase, podIP: running.ip },
        conditions: [...kept, { type: "Ready", status: ready ? "True" : "False" }],
        containerStatuses: [
          {
            ...{ name: container.name, ready, started, state, restartCount: running.restarts },
            ...(last === undefined ? {} : { lastState: { terminated: last } }),
          },
        ],
      } satisfies PodStatus;
    });
  }

  // ---- Probes -----------------------------------------------------------------------------------------------------

  async #probe(pod: KubeObject, container: Container, running: RunningPod, over: AbortSignal): Promise<void> {
    const { startupProbe, readinessProbe, livenessProbe } = container;
    const child = running.process;
    if (startupProbe !== undefined) {
      let failures = 0;
      while (!(await this.#ask(startupProbe, container, running)) && !over.aborted) {
        if (++failures >= (startupProbe.failureThreshold ?? 3) * PROBE_HASTE) child?.kill("SIGKILL");
        await pause(startupProbe, over);
      }
    }
    if (over.aborted) return;
    this.started.push(pod.metadata.name);
    let isReady: boolean | undefined;
    let deaf = 0;
    while (!over.aborted) {
      const ready = readinessProbe === undefined || (await this.#ask(readinessProbe, container, running));
      if (over.aborted) return;
      if (ready !== isReady) {
        isReady = ready;
        const state = { running: { startedAt: new Date().toISOString() } };
        this.#setStatus(pod, running, container, { phase: "Running", state, ready, started: true });
      }
      if (livenessProbe !== undefined) {
        deaf = (await this.#ask(livenessProbe, container, running)) ? 0 : deaf + 1;
        if (deaf >= (livenessProbe.failureThreshold ?? 3) * PROBE_HASTE && !over.aborted)
          child?.kill("SIGTERM");
      }
      await pause(readinessProbe ?? { periodSeconds: 10 }, over);
    }
  }

  async #ask(
    { httpGet, timeoutSeconds = 1 }: Probe,
    container: Container,
    { ip }: RunningPod,
  ): Promise<boolean> {
    if (httpGet === undefined) return true;
    const port =
      typeof httpGet.port === "number"
        ? httpGet.port
        : container.ports?.find(({ name }) => name === httpGet.port)?.containerPort;
    if (port === undefined) throw new Error(`the probe's port ${httpGet.port} has no number`);
    try {
      // A busy machine is no dead pod.
      const signal = AbortSignal.timeout(10_000 * timeoutSeconds);
      const { status } = await fetch(`http://${ip}:${port}${httpGet.path}`, { signal });
      return status >= 200 && status < 400;
    } catch {
      return false;
    }
  }

  // ---- What a container is given ------------------------------------------------------------------------------------

  async #describe(
    pod: KubeObject,
    container: Container,
    running: RunningPod,
  ): Promise<{
    command: string[];
    args: string[];
    env: Record<string, string>;
    localize: (text: string) => string;
  }> {
    const image = this.#images(container.image);
    const mounts = (container.volumeMounts ?? []).map(({ name, mountPath }): [string, string] => [
      mountPath,
      this.#volumeFolder(pod, name, running),
    ]);
    const paths = [...mounts, ...image.paths].sort(([a], [b]) => b.length - a.length);
    const localize = this.#localizer(pod, running, paths);
    mkdirSync(running.folder, { recursive: true });
    for (const { name } of container.volumeMounts ?? []) this.#fillVolume(pod, name, running, localize);

    const given = this.#environment(pod, container, running);
    await this.#waitForServices(Object.values(given));
    const env = Object.fromEntries(
      Object.entries({ HOME: running.folder, PATH: process.env["PATH"] ?? "", ...image.env, ...given }).map(
        ([key, value]) => [key, localize(value)],
      ),
    );
    const expanded = (text: string): string => localize(expand(text, { ...image.env, ...given }));
    const command = (container.command ?? image.entrypoint).map(expanded);
    const [program = ""] = command;
    command[0] = image.programs[program] ?? program;
    // A path of the image that is relative to its working directory.
    const relative = command.map((word) => {
      const folder = image.paths[0]?.[1];
      return folder !== undefined && existsSync(join(folder, word)) ? join(folder, word) : word;
    });
    return { command: relative, args: (container.args ?? []).map(expanded), env, localize };
  }

  #environment(pod: KubeObject, container: Container, running: RunningPod): Record<string, string> {
    const { namespace } = pod.metadata;
    const env: Record<string, string> = {};
    for (const { configMapRef } of container.envFrom ?? []) {
      if (configMapRef === undefined) continue;
      Object.assign(env, this.#dataOf("ConfigMap", configMapRef.name, namespace));
    }
    for (const variable of container.env ?? []) {
      const value = this.#valueOf(variable, pod, running);
      // References are to what stands before.
      if (value !== undefined) env[variable.name] = expand(value, env);
    }
    const index = pod.metadata.annotations?.["batch.kubernetes.io/job-completion-index"];
    if (index !== undefined) env["JOB_COMPLETION_INDEX"] = index;
    return env;
  }

  #valueOf({ name, value, valueFrom }: EnvVar, pod: KubeObject, running: RunningPod): string | undefined {
    if (valueFrom === undefined) return value ?? "";
    const { fieldRef, configMapKeyRef, secretKeyRef } = valueFrom;
    const { metadata } = pod;
    if (fieldRef !== undefined) {
      const [, annotation] = /^metadata\.annotations\['(.*)'\]$/.exec(fieldRef.fieldPath) ?? [];
      if (annotation !== undefined) return metadata.annotations?.[annotation] ?? "";
      if (fieldRef.fieldPath === "metadata.name") return metadata.name;
      if (fieldRef.fieldPath === "metadata.namespace") return metadata.namespace;
      if (fieldRef.fieldPath === "status.podIP") return running.ip;
      throw new Error(`${name}: no field ${fieldRef.fieldPath}`);
    }
    const ref = configMapKeyRef ?? secretKeyRef;
    if (ref === undefined) throw new Error(`${name} has no value`);
    const found = this.#dataOf(
      configMapKeyRef === undefined ? "Secret" : "ConfigMap",
      ref.name,
      metadata.namespace,
    );
    const text = found[ref.key];
    if (text === undefined && ref.optional !== true)
      throw new Error(`${name}: ${ref.name} has no key ${ref.key}`);
    return text;
  }

  #dataOf(kind: "ConfigMap" | "Secret", name: string, namespace: string | undefined): Record<string, string> {
    const object = this.#store.get(kind, name, namespace);
    if (object === undefined) throw new Error(`${kind.toLowerCase()} "${name}" not found`);
    const plain = (object["data"] ?? {}) as Record<string, string>;
    if (kind === "ConfigMap") return plain;
    const decoded = Object.entries(plain).map(([key, value]) => [
      key,
      Buffer.from(value, "base64").toString(),
    ]);
    return {
      ...Object.fromEntries(decoded),
      ...((object["stringData"] ?? {}) as Record<string, string>),
    } as Record<string, string>;
  }

  #volumeFolder(pod: KubeObject, volumeName: string, running: RunningPod): string {
    const volume = podSpec(pod).volumes?.find(({ name }) => name === volumeName);
    if (volume === undefined) throw new Error(`there is no volume ${volumeName}`);
    const claim = volume.persistentVolumeClaim?.claimName;
    if (claim === undefined) return join(running.folder, "volumes", volumeName);
    if (this.#store.get("PersistentVolumeClaim", claim, pod.metadata.namespace) === undefined)
      throw new Error(`persistentvolumeclaim "${claim}" not found`);
    return this.claimFolder(claim);
  }

  #fillVolume(
    pod: KubeObject,
    volumeName: string,
    running: RunningPod,
    localize: (text: string) => string,
  ): void {
    const folder = this.#volumeFolder(pod, volumeName, running);
    mkdirSync(folder, { recursive: true });
    const { configMap, secret } = podSpec(pod).volumes?.find(({ name }) => name === volumeName) ?? {};
    const source = configMap ?? secret;
    if (source === undefined) return;
    const name = "name" in source ? source.name : source.secretName;
    let data: Record<string, string>;
    try {
      data = this.#dataOf(configMap === undefined ? "Secret" : "ConfigMap", name, pod.metadata.namespace);
    } catch (error) {
      if (source.optional === true) return;
      throw error;
    }
    const items = source.items ?? Object.keys(data).map((key) => ({ key, path: key }));
    for (const { key, path } of items) {
      const text = data[key];
      if (text === undefined) {
        if (source.optional === true) continue;
        throw new Error(`${name} has no key ${key}`);
      }
      const file = join(folder, path);
      mkdirSync(dirname(file), { recursive: true });
      rmSync(file, { force: true });
      writeFileSync(file, localize(text), { mode: 0o600 });
    }
  }

  // ---- Names and places of this machine -------------------------------------------------------------------------------

  #localizer(
    pod: KubeObject,
    { ip }: RunningPod,
    paths: readonly (readonly [string, string])[],
  ): (text: string) => string {
    return (text) => {
      let local = text.replaceAll("0.0.0.0", ip);
      // One pass: a folder of this machine may look like one of the image.
      const places = new Map(paths);
      const names = [...places.keys()].map((path) => path.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&"));
      if (names.length > 0)
        local = local.replace(
          new RegExp(`(?<![\\w./-])(${names.join("|")})(?=[/"'\\s]|$)`, "g"),
          (path) => places.get(path) ?? path,
        );
      return local.replace(
        /(nats|tls|http):\/\/([a-z0-9.-]+):(\d+)/g,
        (whole, scheme: string, host: string, port: string) => {
          const address = this.#resolve(host, pod.metadata.namespace);
          return address === undefined ? whole : `${scheme}://${address}:${port}`;
        },
      );
    };
  }

  /** `nats`, `nats.saf.svc`, `nats-0.nats-headless`: the address of a pod behind it. */
  #resolve(host: string, namespace: string | undefined): string | undefined {
    const [first = "", second] = host.split(".");
    if (second !== undefined && this.#store.get("Service", second, namespace) !== undefined)
      return this.addressOf(first);
    const service = this.#store.get("Service", first, namespace);
    if (service === undefined) return undefined;
    const { selector } = service.spec as { selector: Record<string, string> };
    const [pod] = this.#store.list("Pod", namespace).filter((candidate) => bears(candidate, selector));
    return pod === undefined ? undefined : this.addressOf(pod.metadata.name);
  }

  /** A name that leads nowhere yet would be looked up again by a real client. */
  async #waitForServices(values: readonly string[]): Promise<void> {
    const hosts = values.flatMap((value) =>
      [...value.matchAll(/(?:nats|tls):\/\/([a-z0-9.-]+):\d+/g)].map(([, host]) => host ?? ""),
    );
    for (const host of hosts) {
      for (let attempt = 0; attempt < 100 && !this.#stopping; attempt++) {
        const namespaces = this.#store.list("Namespace").map(({ metadata }) => metadata.name);
        if (namespaces.some((namespace) => this.#resolve(host, namespace) !== undefined)) break;
        await delay(50);
      }
    }
  }
}

async function pause({ periodSeconds = 10 }: Probe, over: AbortSignal): Promise<void> {
  await delay((1000 * periodSeconds) / PROBE_HASTE, undefined, { signal: over }).catch(() => undefined);
}

/** `$(NAME)`, where it is known. */
function expand(text: string, env: Readonly<Record<string, string>>): string {
  return text.replace(/\$\(([A-Za-z_][\w.-]*)\)/g, (whole, name: string) => env[name] ?? whole);
}
