/** What a running nats-server says about itself: its ports in a file, its health and state over HTTP. */
import { readdir, readFile } from "node:fs/promises";
import { get } from "node:http";
import { join } from "node:path";

const HTTP_TIMEOUT_MS = 2_000;

interface PortsFile {
  nats?: string[];
  monitoring?: string[];
}

/** `<program>_<pid>.ports`; undefined while it is not there or not complete. */
export async function readPorts(
  directory: string,
  pid: number,
): Promise<{ url: string; monitorUrl: string } | undefined> {
  const name = (await readdir(directory)).find((file) => file.endsWith(`_${pid}.ports`));
  if (name === undefined) return undefined;
  try {
    const ports = JSON.parse(await readFile(join(directory, name), "utf8")) as PortsFile;
    const [url, monitorUrl] = [ports.nats?.[0], ports.monitoring?.[0]];
    return url === undefined || monitorUrl === undefined ? undefined : { url, monitorUrl };
  } catch {
    return undefined;
  }
}

/** The server and JetStream itself; one broken stream does not keep the server from serving. */
export async function isHealthy(monitorUrl: string): Promise<true | undefined> {
  const answer = await httpGet(`${monitorUrl}/healthz?js-server-only=true`);
  return answer?.status === 200 ? true : undefined;
}

/** When the server last took a configuration in; changes with every reload. */
export async function configLoadTime(monitorUrl: string): Promise<string | undefined> {
  const answer = await httpGet(`${monitorUrl}/varz`);
  if (answer?.status !== 200) return undefined;
  return (JSON.parse(answer.body) as { config_load_time?: string }).config_load_time;
}

/** Undefined when there is no answer in time. No connection is kept. */
function httpGet(url: string): Promise<{ status: number; body: string } | undefined> {
  return new Promise((resolve) => {
    const request = get(url, { agent: false, timeout: HTTP_TIMEOUT_MS }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("end", () =>
        resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() }),
      );
      response.on("error", () => resolve(undefined));
    });
    request.on("timeout", () => request.destroy());
    request.on("error", () => resolve(undefined));
  });
}
