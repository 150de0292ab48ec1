/** What `saf status` does: finds the coordinators that run, asks each for what its live page shows, and draws it. */
import { readFile, readdir } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { createLogUpdate } from "log-update";
import { LIVE_FILE, type LiveFile } from "../../coordinator/io/live-file.js";
import type { StatusView } from "../../coordinator/live/core/api.js";
import type { SweepView } from "../../coordinator/live/core/views.js";
import type { RunStatus } from "../../coordinator/runs/status.js";
import { ClusterError, wordsOf } from "../../shared/errors.js";
import { readJson } from "../../shared/io/json-document.js";
import { isRunning } from "../local/nats/store-lock.js";
import { poolHome, readRunning, stateDirectory } from "../machines/home.js";
import { printResult, shown } from "./output.js";
import { isSweepFolder } from "./sweep-place.js";
import { type Running, renderStatus } from "./status-view.js";
import { terminalOf } from "./terminal.js";

export interface StatusFlags {
  runs: string;
  url?: string;
  httpTokenFile?: string;
  watch?: true;
  json?: true;
}

const WATCH_MS = 1000;
/** A page that is written to a file is drawn less often. */
const PLAIN_MS = 10_000;
const PATIENCE_MS = 5000;
/** A coordinator that was killed is started again within this. */
const COMES_BACK_MS = 30_000;
/** States of a run that is over. */
const ENDED: readonly string[] = ["done", "interrupted", "failed"];

/** Where a coordinator may be. */
interface Place {
  directory: string | null;
  url: string;
  /** Undefined where only the address is known. */
  started: number | undefined;
}

/** Throws ClusterError: "dependency" when nothing runs, "usage" for a folder that is no run's. */
export async function status(run: string | undefined, flags: StatusFlags): Promise<void> {
  const token = flags.httpTokenFile === undefined ? undefined : await tokenIn(flags.httpTokenFile);
  const find = async (): Promise<Place[]> =>
    flags.url === undefined ? placesOf(run, flags.runs) : [placeAt(flags.url, run)];
  const running = await askAll(await find(), token);
  if (running.length === 0) throw await nothingRuns(run, flags);
  if (flags.json === true) printResult({ coordinators: running });
  else if (flags.watch === true) await watch(running, async () => askAll(await find(), token));
  else printResult(lines(running).join("\n"));
}

// ---- Finding ----------------------------------------------------------------------------------------------------

function placeAt(url: string, run: string | undefined): Place {
  if (run !== undefined)
    throw new ClusterError("usage", "Cannot look at a run and at --url: give one of them");
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    throw new ClusterError("usage", `"${url}" is no address of a live page, as in http://127.0.0.1:9464/`);
  }
  return { directory: null, url, started: undefined };
}

/** What the run directories say: of one and the folder above it, which is the coordinator's where it has several; or all. */
async function placesOf(run: string | undefined, runs: string): Promise<Place[]> {
  const folders = run === undefined ? await foldersIn(runs) : [resolve(run), dirname(resolve(run))];
  const found: Place[] = [];
  for (const directory of folders) {
    const live = await readJson<Partial<LiveFile>>(join(directory, LIVE_FILE)).catch(() => undefined);
    if (typeof live?.url === "string" && URL.canParse(live.url))
      found.push({ directory: shown(directory), url: live.url, started: live.started });
  }
  return run === undefined ? found : found.slice(0, 1);
}

