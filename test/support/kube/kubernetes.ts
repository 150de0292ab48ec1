/** A Kubernetes for tests: API server and controllers in memory, pods as processes, and the real kubectl to drive it. */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import type { TestContext } from "node:test";
import { stringify } from "yaml";
import { ROOT } from "../../docs/tables.js";
import { programs } from "../cluster.js";
import { type LogSource, startApiServer } from "./api-server.js";
import { Controllers } from "./controllers.js";
import { imagesHere } from "./images.js";
import { Kubectl, type KubectlRun } from "./kubectl.js";
import { Kubelet } from "./kubelet.js";
import type { KubeObject } from "./objects.js";
import { Store } from "./store.js";

/** A machine may be busy with other tests. */
const PATIENCE_MS = 400_000;

export interface Kubernetes {
  store: Store;
  kubelet: Kubelet;
  /** Throws when kubectl fails; gives what it printed. */
  kubectl(...args: string[]): Promise<string>;
  tryKubectl(args: readonly string[], input?: string): Promise<KubectlRun>;
  /** Resolves at the first change, or look, at which it holds; `look` polls what no change tells. */
  until(what: string, isThere: () => boolean | Promise<boolean>): Promise<void>;
  pods(component: string): KubeObject[];
  /** A folder of ours, as a kustomization below the test's own folder names it. */
  path(ours: string): string;
  /** A kustomization around one of ours. */
  overlay(name: string, resources: readonly string[], more?: object, files?: Record<string, string>): string;
}

/** `environment`: of what computes, in place of the image's. Without a kubelet pods are objects and nothing runs. */
export async function startKubernetes(
  t: TestContext,
  {
    environment = {},
    runs = true,
    controls = runs,
    logOf,
  }: {
    environment?: Record<string, string>;
    runs?: boolean;
    /** Do StatefulSets and Jobs become pods? */
    controls?: boolean;
    logOf?: (pod: KubeObject) => LogSource;
  } = {},
): Promise<Kubernetes> {
  const home = await mkdtemp(join(tmpdir(), "saf-kube-"));
  const store = new Store();
  const { nats } = await programs();
  const kubelet = new Kubelet(store, home, imagesHere(nats.path, environment));
  if (!runs) kubelet.rest();
  const controllers = controls ? new Controllers(store) : undefined;
  const server = await startApiServer(store, logOf ?? ((pod) => kubelet.logOf(pod.metadata.name)));
  const client = new Kubectl(server.url);
  t.after(async () => {
    controllers?.stop();
    await kubelet.stop();
    await server.close();
    client.close();
    await rm(home, { recursive: true, force: true });
  });

  const words = (): string =>
    store
      .list("Pod")
      .map(
        ({ metadata: { name }, status }) =>
          `${name} ${JSON.stringify(status)}\n${kubelet.logOf(name)?.text.slice(-1500) ?? ""}`,
      )
      .join("\n");
  const tryKubectl = (args: readonly string[], input?: string): Promise<KubectlRun> =>
    client.run(args, input === undefined ? {} : { input });
  return {
    store,
    kubelet,
    tryKubectl,
    kubectl: async (...args) => {
      const { code, stdout, stderr } = await tryKubectl(args);
      if (code !== 0)
        throw new Error(`kubectl ${args.join(" ")}: exit ${code}: ${stdout}${stderr}\n${words()}`);
      return stdout;
    },
    until: async (what, isThere) => {
      const deadline = Date.now() + PATIENCE_MS;
      while (!(await isThere())) {
        if (Date.now() > deadline) throw new Error(`waited ${PATIENCE_MS / 1000} s for: ${what}\n${words()}`);
        await change(store);
      }
    },
    pods: (component) =>
      store
        .list("Pod")
        .filter(({ metadata }) => metadata.labels?.["app.kubernetes.io/component"] === component),
    path: (ours) => relative(join(home, "any"), join(ROOT, ours)),
    overlay: (name, resources, more = {}, files = {}) => {
      const folder = join(home, name);
      rmSync(folder, { recursive: true, force: true });
      mkdirSync(folder);
      for (const [file, text] of Object.entries(files)) writeFileSync(join(folder, file), text);
      const kustomization = {
        ...{ apiVersion: "kustomize.config.k8s.io/v1beta1", kind: "Kustomization" },
        resources: resources.map((resource) => relative(folder, join(ROOT, resource))),
        ...more,
      };
      writeFileSync(join(folder, "kustomization.yaml"), stringify(kustomization));
      return folder;
    },
  };
}

/** The next change of an object, or a tenth of a second: processes also write files and answer requests. */
function change(store: Store): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      stop();
      resolve();
    };
    const stop = store.onChange(done);
    const timer = setTimeout(done, 100);
  });
}
