/** Requests to an MLflow server over HTTP, with the credentials that MLflow's own client takes from the environment. */
import type { Http } from "../../coordinator/results/export/sweep/mlflow-server.js";
import { ClusterError } from "../../shared/errors.js";

const PATIENCE_MS = 30_000;

export interface MlflowAddress {
  /** Without user and password, and without a slash at its end. */
  uri: string;
  /** The header `Authorization`; absent without credentials. */
  authorization?: string;
}

/** User and password may stand in the address. Throws ClusterError("usage"). */
export function mlflowAddress(
  given: string,
  env: Readonly<Record<string, string | undefined>>,
): MlflowAddress {
  const url = URL.canParse(given) ? new URL(given) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw new ClusterError("usage", `--tracking-uri: "${given}" is no address of an MLflow server`, {
      hint: "give one as in http://127.0.0.1:5000; without it, a file store is written",
    });
  }
  const user = decodeURIComponent(url.username) || env["MLFLOW_TRACKING_USERNAME"];
  const password = decodeURIComponent(url.password) || env["MLFLOW_TRACKING_PASSWORD"];
  const token = env["MLFLOW_TRACKING_TOKEN"];
  const uri = `${url.origin}${url.pathname}`.replace(/\/+$/, "");
  if (user !== undefined && user !== "") {
    const pair = Buffer.from(`${user}:${password ?? ""}`).toString("base64");
    return { uri, authorization: `Basic ${pair}` };
  }
  return { uri, ...(token === undefined || token === "" ? {} : { authorization: `Bearer ${token}` }) };
}

export function mlflowHttp({ authorization }: MlflowAddress): Http {
  return async ({ method, url, body }) => {
    const response = await fetch(url, {
      method,
      headers: {
        "Content-Type": "application/json",
        ...(authorization === undefined ? {} : { Authorization: authorization }),
      },
      signal: AbortSignal.timeout(PATIENCE_MS),
      ...(body === undefined ? {} : { body }),
    });
    const seconds = Number(response.headers.get("retry-after") ?? NaN);
    return {
      status: response.status,
      body: await response.text(),
      ...(Number.isFinite(seconds) ? { retryAfter: seconds } : {}),
    };
  };
}
