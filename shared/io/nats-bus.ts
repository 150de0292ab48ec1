/** The bus over NATS. Beside the transport and the credentials, the only file that knows the `nats` package. */
import { readFileSync } from "node:fs";
import { ErrorCode, Events, type NatsConnection, NatsError, type TlsOptions } from "nats";
import { type Bus, type BusMessage, RequestError, type Subscription } from "../bus.js";
import { LEAST_PAYLOAD_BYTES } from "../core/chunk.js";
import { ClusterError, codeIn, wordsOf } from "../errors.js";
import { hasSecret, redact } from "../redact.js";
import { inboxPrefix } from "../subjects.js";
import { CredentialsFile } from "./nats-credentials.js";
import { connectWithLargeReads, unsentBytes } from "./nats-transport.js";

/** Where NATS is, and what this process shows it. Files are read again at every dial, so that they can be renewed. */
export interface NatsAccess {
  /** `nats://host:port`, or `tls://host:port`; several with commas between. */
  url: string;
  /** A `.creds` file or an nkey seed; `{id}` stands for the identity, a folder holds `<identity>.creds`. */
  credentialsFile?: string | undefined;
  /** The same, as a local server calls it. */
  seedFile?: string | undefined;
  /** Of TLS: who signed the server's certificate (default: what Node trusts). */
  caFile?: string | undefined;
  /** Of TLS: our own certificate and its key, where the server asks for one. */
  certFile?: string | undefined;
  keyFile?: string | undefined;
}

export interface NatsBusOptions extends NatsAccess {
  /** "coordinator", "observer" or the worker's id: names the connection and its inbox. */
  identity: string;
  /** What this connection carries, for the server's monitoring: "control" or "bulk". */
  purpose: string;
  /** Give up the first dial after this long; later ones are retried for ever. */
  connectTimeoutMs: number;
  /** Gives up waiting for the first dial. */
  signal?: AbortSignal | undefined;
  /** Told once, when the first dial failed and others follow. */
  onWaiting?: ((reason: string) => void) | undefined;
  /** "publish on SUBJECT": not allowed to this identity, so a bug or the wrong credentials. */
  onPermissionError?: (message: string) => void;
  /** Credentials that end, or that others can read. */
  onWarning?: (message: string) => void;
  /** A handler failed over a message on this subject; without this, each is a line on stderr. */
  onFailedMessage?: ((subject: string, error: unknown) => void) | undefined;
}

/** nats-server refuses everybody while it takes a new configuration in: a refusal counts once it has lasted this long. */
const REFUSAL_BELIEVED_MS = 3000;

/**
 * Dials until the server answers. Throws ClusterError("dependency") when it never does or goes on refusing us, and
 * ClusterError("config") when the URL or a file is wrong.
 */
