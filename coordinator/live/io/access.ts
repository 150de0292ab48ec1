/**
 * Who may see page, API and push. Without a token: whoever reaches the port. With one: who shows it as
 * `Authorization: Bearer`, or a browser that logged in with it.
 *
 * The login is a form, so that the token never stands in an address: those end up in histories, in the logs of proxies
 * and in Referer headers. The cookie holds a time and its keyed hash, not the token: it is worthless after that time,
 * and when the token is replaced; it survives a restart, for nothing is stored. Scripts cannot read it (HttpOnly) and
 * other sites cannot send it (SameSite=Strict). Ports share cookies, so its name depends on the token.
 */
import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { isIP } from "node:net";
import { ClusterError } from "../../../shared/errors.js";
import type { HttpLog, HttpOptions } from "../../../shared/io/http-server.js";
import { watchFiles } from "../../../shared/io/reloaded-files.js";

const SHORTEST_TOKEN = 16;
const LOGIN_SECONDS = 12 * 3600;
const RELOAD_MS = 5_000;

export class Access {
  readonly #http: HttpOptions;
  readonly #now: () => number;
  #token: string | undefined;

  private constructor(http: HttpOptions, now: () => number) {
    this.#http = http;
    this.#now = now;
  }

  /** Throws ClusterError("config") for a token file that is missing or holds too little. */
  static async of(http: HttpOptions, log: HttpLog, now: () => number = Date.now): Promise<Access> {
    const access = new Access(http, now);
    const isLocal = isLoopback(http.host);
    if (http.tokenFile !== undefined) {
      await watchFiles({
        files: [http.tokenFile],
        setting: "SAF_HTTP_TOKEN_FILE, or --http-token-file",
        everyMs: RELOAD_MS,
        apply: ([content]) => {
          access.#token = tokenIn(content, http.tokenFile ?? "");
        },
        log,
      });
      if (!isLocal && http.certFile === undefined)
        log(
          "warn",
          "The live page's token travels unencrypted: set SAF_HTTP_CERT_FILE, or put TLS before it",
        );
    } else if (!isLocal) {
      log("warn", `The live page is open to whoever reaches ${http.host}: set SAF_HTTP_TOKEN_FILE`);
    }
    return access;
  }

  get needsLogin(): boolean {
    return this.#token !== undefined;
  }

  /** Is the request from somebody who may see everything? */
  isAllowed({ headers }: IncomingMessage): boolean {
    const token = this.#token;
    if (token === undefined) return true;
    const bearer = /^Bearer +(\S+)$/i.exec(headers.authorization ?? "")?.[1];
    if (bearer !== undefined) return isSame(bearer, token);
    return this.#isCookie(cookieNamed(this.#cookieName(token), headers.cookie), token);
  }

  /** The header that logs a browser in; undefined for a wrong token. */
  login(given: string): string | undefined {
    const token = this.#token;
    if (token === undefined || !isSame(given.trim(), token)) return undefined;
    const until = String(Math.floor(this.#now() / 1000) + LOGIN_SECONDS);
    const secure = this.#http.certFile === undefined ? "" : "; Secure";
    return `${this.#cookieName(token)}=${until}.${signature(token, until)}; Path=/; Max-Age=${LOGIN_SECONDS}; HttpOnly; SameSite=Strict${secure}`;
  }

  /**
   * On loopback only names of this machine are answered: a page elsewhere may let its own name point here (DNS
   * rebinding), and no login protects what needs none.
   */
  isHostKnown({ headers }: IncomingMessage): boolean {
    if (!isLoopback(this.#http.host) || this.needsLogin) return true;
    const name = hostNameOf(headers.host ?? "");
    return isLoopback(name) || this.#origins.some((origin) => hostNameOf(new URL(origin).host) === name);
  }

  /** Browsers say which page a connection comes from; others say nothing. */
  isOriginKnown({ headers }: IncomingMessage): boolean {
    const { origin } = headers;
    if (origin === undefined) return true;
    if (!URL.canParse(origin)) return false;
    const { protocol, host } = new URL(origin);
    // Behind a proxy that ends TLS the page is https and we are not.
    const own = URL.canParse(`${protocol}//${headers.host}`)
      ? new URL(`${protocol}//${headers.host}`).host
      : "";
    return host === own || this.#origins.some((known) => new URL(known).origin === new URL(origin).origin);
  }

  get #origins(): readonly string[] {
    return this.#http.origins ?? [];
  }

  #cookieName(token: string): string {
    return `saf-${createHash("sha256").update(`name ${token}`).digest("hex").slice(0, 8)}`;
  }

  #isCookie(cookie: string | undefined, token: string): boolean {
    const [, until, signed] = /^(\d{1,12})\.([\w-]+)$/.exec(cookie ?? "") ?? [];
    if (until === undefined || signed === undefined) return false;
    return isSame(signed, signature(token, until)) && Number(until) * 1000 > this.#now();
  }
}

function tokenIn(content: Buffer, file: string): string {
  const token = content.toString("utf8").trim();
  if (token.length < SHORTEST_TOKEN || /\s/.test(token))
    throw new ClusterError("config", `${file} must hold one word of at least ${SHORTEST_TOKEN} characters`);
  return token;
}

function signature(token: string, until: string): string {
  return createHmac("sha256", token).update(`saf live page until ${until}`).digest("base64url");
}

/** In the same time whatever the difference, lengths included. */
function isSame(given: string, wanted: string): boolean {
  const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(given), digest(wanted));
}

function cookieNamed(name: string, header: string | undefined): string | undefined {
  const pair = (header ?? "").split(";").find((each) => each.trim().startsWith(`${name}=`));
  return pair?.trim().slice(name.length + 1);
}

/** The name in a Host header, without port and brackets. */
function hostNameOf(host: string): string {
  return host
    .toLowerCase()
    .replace(/:\d+$/, "")
    .replace(/^\[(.*)\]$/, "$1");
}

function isLoopback(name: string): boolean {
  return name === "localhost" || name === "::1" || (isIP(name) === 4 && name.startsWith("127."));
}
