/** The servers of the manifests: their configurations, and three of them as one. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Authority } from "../../deploy/credentials/authority.js";
import { programs, temporaryDirectory } from "../support/cluster.js";
import { kubectlProblem, render } from "../support/kube/kubectl.js";
import { startKubernetes } from "../support/kube/kubernetes.js";
import { isReady } from "../support/kube/workloads.js";

const LINUX = process.platform === "linux" ? false : "needs all of 127.0.0.0/8, as on Linux";
const LIMIT = { timeout: 900_000, skip: kubectlProblem() ?? LINUX };

for (const components of [[], ["nats-auth"], ["nats-ha"], ["nats-ha", "nats-auth"]]) {
  test(`nats-server takes the configuration of base ${components.join(" and ")}`, LIMIT, async (t) => {
    const kube = await startKubernetes(t, { runs: false });
    const paths = components.map((name) => kube.path(`k8s/components/${name}`));
    const objects = render(kube.overlay("nats", ["k8s/base/nats"], { components: paths }));
    const map = objects.find(({ metadata }) => metadata.name.startsWith("nats-config"));
    const folder = await temporaryDirectory(t);
    for (const name of ["nats", "nats-auth"]) mkdirSync(join(folder, name));
    for (const [name, text] of Object.entries(map?.["data"] as Record<string, string>))
      writeFileSync(join(folder, "nats", name), text.replace('"/data"', `"${join(folder, "data")}"`));
    const authority = await Authority.create(join(folder, "keys"), "shared", Date.now());
    writeFileSync(join(folder, "nats-auth", "auth.conf"), await authority.serverConfig(Date.now()));
    const { nats } = await programs();
    const { status, stderr, stdout } = spawnSync(
      nats.path,
      ["-t", "--config", join(folder, "nats", "nats.conf")],
      {
        ...{ encoding: "utf8", env: { POD_NAME: "nats-0" } },
      },
    );
    assert.equal(status, 0, `${stdout}${stderr}`);
  });
}

test("three servers find each other, keep streams, and one takes its leave in time", LIMIT, async (t) => {
  const kube = await startKubernetes(t);
  const folder = kube.overlay("ha", ["k8s/base/common", "k8s/base/nats"], {
    components: [kube.path("k8s/components/nats-ha")],
  });
  await kube.kubectl("apply", "-k", folder);
  // Its health is asked for with JetStream: ready means that the three agree.
  await kube.until("three are ready", () => kube.pods("nats").filter(isReady).length === 3);
  const monitor = async (path: string): Promise<Record<string, unknown>> => {
    const response = await fetch(`http://${kube.kubelet.addressOf("nats-0")}:8222${path}`);
    return (await response.json()) as Record<string, unknown>;
  };
  await kube.until("each knows the other two", async () => {
    const { routes } = (await monitor("/routez")) as { routes?: { remote_name: string }[] };
    return new Set(routes?.map(({ remote_name: name }) => name)).size === 2;
  });
  const { meta_cluster: meta } = (await monitor("/jsz")) as {
    meta_cluster?: { cluster_size: number; leader?: string };
  };
  assert.equal(meta?.cluster_size, 3);

  await kube.kubectl("-n", "saf", "delete", "pod", "nats-2");
  await kube.until("it is back", () => kube.pods("nats").filter(isReady).length === 3);
  const ending = kube.kubelet.endings.find(({ pod }) => pod === "nats-2");
  assert.ok(ending !== undefined && !ending.wasKilled, JSON.stringify(ending));
  assert.equal(ending.exitCode, 0);
  t.diagnostic(`nats-2 ended ${ending.ms.toFixed(0)} ms after it was told to, of ${ending.graceMs}`);
});
