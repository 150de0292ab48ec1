/** Requests to an MLflow server: tried again, each time later, while what fails may be over soon. */
import { z } from "zod";
import { type Clock, pause } from "../../../../shared/clock.js";
import { ClusterError, wordsOf } from "../../../../shared/errors.js";

export interface HttpAnswer {
  status: number;
  /** Seconds, as the server asks for them. */
  retryAfter?: number;
  body: string;
}

/** Rejects where no answer comes. */
export type Http = (request: { method: "GET" | "POST"; url: string; body?: string }) => Promise<HttpAnswer>;

export interface MlflowServerOptions {
  /** Without user and password. */
  uri: string;
  http: Http;
  clock: Clock;
  /** In [0, 1): several that wait do not come back all at once. */
  random: () => number;
}

type JsonObject = Readonly<Record<string, unknown>>;

const ATTEMPTS = 6;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 60_000;
const PASSING = new Set([408, 425, 429, 500, 502, 503, 504]);

export class MlflowServer {
  readonly uri: string;
  readonly #options: MlflowServerOptions;

  constructor(options: MlflowServerOptions) {
    this.uri = options.uri;
    this.#options = options;
  }

  post<Answer>(path: string, body: JsonObject, answer: z.ZodType<Answer>): Promise<Answer> {
    return this.#retried(() => this.#once("POST", path, answer, body));
  }

  /** Undefined where the server knows no such thing. */
  async get<Answer>(
    path: string,
    query: Readonly<Record<string, string>>,
    answer: z.ZodType<Answer>,
  ): Promise<Answer | undefined> {
    const text = new URLSearchParams(query).toString();
    try {
      return await this.#retried(() => this.#once("GET", `${path}?${text}`, answer));
    } catch (error) {
      if (error instanceof Refusal && error.status === 404) return undefined;
      throw error;
    }
  }

  /**
   * What must not be made twice: an attempt without an answer may have been carried out, so before the next one it is
   * looked for.
   */
  make<Answer>(
    path: string,
    body: JsonObject,
    answer: z.ZodType<Answer>,
    find: () => Promise<Answer | undefined>,
  ): Promise<Answer> {
    return this.#retried(async (attempt) => {
      const found = attempt === 0 ? undefined : await find();
      return found ?? (await this.#once("POST", path, answer, body));
    });
  }

  async #retried<Answer>(request: (attempt: number) => Promise<Answer>): Promise<Answer> {
    const { clock, random } = this.#options;
    for (let attempt = 0; ; attempt++) {
      try {
        return await request(attempt);
      } catch (error) {
        if (!isPassing(error)) throw error;
        if (attempt + 1 >= ATTEMPTS) throw this.#unreachable(error);
        const asked = error instanceof Refusal ? (error.retryAfter ?? 0) * 1000 : 0;
        const own = FIRST_PAUSE_MS * 2 ** attempt * (0.5 + random() / 2);
        await pause(clock, Math.min(Math.max(asked, own), LONGEST_PAUSE_MS));
      }
    }
  }

  async #once<Answer>(
    method: "GET" | "POST",
    path: string,
    schema: z.ZodType<Answer>,
    body?: JsonObject,
  ): Promise<Answer> {
    const url = `${this.uri}/api/2.0/mlflow/${path}`;
    const answer = await this.#options.http({
      ...{ method, url },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (answer.status !== 200) throw new Refusal(`${method} ${url}`, answer);
    const read = schema.safeParse(jsonIn(answer.body));
    if (read.success) return read.data;
    throw new ClusterError("dependency", `${url} does not answer as an MLflow server does`, {
      hint: "is --tracking-uri the address of an MLflow server?",
    });
  }

  #unreachable(cause: unknown): ClusterError {
    return new ClusterError(
      "dependency",
      `Cannot reach the MLflow server at ${this.uri}: ${wordsOf(cause)}`,
      {
        cause,
        hint: "give the same command again when it is back: what has been sent is not sent again",
      },
    );
  }
}

const problem = z.object({ error_code: z.string().default(""), message: z.string().default("") });

/** The server answered, and not with what was asked for. */
export class Refusal extends ClusterError {
  readonly status: number;
  readonly retryAfter: number | undefined;

  constructor(request: string, { status, body, retryAfter }: HttpAnswer) {
    const read = problem.safeParse(jsonIn(body));
    const { error_code: reason, message } = read.success ? read.data : { error_code: "", message: "" };
    super("dependency", `MLflow refuses ${request}: ${[status, reason, message].join(" ").trim()}`, {
      ...(status === 401 || status === 403 ? { hint: CREDENTIALS } : {}),
    });
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

const CREDENTIALS = "set MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD";

/** No answer at all, or one that the next moment may change. */
function isPassing(error: unknown): boolean {
  return error instanceof Refusal ? PASSING.has(error.status) : !(error instanceof ClusterError);
}

function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
