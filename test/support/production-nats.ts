/** A nats-server set up as in production: credentials made by the project's own authority, TLS where a test asks for it. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { Authority } from "../../deploy/credentials/authority.js";
import { writeSecret } from "../../deploy/credentials/secret-file.js";
import type { NatsBinary } from "../../deploy/local/nats/binary.js";
import { configLoadTime, isHealthy, readPorts } from "../../deploy/local/nats/monitoring.js";
import type { Role } from "../../shared/subjects.js";

const PATIENCE_MS = 20_000;
const POLL_MS = 20;
const DAY_S = 86_400;

export interface ProductionOptions {
  pool?: string;
  /** Text of the `tls { }` block; paths are the test's own. */
  tls?: string;
  /** More lines of the configuration. */
  more?: string;
  onLog?: (line: string) => void;
}

export class ProductionNats {
  readonly directory: string;
  readonly authority: Authority;
  readonly #process: ChildProcess;
  readonly #monitorUrl: string;
  readonly url: string;

  constructor(parts: {
    directory: string;
    authority: Authority;
    process: ChildProcess;
    url: string;
    monitorUrl: string;
  }) {
    this.directory = parts.directory;
    this.authority = parts.authority;
    this.#process = parts.process;
    this.url = parts.url;
    this.#monitorUrl = parts.monitorUrl;
  }

  get port(): number {
    return Number(new URL(this.url).port);
  }

  credentialsFile(name: string): string {
    return join(this.directory, "creds", `${name}.creds`);
  }

  /** Makes the file, or renews it. Returns its path. */
  async mint(role: Role, name: string = role, lifeSeconds = DAY_S): Promise<string> {
    const { text } = await this.authority.mint(role, name, lifeSeconds, Date.now());
    await writeSecret(this.credentialsFile(name), text);
    return this.credentialsFile(name);
  }

  /** Back when the server has taken its files in again. */
  async reload(): Promise<void> {
    const before = await configLoadTime(this.#monitorUrl);
    this.#process.kill("SIGHUP");
    await until("the server to reload", async () => (await configLoadTime(this.#monitorUrl)) !== before);
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    this.#process.kill("SIGTERM");
    await once(this.#process, "exit");
  }
}

/** Ended after the test, and its files removed. */
export async function productionNats(
  t: TestContext,
  binary: NatsBinary,
  options: ProductionOptions = {},
): Promise<ProductionNats> {
  const directory = await mkdtemp(join(tmpdir(), "saf-nats-production-"));
  const server = await startProductionNats(directory, binary, options);
  t.after(async () => {
    await server.stop();
    await rm(directory, { recursive: true, force: true });
  });
  return server;
}

export async function startProductionNats(
  directory: string,
  binary: NatsBinary,
  { pool = "pool", tls, more = "", onLog = () => undefined }: ProductionOptions = {},
): Promise<ProductionNats> {
  const authority = await Authority.create(join(directory, "keys"), pool, Date.now());
  await mkdir(join(directory, "creds"), { mode: 0o700 });
  await mkdir(join(directory, "ports"));
  const config = [
    'host: "127.0.0.1"',
    "port: -1",
    'http: "127.0.0.1:-1"',
    `ports_file_dir: ${JSON.stringify(join(directory, "ports"))}`,
    "max_payload: 2MB",
    `jetstream { store_dir: ${JSON.stringify(join(directory, "store"))} }`,
    'include "keys/nats-auth.conf"',
    ...(tls === undefined ? [] : [`tls { ${tls} }`]),
    more,
    "",
  ].join("\n");
  await writeFile(join(directory, "nats.conf"), config);
  const log: string[] = [];
  const child = spawn(binary.path, ["-c", join(directory, "nats.conf")], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    for (const line of text.split("\n").filter((part) => part !== "")) {
      log.push(line);
      onLog(line);
    }
  });
  const found = await until("the server to start", async () => {
    if (child.exitCode !== null) throw new Error(`nats-server ended:\n${log.slice(-10).join("\n")}`);
    return readPorts(join(directory, "ports"), child.pid ?? 0);
  });
  await until("the server to be healthy", () => isHealthy(found.monitorUrl));
  const url = found.url.replace(/^tls:/, "nats:");
  return new ProductionNats({ directory, authority, process: child, url, monitorUrl: found.monitorUrl });
}

/** Asks again and again; there is no event for what other processes do. */
export async function until<T>(what: string, ask: () => Promise<T | undefined | false>): Promise<T> {
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined && answer !== false) return answer;
    if (performance.now() > deadline) throw new Error(`Waited ${PATIENCE_MS} ms for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/** Certificates for `localhost` and 127.0.0.1, signed by an authority of the test's own, as PEM files in `directory`. */
export class Certificates {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Makes `<name>.crt` and `<name>.key`. */
  authority(name: string): string {
    this.#openssl(
      ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"],
      ...["-days", "2", "-subj", `/CN=${name}`, "-keyout", this.key(name), "-out", this.certificate(name)],
      ...["-addext", "basicConstraints=critical,CA:TRUE"],
    );
    return this.certificate(name);
  }

  /** Makes `<name>.crt` and `<name>.key`, signed by `authority`. `host` is what the certificate is for. */
  async sign(name: string, authority: string, host = "DNS:localhost,IP:127.0.0.1"): Promise<void> {
    const request = join(this.#directory, `${name}.csr`);
    const extensions = join(this.#directory, `${name}.ext`);
    await writeFile(extensions, `subjectAltName=${host}\nextendedKeyUsage=serverAuth,clientAuth\n`);
    this.#openssl(
      ...["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"],
      ...["-subj", `/CN=${name}`, "-keyout", this.key(name), "-out", request],
    );
    this.#openssl(
      ...["x509", "-req", "-in", request, "-days", "2", "-CAcreateserial", "-extfile", extensions],
      ...["-CA", this.certificate(authority), "-CAkey", this.key(authority), "-out", this.certificate(name)],
    );
  }

  certificate(name: string): string {
    return join(this.#directory, `${name}.crt`);
  }

  key(name: string): string {
    return join(this.#directory, `${name}.key`);
  }

  #openssl(...args: string[]): void {
    execFileSync("openssl", args, { stdio: ["ignore", "ignore", "pipe"] });
  }
}

/** Why tests with certificates cannot run here; undefined where they can. */
export function noOpenssl(): string | undefined {
  try {
    execFileSync("openssl", ["version"], { stdio: "ignore" });
    return undefined;
  } catch {
    return "openssl is not here";
  }
}
