/** A real Prometheus for a test: its own folder and port, ended with the test. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";

const READY_TIMEOUT_MS = 60_000;

export interface Target {
  job: string;
  /** host:port */
  address: string;
  labels: Record<string, string>;
  /** Keep the labels of the exporter where they clash with ours. */
  honorLabels?: boolean;
}

export interface PrometheusSetting {
  targets: readonly Target[];
  /** Rule files, by their absolute paths. */
  rules: readonly string[];
  /** OpenMetrics text of the past. */
  history?: string;
  scrapeSeconds: number;
}

export interface Series {
  metric: Record<string, string>;
  values: number[];
}

/** An answer, or what Prometheus has against the query. */
export type Answer = { ok: true; series: Series[] } | { ok: false; error: string };

export interface Prometheus {
  /** At one moment, in seconds since 1970; now without one. */
  query(expr: string, at?: number): Promise<Answer>;
  range(expr: string, from: number, to: number, stepSeconds: number): Promise<Answer>;
}

export async function startPrometheus(t: TestContext, setting: PrometheusSetting): Promise<Prometheus> {
  const home = await mkdtemp(join(tmpdir(), "saf-prometheus-"));
  const started: ChildProcess[] = [];
  t.after(async () => {
    for (const server of started.filter(({ exitCode }) => exitCode === null)) {
      const ended = once(server, "exit");
      server.kill("SIGKILL");
      await ended;
    }
    await rm(home, { recursive: true, force: true });
  });
  const data = join(home, "data");
  await mkdir(data);
  if (setting.history !== undefined) await backFill(home, data, setting.history);
  const config = {
    global: {
      scrape_interval: `${setting.scrapeSeconds}s`,
      scrape_timeout: `${setting.scrapeSeconds}s`,
      evaluation_interval: `${setting.scrapeSeconds}s`,
    },
    rule_files: setting.rules,
    scrape_configs: setting.targets.map(({ job, address, labels, honorLabels }, i) => ({
      job_name: `target-${i}`,
      honor_labels: honorLabels ?? false,
      static_configs: [{ targets: [address], labels: { job, ...labels } }],
    })),
  };
  // JSON is YAML.
  await writeFile(join(home, "prometheus.yml"), JSON.stringify(config));
  const server = spawn(
    "prometheus",
    [
      `--config.file=${join(home, "prometheus.yml")}`,
      `--storage.tsdb.path=${data}`,
      // It says which one it was given.
      "--web.listen-address=127.0.0.1:0",
      "--enable-feature=exemplar-storage",
    ],
    { stdio: ["ignore", "ignore", "pipe"] },
  );
  started.push(server);
  const base = `http://${await readyAt(server)}/api/v1`;
  const ask = async (path: string, fields: Record<string, string>): Promise<Answer> => {
    const response = await fetch(`${base}/${path}`, { method: "POST", body: new URLSearchParams(fields) });
    return answerOf((await response.json()) as ApiAnswer);
  };
  return {
    query: (expr, at) => ask("query", { query: expr, ...(at === undefined ? {} : { time: String(at) }) }),
    range: (expr, from, to, step) =>
      ask("query_range", { query: expr, start: String(from), end: String(to), step: String(step) }),
  };
}

interface ApiAnswer {
  status: "success" | "error";
  error?: string;
  data?: {
    resultType: string;
    result: { metric?: Record<string, string>; value?: [number, string]; values?: [number, string][] }[];
  };
}

function answerOf({ status, error, data }: ApiAnswer): Answer {
  if (status !== "success" || data === undefined) return { ok: false, error: error ?? "no reason" };
  return {
    ok: true,
    series: data.result.map(({ metric, value, values }) => ({
      metric: metric ?? {},
      values: (values ?? (value === undefined ? [] : [value])).map(([, text]) => Number(text)),
    })),
  };
}

async function backFill(home: string, data: string, history: string): Promise<void> {
  const file = join(home, "history.om");
  await writeFile(file, history);
  const args = ["tsdb", "create-blocks-from", "openmetrics", file, data];
  const { status, stderr } = spawnSync("promtool", args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`promtool cannot read the history: ${stderr}`);
}

/** Where it listens, as host:port. */
async function readyAt(server: ChildProcess): Promise<string> {
  let words = "";
  const address = await new Promise<string>((resolve, reject) => {
    const fail = (why: string): void => reject(new Error(`Prometheus ${why}: ${words.slice(-2000)}`));
    const limit = setTimeout(() => fail("was not ready in time"), READY_TIMEOUT_MS);
    server.once("error", (error) => fail(error.message));
    server.once("exit", (code) => fail(`ended with ${code}`));
    server.stderr?.setEncoding("utf8").on("data", (text: string) => {
      words += text;
      const listens = /msg="Listening on" address=(\S+)/.exec(words)?.[1];
      if (listens === undefined || !words.includes("Server is ready to receive web requests")) return;
      clearTimeout(limit);
      resolve(listens);
    });
  });
  server.removeAllListeners("exit");
  return address;
}
