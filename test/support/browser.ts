/** Headless Chromium over the DevTools protocol: what a page shows, says and complains about. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { WebSocket } from "ws";
import { missingTools } from "./apt-tools.js";

const NAMES = ["chromium", "chromium-browser", "google-chrome", "chrome"];
const START_MS = 60_000;
const CALL_MS = 60_000;
const LOOK_MS = 100;
/** No network of its own, no first-run pages. */
const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--disable-dev-shm-usage",
  "--disable-extensions",
  "--hide-scrollbars",
  "--remote-debugging-port=0",
];

/** The program: `CHROMIUM_BIN`, one on PATH, or the distribution's, which apt then installs; or why there is none. */
export async function findChromium(): Promise<{ program: string } | { missing: string }> {
  const named = process.env["CHROMIUM_BIN"];
  const candidates = named === undefined ? NAMES : [named];
  const runs = (name: string): boolean => spawnSync(name, ["--version"]).status === 0;
  const program = candidates.find(runs);
  if (program !== undefined) return { program };
  if (named !== undefined) return { missing: `CHROMIUM_BIN is ${named}, which does not run` };
  const missing = await missingTools(["chromium"], "chromium");
  return missing === undefined ? { program: "chromium" } : { missing };
}

interface Reply {
  id?: number;
  method?: string;
  params?: Record<string, unknown>;
  sessionId?: string;
  result?: Record<string, unknown>;
  error?: { message: string };
}

/** A page, and everything that went wrong on it. */
export class Page {
  readonly #browser: Browser;
  readonly #session: string;
  /** Exceptions, console errors, failed loads, violations of the content security policy. */
  readonly complaints: string[] = [];

  constructor(browser: Browser, session: string) {
    this.#browser = browser;
    this.#session = session;
  }

  call(method: string, params: object = {}): Promise<Record<string, unknown>> {
    return this.#browser.call(method, params, this.#session);
  }

  onEvent(method: string, params: Record<string, unknown>): void {
    if (method === "Runtime.exceptionThrown")
      this.complaints.push(JSON.stringify(params["exceptionDetails"]));
    if (method === "Runtime.consoleAPICalled" && ["error", "warning"].includes(params["type"] as string))
      this.complaints.push(JSON.stringify(params["args"]));
    if (method === "Log.entryAdded") {
      const { level, text, url } = params["entry"] as { level: string; text: string; url?: string };
      if (level === "error" || level === "warning") this.complaints.push(`${text} ${url ?? ""}`.trim());
    }
    if (method === "Audits.issueAdded") {
      const { code } = params["issue"] as { code: string };
      if (code.includes("ContentSecurityPolicy")) this.complaints.push(JSON.stringify(params["issue"]));
    }
  }

  async open(url: string): Promise<void> {
    await this.call("Page.navigate", { url });
    await this.until("document.readyState === 'complete'");
  }

  /** The value of an expression, promises awaited. Throws what it throws. */
  async evaluate<Value>(expression: string): Promise<Value> {
    const { result, exceptionDetails } = (await this.call("Runtime.evaluate", {
      expression,
      awaitPromise: true,
      returnByValue: true,
    })) as {
      result: { value: Value };
      exceptionDetails?: { text: string; exception?: { description?: string } };
    };
    if (exceptionDetails !== undefined)
      throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  }

  /** Resolves when an expression becomes true; looked at ten times a second, across navigations. */
  async until(condition: string, limitMs = CALL_MS): Promise<void> {
    const end = performance.now() + limitMs;
    for (;;) {
      // While a page is on its way there is none to be asked.
      const holds = await this.evaluate<boolean>(`Boolean(${condition})`).catch(() => false);
      if (holds) return;
      if (performance.now() > end)
        throw new Error(`${condition} did not become true; the page says:\n${await this.text()}`);
      await delay(LOOK_MS);
    }
  }

  text(): Promise<string> {
    return this.evaluate("document.body.innerText");
  }

  async size(width: number, height: number): Promise<void> {
    await this.call("Emulation.setDeviceMetricsOverride", {
      width,
      height,
      deviceScaleFactor: 1,
      mobile: width < 600,
    });
  }

