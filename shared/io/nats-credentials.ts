/**
 * The credentials of a process, read from their file at every dial: whoever renews the file renews the connection. A
 * file that cannot be read later on (it may just be replaced) leaves the last good credentials in use.
 */
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { type Authenticator, jwtAuthenticator, nkeyAuthenticator } from "nats";
import { fromSeed } from "nkeys.js";
import { type Credentials, MAX_CREDENTIALS_BYTES, parseCredentials } from "../credentials.js";
import { ClusterError, codeIn, wordsOf } from "../errors.js";

export interface CredentialsOptions {
  /** The file; `{id}` in it stands for the identity; a folder holds `<identity>.creds`. */
  file: string;
  identity: string;
  onWarning: (message: string) => void;
  /** Milliseconds since 1970. */
  now?: () => number;
}

/** Short-lived credentials are looked after once this share of their life is over. */
const RENEWED_BY = 2 / 3;
const LONGEST_WAIT_MS = 6 * 3_600_000;
const OVERDUE_MS = 5000;
const READABLE_BY_OTHERS = 0o004;

export class CredentialsFile {
  readonly #options: CredentialsOptions;
  #last: Credentials;
  #timer: NodeJS.Timeout | undefined;

  /** @throws ClusterError("config") when the file is missing, is no file of credentials, or somebody else's. */
  constructor(options: CredentialsOptions) {
    this.#options = options;
    this.#last = this.#read();
    this.#warnOfReaders();
  }

  /** Of the credentials that were read last; milliseconds since 1970, undefined: never. */
  get expiresMs(): number | undefined {
    const { claims } = this.#last;
    return claims?.expiresAt === undefined ? undefined : 1000 * claims.expiresAt;
  }

  /** Must not throw: the client would close for good. */
  authenticator(): Authenticator {
    return (nonce?: string) => {
      this.refresh();
      const { seed, jwt } = this.#last;
      const bytes = new TextEncoder().encode(seed);
      return jwt === undefined ? nkeyAuthenticator(bytes)(nonce) : jwtAuthenticator(jwt, bytes)(nonce);
    };
  }

  /** Reads the file again. What is wrong with it is said, and the last good credentials stay. */
  refresh(): void {
    try {
      this.#last = this.#read();
    } catch (error) {
      this.#options.onWarning(`${wordsOf(error)}; going on with the credentials read before`);
    }
  }

  /** Says in time, and once more at the end, when nobody renews the file. */
  watch(): void {
    const { now = Date.now, identity, onWarning } = this.#options;
    const { claims } = this.#last;
    const endMs = this.expiresMs;
    if (claims === undefined || endMs === undefined) return;
    const dueMs = 1000 * claims.issuedAt + RENEWED_BY * (endMs - 1000 * claims.issuedAt);
    const nextMs = now() < dueMs ? dueMs : now() < endMs ? endMs : now() + OVERDUE_MS;
    const check = (): void => {
      this.refresh();
      if (this.expiresMs === endMs) {
        const seconds = Math.ceil((endMs - now()) / 1000);
        if (nextMs === dueMs)
          onWarning(
            `The NATS credentials of ${identity} end in ${seconds} s and nobody has renewed ${this.#path()}`,
          );
        else if (nextMs === endMs)
          onWarning(`The NATS credentials of ${identity} are over; waiting for new ones in ${this.#path()}`);
      }
      this.watch();
    };
    // Of a wait longer than a timer can be, the rest follows.
    const waitMs = nextMs - now();
    this.#timer = setTimeout(
      () => (waitMs > LONGEST_WAIT_MS ? this.watch() : check()),
      Math.min(waitMs, LONGEST_WAIT_MS),
    );
    this.#timer.unref();
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  #path(): string {
    const { file, identity } = this.#options;
    const path = file.replaceAll("{id}", identity);
    return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true
      ? join(path, `${identity}.creds`)
      : path;
  }

  #read(): Credentials {
    const { identity } = this.#options;
    const path = this.#path();
    let text: string;
    try {
      const { size } = statSync(path);
      if (size > MAX_CREDENTIALS_BYTES) throw new Error(`it has ${size} bytes`);
      text = readFileSync(path, "utf8");
    } catch (cause) {
      const code = codeIn(cause);
      throw new ClusterError(
        "config",
        `Cannot read the NATS credentials ${path}: ${code === "ENOENT" ? "the file is missing" : (code ?? wordsOf(cause))}`,
        { hint: "named by SAF_NATS_CREDS_FILE or --creds-file; is the Secret there, and mounted?", cause },
      );
    }
    const credentials = parseCredentials(text, path);
    const { claims, seed } = credentials;
    const key = publicKeyOf(seed);
    if (key === undefined || (claims !== undefined && claims.subject !== key)) {
      throw new ClusterError(
        "config",
        `The seed of the NATS credentials in ${path} is damaged or not the JWT's own`,
      );
    }
    if (claims !== undefined && claims.name !== identity) {
      throw new ClusterError(
        "config",
        `The NATS credentials in ${path} are of "${claims.name}", this process is "${identity}"`,
        { hint: "a worker's --id is the name its credentials were made for" },
      );
    }
    return credentials;
  }

  #warnOfReaders(): void {
    const path = this.#path();
    if ((statSync(path, { throwIfNoEntry: false })?.mode ?? 0) & READABLE_BY_OTHERS) {
      this.#options.onWarning(`${path} can be read by every user of this machine; make it 0600, or 0440`);
    }
  }
}

function publicKeyOf(seed: string): string | undefined {
  try {
    return fromSeed(new TextEncoder().encode(seed)).getPublicKey();
  } catch {
    return undefined;
  }
}