async function foldersIn(runs: string): Promise<string[]> {
  const entries = await readdir(runs, { withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => resolve(runs, name))
    .sort();
}

async function nothingRuns(run: string | undefined, { url, runs }: StatusFlags): Promise<ClusterError> {
  if (url !== undefined) return new ClusterError("dependency", `No coordinator answers at ${url}`);
  if (run === undefined) {
    const pool = await idlePool();
    return new ClusterError("dependency", `Nothing runs: no run in ${runs} goes on${pool ?? ""}`, {
      hint: "give a run directory, --runs FOLDER, or the address of a live page by --url",
    });
  }
  if (isSweepFolder(run))
    return new ClusterError("dependency", `${run} does not run`, {
      hint: `saf sweep status ${run} says how far the sweep is`,
    });
  const state = (await stateOf(run))?.state ?? "done";
  return new ClusterError("dependency", `${run} does not run${await endOf(run)}`, {
    ...(ENDED.includes(state) ? {} : { hint: `saf train --resume ${run} goes on` }),
  });
}

/** A pool of this machine that waits for work, in words; undefined where there is none. */
async function idlePool(): Promise<string | undefined> {
  const pool = await readRunning(poolHome(stateDirectory(process.env))).catch(() => undefined);
  if (pool === undefined || !isRunning(pool)) return undefined;
  const whose = `\nA pool waits for work: process ${pool.pid}, nats-server at ${pool.url}`;
  return pool.queue === undefined
    ? `${whose}; npx saf train -c examples/quick.yaml`
    : `${whose}; npx saf submit examples/quick.yaml`;
}

/** How a run ended, as its directory says: one that was killed left its last phase there. */
async function endOf(directory: string): Promise<string> {
  const found = await stateOf(directory);
  if (found?.state === undefined) return "";
  const cut = ENDED.includes(found.state) ? "" : "it was cut off while ";
  return `: ${cut}${found.state}, step ${found.step} of ${found.steps}`;
}

/** Of a folder of several runs there is none. */
async function stateOf(directory: string): Promise<Partial<RunStatus> | undefined> {
  return readJson<Partial<RunStatus>>(join(directory, "status.json")).catch(() => undefined);
}

// ---- Asking -----------------------------------------------------------------------------------------------------

async function askAll(places: readonly Place[], token: string | undefined): Promise<Running[]> {
  const answers = await Promise.all(places.map((place) => ask(place, token)));
  return answers.filter((answer) => answer !== undefined);
}

/** Undefined where nobody answers, or a process that has the port by now. Throws ClusterError for a wrong token. */
async function ask(
  { directory, url, started }: Place,
  token: string | undefined,
): Promise<Running | undefined> {
  const answer = await answerAt(new URL("/api/v1/status", url), token);
  if (answer?.status === 401) {
    throw new ClusterError("usage", `The live page at ${url} asks for a token`, {
      hint: "give the file that holds it: --http-token-file FILE, or SAF_HTTP_TOKEN_FILE",
    });
  }
  const status = await documentIn<StatusView>(answer);
  if (status?.cluster === undefined) return undefined;
  if (started !== undefined && status.cluster.started !== started) return undefined;
  const found = await documentIn<{ sweeps: SweepView[] }>(
    await answerAt(new URL("/api/v1/sweeps", url), token),
  );
  return { directory, url, status, sweeps: found?.sweeps ?? [] };
}

async function answerAt(url: URL, token: string | undefined): Promise<Response | undefined> {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const signal = AbortSignal.timeout(PATIENCE_MS);
  return fetch(url, { headers, redirect: "error", signal }).catch(() => undefined);
}

async function documentIn<Document>(answer: Response | undefined): Promise<Document | undefined> {
  if (answer?.ok !== true) return undefined;
  return answer.json().then(
    (value) => value as Document,
    () => undefined,
  );
}

async function tokenIn(file: string): Promise<string> {
  return (
    await readFile(file, "utf8").catch((error: unknown) => {
      throw new ClusterError("config", `Cannot read the token in ${file}: ${wordsOf(error)}`);
    })
  ).trim();
}

// ---- Showing ----------------------------------------------------------------------------------------------------

function lines(running: readonly Running[]): string[] {
  const terminal = terminalOf(process.stdout);
  return running.flatMap((one, i) => [...(i === 0 ? [] : [""]), ...renderStatus(one, Date.now(), terminal)]);
}

/** Until those who answered first have ended. A coordinator that was killed has a while to come back. */
async function watch(first: readonly Running[], ask: () => Promise<Running[]>): Promise<void> {
  const isTerminal = process.stdout.isTTY && process.env["TERM"] !== "dumb";
  const region = createLogUpdate(process.stdout);
  let running = first;
  let [heardMs, printedMs] = [Date.now(), -Infinity];
  while (running.length > 0 || (await mayComeBack(first, heardMs))) {
    if (running.length > 0) heardMs = Date.now();
    const silent = `nobody answers for ${Math.round((Date.now() - heardMs) / 1000)} s; trying again`;
    const text = running.length > 0 ? lines(running).join("\n") : silent;
    if (isTerminal) region(text);
    else if (Date.now() - printedMs >= PLAIN_MS) {
      printResult(`${text}\n`);
      printedMs = Date.now();
    }
    await pause(WATCH_MS);
    running = await ask();
  }
  region.done();
  for (const { directory, url } of first) {
    const end = directory === null ? "" : await endOf(directory);
    process.stderr.write(`${directory ?? url} has ended${end}\n`);
  }
}

/** While no directory says how its run ended, for a while. */
async function mayComeBack(first: readonly Running[], heardMs: number): Promise<boolean> {
  if (Date.now() - heardMs > COMES_BACK_MS) return false;
  const directories = first.flatMap(({ directory }) => directory ?? []);
  const states = await Promise.all(directories.map(stateOf));
  return states.some((state) => state !== undefined && !ENDED.includes(state.state ?? "done"));
}