  async media(features: Record<string, string>): Promise<void> {
    await this.call("Emulation.setEmulatedMedia", {
      features: Object.entries(features).map(([name, value]) => ({ name, value })),
    });
  }

  /** The whole page as a PNG. */
  async screenshot(): Promise<Buffer> {
    const { data } = await this.call("Page.captureScreenshot", {
      format: "png",
      captureBeyondViewport: true,
    });
    return Buffer.from(data as string, "base64");
  }
}

export class Browser {
  readonly #child: ChildProcess;
  readonly #profile: string;
  readonly #pages = new Map<string, Page>();
  readonly #waiting = new Map<number, (reply: Reply) => void>();
  #socket!: WebSocket;
  #nextId = 1;

  private constructor(child: ChildProcess, profile: string) {
    this.#child = child;
    this.#profile = profile;
  }

  /** Ended after the test. */
  static async start(t: TestContext | undefined, program: string): Promise<Browser> {
    const profile = await mkdtemp(join(tmpdir(), "saf-browser-"));
    const child = spawn(program, [...FLAGS, `--user-data-dir=${profile}`, "about:blank"], {
      stdio: ["ignore", "ignore", "pipe"],
      // It is killed, and what it has in the temporary folder would stay.
      env: { ...process.env, TMPDIR: profile },
    });
    const browser = new Browser(child, profile);
    t?.after(() => browser.stop());
    const address = await new Promise<string>((resolve, reject) => {
      let said = "";
      const limit = setTimeout(() => reject(new Error(`Chromium did not start: ${said}`)), START_MS);
      child.once("exit", () => reject(new Error(`Chromium ended: ${said}`)));
      child.stderr?.setEncoding("utf8").on("data", (text: string) => {
        said = (said + text).slice(-4000);
        const found = /DevTools listening on (ws:\S+)/.exec(said)?.[1];
        if (found === undefined) return;
        clearTimeout(limit);
        resolve(found);
      });
    });
    browser.#socket = new WebSocket(address, { perMessageDeflate: false });
    await new Promise((resolve, reject) => {
      browser.#socket.once("open", resolve);
      browser.#socket.once("error", reject);
    });
    browser.#socket.on("message", (data: Buffer) => browser.#onReply(JSON.parse(data.toString()) as Reply));
    return browser;
  }

  #onReply({ id, method, params, sessionId, result, error }: Reply): void {
    if (id !== undefined) {
      this.#waiting.get(id)?.({
        ...(result === undefined ? {} : { result }),
        ...(error === undefined ? {} : { error }),
      });
      this.#waiting.delete(id);
    } else if (method !== undefined && sessionId !== undefined)
      this.#pages.get(sessionId)?.onEvent(method, params ?? {});
  }

  call(method: string, params: object, sessionId?: string): Promise<Record<string, unknown>> {
    const id = this.#nextId++;
    this.#socket.send(JSON.stringify({ id, method, params, sessionId }));
    return new Promise((resolve, reject) => {
      const limit = setTimeout(() => reject(new Error(`${method} got no answer`)), 2 * CALL_MS);
      this.#waiting.set(id, ({ result, error }) => {
        clearTimeout(limit);
        if (error === undefined) resolve(result ?? {});
        else reject(new Error(`${method}: ${error.message}`));
      });
    });
  }

  async page(): Promise<Page> {
    const { targetId } = await this.call("Target.createTarget", { url: "about:blank" });
    const { sessionId } = await this.call("Target.attachToTarget", { targetId, flatten: true });
    const page = new Page(this, sessionId as string);
    this.#pages.set(sessionId as string, page);
    for (const domain of ["Page", "Runtime", "Log", "Audits"]) await page.call(`${domain}.enable`);
    return page;
  }

  async stop(): Promise<void> {
    this.#socket?.close();
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const gone = new Promise((resolve) => this.#child.once("exit", resolve));
      this.#child.kill("SIGKILL");
      await gone;
    }
    await rm(this.#profile, { recursive: true, force: true, maxRetries: 5 });
  }
}
