/** The kubectl commands of the documents, each really run, against an API server in memory whose pods end well at once. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { parseAllDocuments } from "yaml";
import { EXIT_CODES } from "../../shared/errors.js";
import { documents, fencedBlocks, shellCommands } from "../docs/commands.js";
import { readDocument } from "../docs/tables.js";
import { kubectlProblem } from "../support/kube/kubectl.js";
import { type Kubernetes, startKubernetes } from "../support/kube/kubernetes.js";
import type { KubeObject } from "../support/kube/objects.js";
import { type PodStatus, podSpec } from "../support/kube/workloads.js";
import { saf } from "../support/saf.js";

const DOCUMENT = "docs/kubernetes.md";
const SKIP = { skip: kubectlProblem() ?? false, timeout: 900_000 };

/** Pods of Jobs are done as soon as they are there, others are ready. */
function pretend({ store }: Kubernetes): void {
  store.onChange(({ type, object }) => {
    if (type !== "ADDED" || object.kind !== "Pod") return;
    const name = podSpec(object).containers[0]?.name ?? "";
    const startedAt = new Date().toISOString();
    const isJob = podSpec(object).restartPolicy === "Never" && object.metadata.name !== "results";
    const status: PodStatus = {
      phase: isJob ? "Succeeded" : "Running",
      conditions: [{ type: "Ready", status: isJob ? "False" : "True" }],
      containerStatuses: [
        {
          ...{ name, ready: !isJob, started: true, restartCount: 0 },
          state: isJob ? { terminated: { exitCode: 0, finishedAt: startedAt } } : { running: { startedAt } },
        },
      ],
    };
    setImmediate(() =>
      store.update(
        "Pod",
        object.metadata.name,
        object.metadata.namespace,
        (pod) => void (pod.status = status),
      ),
    );
  });
}

const logOf = (pod: KubeObject): { text: string; isOver: boolean; listen: () => () => void } => ({
  ...{ text: `a log line of ${pod.metadata.name}\n`, isOver: true, listen: () => () => undefined },
});

describe("the kubectl commands of the documents", SKIP, () => {
  const blocks = documents().flatMap((document) =>
    fencedBlocks(readDocument(document), "sh")
      .filter(({ text }) => text.includes("kubectl"))
      .map((block) => ({ document, ...block })),
  );

  test("there are some", () => assert.ok(blocks.length >= 7, `${blocks.length} blocks`));

  for (const { document, line, text } of blocks) {
    test(`those in line ${line} of ${document}`, async (t) => {
      const kube = await startKubernetes(t, { runs: false, controls: true, logOf });
      pretend(kube);
      // As the page goes on, one thing is there after the other.
      for (const root of ["k8s/overlays/local", "k8s/runs/train"]) await kube.kubectl("apply", "-k", root);
      for (const words of text.split("\n").flatMap(shellCommands)) {
        assert.equal(words[0], "kubectl", words.join(" "));
        const printed = await kube.kubectl(...words.slice(1));
        const job = /^job\/(.+)/.exec(words.at(-1) ?? "")?.[1];
        if (words.includes("logs")) assert.match(printed, new RegExp(`a log line of ${job}`));
      }
    });
  }

  test("credentials: made, applied, and the names are those that the manifests mount", async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "saf-creds-"));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    const lines =
      fencedBlocks(readDocument(DOCUMENT), "sh").find(({ text }) => text.includes("saf creds"))?.text ?? "";
    let manifest = "";
    for (const words of lines.split("\n").flatMap(shellCommands)) {
      assert.deepEqual(words.slice(0, 3), ["npx", "saf", "creds"]);
      const { code, stdout, stderr } = await saf(words.slice(2), { cwd: folder });
      assert.equal(code, 0, stderr);
      manifest = stdout;
    }
    const kube = await startKubernetes(t, { runs: false });
    await kube.kubectl("apply", "-k", "k8s/overlays/gpu");
    const { code, stderr } = await kube.tryKubectl(["apply", "-f", "-"], manifest);
    assert.equal(code, 0, stderr);
    const [secret] = parseAllDocuments(manifest).map((document) => document.toJS() as KubeObject);
    const made = Object.keys(secret?.["stringData"] as object);
    const worker = kube.store.get("StatefulSet", "worker", "saf")?.spec as {
      template: { spec: KubeObject["spec"] };
    };
    const mounted = JSON.stringify(worker.template.spec).match(/worker-\d+\.creds/g) ?? [];
    assert.ok(mounted.length >= 32);
    for (const key of mounted) assert.ok(made.includes(key), `${key} is not made`);
    assert.ok(kube.store.get("Secret", "saf-nats-creds", "saf") !== undefined);
    assert.ok(kube.store.get("ConfigMap", "saf-nats-auth", "saf") !== undefined);
  });
});

test("every exit code has a row in the table of what to do", () => {
  const rows =
    readFileSync(join(import.meta.dirname, "../../..", DOCUMENT), "utf8").match(/^\| [\d/]+ +\|/gm) ?? [];
  const codes = rows.flatMap((row) => row.replace(/[| ]/g, "").split("/")).map(Number);
  for (const code of [0, ...Object.values(EXIT_CODES), 130, 143, 137])
    assert.ok(codes.includes(code), `no row for ${code}`);
});
