/** The real kubectl, for rendering and against the in-memory API server. */
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import { ROOT } from "../../docs/tables.js";
import type { KubeObject } from "./objects.js";

/** Its kustomize knows components, replicas and labels with templates. */
const LOWEST = [1, 27];
const LIMIT_MS = 420_000;

let problem: string | undefined | null = null;

/** Why tests that need kubectl are skipped here; undefined where they are not. */
export function kubectlProblem(): string | undefined {
  if (problem !== null) return problem;
  const { stdout } = spawnSync("kubectl", ["version", "--client", "--output=json"], { encoding: "utf8" });
  const version = /"gitVersion":\s*"v(\d+)\.(\d+)/.exec(stdout ?? "");
  if (version === null) problem = "there is no kubectl on PATH";
  else {
    const [major, minor] = [Number(version[1]), Number(version[2])];
    const isOld = major < (LOWEST[0] ?? 0) || (major === LOWEST[0] && minor < (LOWEST[1] ?? 0));
    problem = isOld ? `kubectl is ${major}.${minor}; ${LOWEST.join(".")} is needed` : undefined;
  }
  return problem;
}

/** The objects of a kustomization, as `kubectl apply -k` would send them. */
export function render(folder: string): KubeObject[] {
  const { status, stdout, stderr } = spawnSync("kubectl", ["kustomize", folder], {
    ...{ encoding: "utf8", cwd: ROOT, maxBuffer: 64 * 1024 * 1024 },
  });
  if (status !== 0) throw new Error(`kubectl kustomize ${folder}: ${stderr}`);
  return parseAllDocuments(stdout).map((document) => document.toJS() as KubeObject);
}

export interface KubectlRun {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** A kubectl that knows one server, and nothing of this machine's own settings. */
export class Kubectl {
  readonly #home: string;

  constructor(server: string) {
    this.#home = mkdtempSync(join(tmpdir(), "saf-kubectl-"));
    mkdirSync(join(this.#home, ".kube"));
    writeFileSync(
      join(this.#home, ".kube", "config"),
      JSON.stringify({
        ...{ apiVersion: "v1", kind: "Config", "current-context": "test" },
        clusters: [{ name: "test", cluster: { server } }],
        contexts: [{ name: "test", context: { cluster: "test", user: "test" } }],
        users: [{ name: "test", user: {} }],
      }),
    );
  }

  /** In the repository's folder, as a user would. `apply` validates against no schema: the server has none. */
  run(args: readonly string[], { input = "" }: { input?: string } = {}): Promise<KubectlRun> {
    const extra = args[0] === "apply" ? ["--validate=false"] : [];
    const child = spawn("kubectl", [...args, ...extra], {
      ...{ cwd: ROOT, timeout: LIMIT_MS, killSignal: "SIGKILL" },
      env: {
        PATH: process.env["PATH"] ?? "",
        HOME: this.#home,
        KUBECONFIG: join(this.#home, ".kube", "config"),
      },
    });
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    child.stdin.end(input);
    return new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (code) => resolve({ code, stdout, stderr }));
    });
  }

  close(): void {
    rmSync(this.#home, { recursive: true, force: true });
  }
}
