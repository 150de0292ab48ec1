/**
 * An MLflow server as its REST documentation describes it, in memory: what is sent past its limits or against its rules is
 * refused, and it can fail before it carries a request out, or afterwards.
 */
import type { Http, HttpAnswer } from "../../coordinator/results/export/sweep/mlflow-server.js";

export interface TwinRun {
  id: string;
  experiment: string;
  status: string;
  end?: number;
  params: Map<string, string>;
  tags: Map<string, string>;
  metrics: { key: string; value: number; step: number; timestamp: number }[];
  known: Set<string>;
}

/** lost: no answer, and nothing was done; unheard: it was done, and no answer comes; a number: answered with that status. */
export type Fault = "lost" | "unheard" | number;

const NAME = /^[/\w.\- ]+$/;

class Refused extends Error {
  readonly status: number;
  readonly reason: string;

  constructor(status: number, reason: string, message: string) {
    super(message);
    this.status = status;
    this.reason = reason;
  }
}

type Body = Record<string, unknown>;
type Pair = { key: string; value: string };

export class MlflowTwin {
  readonly runs = new Map<string, TwinRun>();
  readonly experiments = new Map<string, { id: string; lifecycle_stage: string }>();
  /** Paths, in the order in which they came. */
  readonly requests: string[] = [];
  #fault: (count: number, path: string) => Fault | undefined;

  constructor(fault: (count: number, path: string) => Fault | undefined = () => undefined) {
    this.#fault = fault;
  }

  mend(): void {
    this.#fault = () => undefined;
  }

  /** By the tag that names what it is. */
  run(key: string): TwinRun | undefined {
    return [...this.runs.values()].find(({ tags }) => tags.get("saf.run") === key);
  }

  readonly http: Http = ({ method, url, body }) => {
    const { pathname, searchParams } = new URL(url);
    const path = pathname.replace("/api/2.0/mlflow/", "");
    const fault = this.#fault(this.requests.length, path);
    this.requests.push(path);
    if (fault === "lost") return Promise.reject(new TypeError("fetch failed"));
    if (typeof fault === "number") return Promise.resolve({ status: fault, body: "busy", retryAfter: 7 });
    const answer = this.#answer(method, path, body, searchParams);
    return fault === "unheard" ? Promise.reject(new TypeError("terminated")) : Promise.resolve(answer);
  };

  #answer(method: string, path: string, body: string | undefined, query: URLSearchParams): HttpAnswer {
    try {
      const given = body === undefined ? Object.fromEntries(query) : (JSON.parse(body) as Body);
      if (path === "runs/log-batch" && Buffer.byteLength(body ?? "") > 1_000_000) throw invalid("over 1 MB");
      const said = this.#handle(`${method} ${path}`, given);
      return { status: 200, body: JSON.stringify(said) };
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      const { status, reason, message } = error;
      return { status, body: JSON.stringify({ error_code: reason, message }) };
    }
  }

  #handle(request: string, body: Body): Body {
    switch (request) {
      case "GET experiments/get-by-name":
        return this.#experiment(String(body["experiment_name"]));
      case "POST experiments/create":
        return this.#createExperiment(String(body["name"]));
      case "POST runs/create":
        return this.#createRun(body);
      case "POST runs/search":
        return this.#search(body);
      case "POST runs/log-batch":
        return this.#logBatch(body);
      case "POST runs/update":
        return this.#update(body);
      default:
        throw new Refused(404, "ENDPOINT_NOT_FOUND", request);
    }
  }

  #experiment(name: string): Body {
    const found = this.experiments.get(name);
    if (found === undefined) throw new Refused(404, "RESOURCE_DOES_NOT_EXIST", `no experiment ${name}`);
    return { experiment: { experiment_id: found.id, name, lifecycle_stage: found.lifecycle_stage } };
  }

  #createExperiment(name: string): Body {
    if (this.experiments.has(name)) throw new Refused(400, "RESOURCE_ALREADY_EXISTS", name);
    const id = String(this.experiments.size + 1);
    this.experiments.set(name, { id, lifecycle_stage: "active" });
    return { experiment_id: id };
  }

  #createRun(body: Body): Body {
    const id = `run${this.runs.size + 1}`;
    const run: TwinRun = {
      ...{ id, experiment: String(body["experiment_id"]), status: "RUNNING" },
      ...{ params: new Map(), tags: new Map(), metrics: [], known: new Set() },
    };
    for (const { key, value } of body["tags"] as Pair[]) run.tags.set(named(key), value);
    this.runs.set(id, run);
    return { run: { info: { run_id: id }, data: {} } };
  }

  #search(body: Body): Body {
    const [, key = "", value = ""] = /^tags\.`([^`]+)` = '([^']*)'$/.exec(String(body["filter"])) ?? [];
    const [experiment] = body["experiment_ids"] as string[];
    const found = [...this.runs.values()].filter(
      (run) => run.experiment === experiment && run.tags.get(key) === value,
    );
    const from = Number(body["page_token"] ?? 0);
    const most = Number(body["max_results"]);
    const page = found.slice(from, from + most);
    const more = from + most < found.length ? { next_page_token: String(from + most) } : {};
    // MLflow leaves empty lists out.
    return page.length === 0 ? {} : { runs: page.map(shownRun), ...more };
  }

  #logBatch(body: Body): Body {
    const run = this.#runOf(body);
    const params = body["params"] as Pair[];
    const tags = body["tags"] as Pair[];
    const metrics = body["metrics"] as TwinRun["metrics"];
    if (params.length > 100 || tags.length > 100 || metrics.length > 1000) throw invalid("too many");
    if (params.length + tags.length + metrics.length > 1000) throw invalid("too many in total");
    for (const { key, value } of params) {
      if ((run.params.get(named(key)) ?? value) !== value) throw invalid(`param ${key} is changed`);
      run.params.set(key, value);
    }
    for (const { key, value } of tags) run.tags.set(named(key), value);
    for (const metric of metrics) {
      if (!Number.isInteger(metric.timestamp) || typeof metric.value !== "number") throw invalid(metric.key);
      // A metric's values are a set: the same one again changes nothing.
      const text = JSON.stringify([named(metric.key), metric.value, metric.timestamp, metric.step]);
      if (!run.known.has(text)) run.metrics.push(metric);
      run.known.add(text);
    }
    return {};
  }

  #update(body: Body): Body {
    const run = this.#runOf(body);
    run.status = String(body["status"]);
    if (body["end_time"] !== undefined) run.end = Number(body["end_time"]);
    return { run_info: { run_id: run.id } };
  }

  #runOf(body: Body): TwinRun {
    const run = this.runs.get(String(body["run_id"]));
    if (run === undefined) throw new Refused(404, "RESOURCE_DOES_NOT_EXIST", String(body["run_id"]));
    return run;
  }
}

/** With the newest value of each metric. */
function shownRun(run: TwinRun): Body {
  const newest = new Map<string, TwinRun["metrics"][number]>();
  for (const metric of run.metrics)
    if (metric.step >= (newest.get(metric.key)?.step ?? -1)) newest.set(metric.key, metric);
  const tags = [...run.tags].map(([key, value]) => ({ key, value }));
  return { info: { run_id: run.id }, data: { tags, metrics: [...newest.values()] } };
}

function invalid(message: string): Refused {
  return new Refused(400, "INVALID_PARAMETER_VALUE", message);
}

function named(key: string): string {
  if (!NAME.test(key) || key.length > 250) throw invalid(`name ${key}`);
  return key;
}