export async function connectNats(options: NatsBusOptions): Promise<Bus> {
  const servers = serversOf(options.url);
  const tls = tlsOf(servers, options);
  const file = options.credentialsFile ?? options.seedFile;
  const onWarning = options.onWarning ?? (() => undefined);
  const credentials =
    file === undefined ? undefined : new CredentialsFile({ file, identity: options.identity, onWarning });
  const deadline = Date.now() + options.connectTimeoutMs;
  let refusedSince: number | undefined;
  for (let attempt = 1; ; attempt++) {
    try {
      const connection = await connectWithLargeReads({
        servers,
        name: `${options.identity} ${options.purpose}`,
        inboxPrefix: inboxPrefix(options.identity),
        ...(credentials === undefined ? {} : { authenticator: credentials.authenticator() }),
        ...(tls === undefined ? {} : { tls }),
        maxReconnectAttempts: -1,
        reconnectTimeWait: 100,
        reconnectJitter: 100,
        reconnectJitterTLS: 100,
        noAsyncTraces: true,
        // Refused twice is no reason to give up: the credentials may be renewed.
        ignoreAuthErrorAbort: true,
      });
      await checkPayload(connection);
      credentials?.watch();
      return new NatsBus(connection, options, credentials);
    } catch (cause) {
      if (cause instanceof ClusterError) throw cause;
      const code = codeIn(cause);
      refusedSince = isOfCredentials(code) ? (refusedSince ?? Date.now()) : undefined;
      const isDoubtful = refusedSince !== undefined && Date.now() - refusedSince < REFUSAL_BELIEVED_MS;
      const refusal = refusalOf(cause, tls !== undefined);
      const message = `Cannot connect to NATS at ${redact(options.url)} as ${options.identity}: ${code ?? String(cause)}`;
      const isFinal = refusal !== undefined && !isDoubtful;
      if (isFinal || Date.now() >= deadline || options.signal?.aborted === true) {
        throw new ClusterError("dependency", message, {
          hint: refusal ?? "is nats-server running there?",
          cause,
        });
      }
      if (attempt === 1) {
        const seconds = Math.round(options.connectTimeoutMs / 1000);
        options.onWaiting?.(`${message}; trying again for ${seconds} s`);
      }
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
}

/** What can be said before anything is dialled, or an engine started. Throws ClusterError("config"). */
export function checkNatsAccess(access: NatsAccess, identity: string): void {
  tlsOf(serversOf(access.url), access);
  const file = access.credentialsFile ?? access.seedFile;
  if (file !== undefined) new CredentialsFile({ file, identity, onWarning: () => undefined });
}

/** Throws ClusterError("config") for a server that could not carry a chunk: better now than in the middle of a run. */
async function checkPayload(connection: NatsConnection): Promise<void> {
  const most = connection.info?.max_payload ?? LEAST_PAYLOAD_BYTES;
  if (most >= LEAST_PAYLOAD_BYTES) return;
  await connection.close();
  throw new ClusterError(
    "config",
    `nats-server takes messages of at most ${most} bytes, and a chunk needs ${LEAST_PAYLOAD_BYTES}`,
    { hint: "raise max_payload in the server's configuration; 2MB is what saf's own server has" },
  );
}

function serversOf(url: string): string[] {
  if (hasSecret(url)) {
    throw new ClusterError("config", `The NATS URL ${redact(url)} holds a secret`, {
      hint: "other users of this machine could see it: put credentials into a file, SAF_NATS_CREDS_FILE",
    });
  }
  const servers = url.split(",").map((server) => server.trim());
  const wrong = servers.find((server) => !/^(nats|tls):\/\/[^\s/]+\/?$/.test(server));
  if (wrong === undefined) return servers;
  throw new ClusterError(
    "config",
    `"${redact(wrong)}" is no NATS URL: expected nats://host:port or tls://host:port`,
  );
}

/** TLS options where the URL says `tls:`. Never less than was asked for: files of TLS with `nats:` are an error. */
function tlsOf(
  servers: readonly string[],
  { caFile, certFile, keyFile }: NatsAccess,
): TlsOptions | undefined {
  const wrong = (message: string, hint: string): ClusterError =>
    new ClusterError("config", message, { hint });
  const isTls = servers.map((server) => server.startsWith("tls:"));
  if (new Set(isTls).size > 1) {
    throw wrong(
      "The NATS URL mixes tls:// and nats://",
      "what is sent over one plain connection is not protected",
    );
  }
  const files = Object.entries({ caFile, certFile, keyFile }).flatMap(([key, path]) =>
    path === undefined ? [] : [[key, path] as const],
  );
  if (isTls[0] !== true) {
    if (files.length === 0) return undefined;
    throw wrong(
      `There are files for TLS (${files.map(([, path]) => path).join(", ")}), but the NATS URL is nats://`,
      "write tls://host:port",
    );
  }
  if ((certFile === undefined) !== (keyFile === undefined))
    throw wrong(
      "A certificate needs its key, and a key its certificate",
      "SAF_NATS_CERT_FILE, SAF_NATS_KEY_FILE",
    );
  for (const [, path] of files) {
    try {
      readFileSync(path);
    } catch (cause) {
      const code = codeIn(cause);
      throw wrong(
        `Cannot read ${path} of TLS: ${code === "ENOENT" ? "the file is missing" : code}`,
        "is it mounted?",
      );
    }
  }
  return Object.fromEntries(files);
}

const isOfCredentials = (code: string | undefined): boolean =>
  code === ErrorCode.AuthorizationViolation || code === ErrorCode.BadAuthentication;

/** Why another dial would fail as well; undefined where it may not. A server that timed out on us has refused nothing. */
function refusalOf(error: unknown, isTls: boolean): string | undefined {
  const code = codeIn(error);
  if (isOfCredentials(code))
    return "the server refused the credentials: are they for this server and pool, and not over?";
  if (code === ErrorCode.AuthenticationExpired) return "the server refused the credentials: they are over";
  const chained = error instanceof NatsError ? error.chainedError : undefined;
  const why = wordsOf(chained ?? error);
  if (code === ErrorCode.ServerOptionNotAvailable)
    return isTls
      ? "the server offers no TLS, and the URL asks for it"
      : "the server asks for TLS: write tls://";
  const tlsCode = codeIn(chained) ?? code;
  if (isTls && tlsCode === "ERR_TLS_CERT_ALTNAME_INVALID")
    return `the server's certificate is not for this host: ${redact(why)}; the name or address that is dialled must stand in its subjectAltName`;
  if (!isTls) return code === ErrorCode.Tls ? "the server asks for TLS: write tls://" : undefined;
  if (/CERT|SELF_SIGNED|UNABLE_TO_|ERR_TLS|ERR_SSL|ERR_OSSL|^TLS$/.test(code ?? ""))
    return `TLS failed: ${redact(why)}; is SAF_NATS_CA_FILE the authority that signed the server's certificate?`;
  return undefined;
}

const REASONS: Record<string, string> = {
  [ErrorCode.AuthenticationExpired]: "NATS cut the connection: the credentials are over",
  [ErrorCode.AuthorizationViolation]: "NATS refused the credentials; dialling on",
};

class NatsBus implements Bus {
  readonly #connection: NatsConnection;
  readonly #credentials: CredentialsFile | undefined;
  readonly #onFailedMessage: (subject: string, error: unknown) => void;
  readonly #handlers: ((connected: boolean) => void)[] = [];
  #connected = true;

  constructor(
    connection: NatsConnection,
    edges: Pick<NatsBusOptions, "onPermissionError" | "onWarning" | "onFailedMessage">,
    credentials: CredentialsFile | undefined,
  ) {
    this.#connection = connection;
    this.#onFailedMessage = edges.onFailedMessage ?? tellFailedMessage;
    this.#credentials = credentials;
    void this.#watch(edges);
  }

  get connected(): boolean {
    return this.#connected && !this.#connection.isClosed();
  }

  get maxPayload(): number {
    return this.#connection.info?.max_payload ?? 1_048_576;
  }

  get pendingBytes(): number {
    return this.#connection.isClosed() ? 0 : unsentBytes(this.#connection);
  }

  publish(subject: string, data: Uint8Array): void {
    this.#checkSize(subject, data);
    if (this.#connection.isClosed()) return;
    this.#connection.publish(subject, data);
  }

  subscribe(pattern: string, handler: (message: BusMessage) => void): Subscription {
    if (this.#connection.isClosed()) return { unsubscribe: () => undefined };
    const subscription = this.#connection.subscribe(pattern, {
      callback: (error, message) => {
        if (error !== null) return;
        const heard: BusMessage = {
          subject: message.subject,
          data: message.data,
          replyTo: message.reply === "" ? undefined : message.reply,
          respond: (data) => {
            this.#checkSize(`the reply to ${message.subject}`, data);
            if (message.reply !== undefined && message.reply !== "" && !this.#connection.isClosed())
              message.respond(data);
          },
        };
        this.#guard(message.subject, () => handler(heard));
      },
    });
    return { unsubscribe: () => subscription.unsubscribe() };
  }

  async request(subject: string, data: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    this.#checkSize(subject, data);
    if (this.#connection.isClosed()) throw new RequestError("closed", subject);
    if (!this.#connected) throw new RequestError("disconnected", subject);
    try {
      const reply = await this.#connection.request(subject, data, { timeout: timeoutMs });
      // The bytes lie in the socket's read buffer: copied before the next read.
      return new Uint8Array(reply.data);
    } catch (error) {
      const code = codeIn(error);
      // The client reports open requests of a connection that is being closed as timed out.
      if (this.#connection.isClosed()) throw new RequestError("closed", subject);
      if (code === ErrorCode.NoResponders) throw new RequestError("no-responders", subject);
      if (code === ErrorCode.Timeout) throw new RequestError("timeout", subject);
      if (code === ErrorCode.ConnectionDraining) throw new RequestError("closed", subject);
      if (code === ErrorCode.Disconnect) throw new RequestError("disconnected", subject);
      throw error;
    }
  }

  async flush(): Promise<void> {
    if (!this.connected) return;
    try {
      await this.#connection.flush();
    } catch {
      // The connection broke while flushing: what was published is lost, and `connected` says so.
    }
  }

  onConnection(handler: (connected: boolean) => void): void {
    this.#handlers.push(handler);
  }

  async close(): Promise<void> {
    this.#credentials?.close();
    await this.#connection.close();
  }

  #checkSize(subject: string, { byteLength }: Uint8Array): void {
    if (byteLength <= this.maxPayload) return;
    throw new ClusterError(
      "protocol",
      `Cannot publish ${byteLength} bytes on ${subject}: the server takes ${this.maxPayload}`,
    );
  }

  /** What goes wrong over one message ends here, and is told: the next one is heard, and the process lives on. */
  #guard(subject: string, work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#onFailedMessage(subject, error);
    }
  }

  async #watch({
    onPermissionError,
    onWarning,
  }: Pick<NatsBusOptions, "onPermissionError" | "onWarning">): Promise<void> {
    // Dials that fail one after the other for the same reason are one piece of news.
    let told = "";
    for await (const status of this.#connection.status()) {
      if (status.type === Events.Disconnect) this.#announce(false);
      else if (status.type === Events.Reconnect) {
        told = "";
        this.#announce(true);
      } else if (status.type === Events.Error) {
        const { permissionContext: refused } = status;
        const reason = typeof status.data === "string" ? status.data : JSON.stringify(status.data);
        if (refused !== undefined) onPermissionError?.(`${refused.operation} on ${refused.subject}`);
        else if (told !== reason) onWarning?.(REASONS[reason] ?? `NATS: ${reason}`);
        if (refused === undefined) told = reason;
      }
    }
    this.#announce(false);
  }

  #announce(connected: boolean): void {
    if (this.#connected === connected) return;
    this.#connected = connected;
    const subject = connected ? "the connection's return" : "the connection's loss";
    for (const handler of this.#handlers) this.#guard(subject, () => handler(connected));
  }
}

function tellFailedMessage(subject: string, error: unknown): void {
  process.stderr.write(`saf: A message on ${subject} came to nothing: ${wordsOf(error)}\n`);
}
