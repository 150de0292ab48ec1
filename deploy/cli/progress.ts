/** Live progress on stderr: a region that is redrawn in a terminal, lines elsewhere. */
import { createLogUpdate } from "log-update";
import picocolors from "picocolors";
import {
  applyEvent,
  initialProgress,
  type Applied,
  type Level,
  type ProgressState,
  type Said,
} from "./progress-state.js";
import type { Canvas, Palette } from "./drawing.js";
import { plainLine, renderRegion, saidLines } from "./progress-view.js";
import type { ProgressEvent } from "../../shared/events.js";
import { type SweepProgress, sweepOf } from "../../shared/sweep-progress.js";
import type { ProgressMode } from "./run-options.js";

/** Redraws at most so often; the clocks in the region move once a second. */
const FRAME_MS = 100;
const CLOCK_MS = 1000;
const PLAIN_EVERY_MS = 10_000;
const SWEEP_EVERY_MS = 5_000;
/** What is printed of a sweep, or before there is a run. */
const NO_RUN = "no run";

export interface ProgressDisplay {
  update(event: ProgressEvent): void;
  /** Words that stay, above the live region. In mode `none` nothing is printed. */
  say(text: string, level?: Level): void;
  /** Gives the terminal back; the bars of runs that are not finished stay standing. Idempotent. */
  stop(): void;
}

export interface ProgressOptions {
  mode?: ProgressMode;
  isOneRun?: boolean;
  /** stderr by default. */
  stream?: NodeJS.WriteStream;
  env?: NodeJS.ProcessEnv;
}

export function createProgress({
  mode = "auto",
  isOneRun = false,
  stream = process.stderr,
  env = process.env,
}: ProgressOptions = {}): ProgressDisplay {
  const canMoveCursor = stream.isTTY && env["TERM"] !== "dumb";
  const chosen = mode === "auto" ? (canMoveCursor ? "bar" : "plain") : mode;
  const style = {
    palette: paletteFor(stream, env),
    unicode: env["TERM"] !== "linux" && env["TERM"] !== "dumb",
  };
  switch (chosen) {
    case "bar":
      return new LiveProgress(stream, style, isOneRun);
    case "plain":
      return new PlainProgress(stream, style, isOneRun);
    case "json":
      return new JsonProgress(stream);
    case "none":
      return { update: () => {}, say: () => {}, stop: () => {} };
  }
}

/** NO_COLOR forbids, FORCE_COLOR demands, otherwise a terminal that is not dumb gets colours. */
export function wantsColor(stream: { isTTY?: boolean }, env: NodeJS.ProcessEnv): boolean {
  if (env["NO_COLOR"]) return false;
  const forced = env["FORCE_COLOR"];
  if (forced !== undefined) return forced !== "0" && forced !== "false";
  return stream.isTTY === true && env["TERM"] !== "dumb";
}

function paletteFor(stream: NodeJS.WriteStream, env: NodeJS.ProcessEnv): Palette {
  return picocolors.createColors(wantsColor(stream, env));
}

type Style = Pick<Canvas, "palette" | "unicode">;

class LiveProgress implements ProgressDisplay {
  private readonly stream: NodeJS.WriteStream;
  private readonly style: Style;
  private readonly region: ReturnType<typeof createLogUpdate>;
  private readonly clock: NodeJS.Timeout;
  private readonly onResize = (): void => this.requestFrame();
  private state: ProgressState;
  private pending: Said[] = [];
  private frame: NodeJS.Timeout | undefined;
  private drawnMs = 0;
  private stopped = false;

  constructor(stream: NodeJS.WriteStream, style: Style, isOneRun: boolean) {
    this.stream = stream;
    this.state = initialProgress(Date.now(), isOneRun);
    this.style = style;
    this.region = createLogUpdate(sized(stream));
    this.clock = setInterval(() => this.requestFrame(), CLOCK_MS).unref();
    stream.on("resize", this.onResize);
  }

  update(event: ProgressEvent): void {
    const { state, said } = applyEvent(this.state, event, Date.now());
    this.state = state;
    this.pending.push(...said);
    this.requestFrame();
  }

  say(text: string, level: Level = "info"): void {
    this.pending.push({ level, text });
    this.requestFrame();
  }

  stop(): void {
    if (this.stopped) return;
    clearTimeout(this.frame);
    clearInterval(this.clock);
    this.stream.off("resize", this.onResize);
    this.state = { ...this.state, workers: [] };
    this.draw({ region: this.state.runs.length > 0 || this.state.sweep !== undefined });
    this.region.done();
    this.stopped = true;
  }

  private requestFrame(): void {
    if (this.frame !== undefined || this.stopped) return;
    const waitMs = Math.max(0, this.drawnMs + FRAME_MS - Date.now());
    this.frame = setTimeout(() => this.draw({ region: true }), waitMs).unref();
  }

  private draw({ region }: { region: boolean }): void {
    this.frame = undefined;
    this.drawnMs = Date.now();
    const canvas: Canvas = { ...sizeOf(this.stream), nowMs: this.drawnMs, ...this.style };
    const above = this.pending.flatMap((said) => saidLines(said, canvas));
    this.pending = [];
    // Written at once, or the region would be seen to vanish and come back.
    this.stream.cork();
    if (above.length > 0) this.region.persist(above.join("\n"));
    if (region) this.region(renderRegion(this.state, canvas).join("\n"));
    else this.region.clear();
    this.stream.uncork();
  }
}

/** A terminal that does not know its size yet says 0 x 0 (a container's, just after its start). */
function sizeOf(stream: NodeJS.WriteStream): { width: number; height: number } {
  return { width: stream.columns || 80, height: stream.rows || 24 };
}

/** The stream as log-update reads it, never of size 0, where it would draw nothing. */
function sized(stream: NodeJS.WriteStream): NodeJS.WriteStream {
  const view = {
    isTTY: stream.isTTY,
    write: (text: string) => stream.write(text),
    get columns() {
      return sizeOf(stream).width;
    },
    get rows() {
      return sizeOf(stream).height;
    },
  };
  return view as unknown as NodeJS.WriteStream;
}

class PlainProgress implements ProgressDisplay {
  private readonly stream: NodeJS.WriteStream;
  private readonly style: Style;
  private readonly clock: NodeJS.Timeout;
  private state: ProgressState;
  private readonly printedMs = new Map<string, number>();

  constructor(stream: NodeJS.WriteStream, style: Style, isOneRun: boolean) {
    this.stream = stream;
    this.state = initialProgress(Date.now(), isOneRun);
    // A log is read by programs too: marks in words.
    this.style = { ...style, unicode: false };
    this.clock = setInterval(() => this.printDue(), CLOCK_MS).unref();
  }

  update(event: ProgressEvent): void {
    const { state, said, milestones }: Applied = applyEvent(this.state, event, Date.now());
    this.state = state;
    for (const words of said) this.print(saidLines(words, this.style));
    for (const runId of milestones) this.printRun(runId);
  }

  say(text: string, level: Level = "info"): void {
    this.print(saidLines({ level, text }, this.style));
  }

  stop(): void {
    clearInterval(this.clock);
  }

  private printDue(): void {
    const nowMs = Date.now();
    const { runs, sweep, startMs } = this.state;
    const known = sweep === undefined ? runs.map(({ runId }) => runId) : [];
    const ids = known.length === 0 ? [NO_RUN] : known;
    const everyMs = sweep === undefined ? PLAIN_EVERY_MS : SWEEP_EVERY_MS;
    for (const runId of ids)
      if (nowMs - (this.printedMs.get(runId) ?? startMs) >= everyMs) this.printRun(runId);
  }

  private printRun(runId: string): void {
    const nowMs = Date.now();
    this.printedMs.set(runId, nowMs);
    const run = this.state.runs.find((known) => known.runId === runId);
    this.print([plainLine(this.state, run, nowMs)]);
  }

  private print(lines: readonly string[]): void {
    this.stream.write(lines.map((text) => `${text}\n`).join(""));
  }
}

/** One JSON document a line, keys in snake_case, `event` naming the kind. */
class JsonProgress implements ProgressDisplay {
  private readonly stream: NodeJS.WriteStream;

  constructor(stream: NodeJS.WriteStream) {
    this.stream = stream;
  }

  update(event: ProgressEvent): void {
    const time = new Date(event.timeMs || Date.now()).toISOString();
    for (const kind of ["phase", "progress", "workers", "note", "finished"] as const) {
      const body = event[kind];
      if (body) this.write({ time, event: kind, ...withSnakeKeys(body) });
    }
    if (event.sweep) this.write({ time, event: "sweep", ...sweepDocument(sweepOf(event.sweep)) });
  }

  say(text: string, level: Level = "info"): void {
    this.write({ time: new Date().toISOString(), event: "note", level, message: text });
  }

  stop(): void {}

  private write(document: object): void {
    this.stream.write(`${JSON.stringify(document)}\n`);
  }
}

/** Paths of settings and names of metrics are keys as they are. */
function sweepDocument({ best, ...sweep }: SweepProgress): object {
  return { ...withSnakeKeys(sweep), best };
}

function withSnakeKeys(body: object): object {
  const entries = Object.entries(body).filter(([key]) => !key.startsWith("$"));
  return Object.fromEntries(
    entries.map(([key, child]) => [
      key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
      snakeCased(child),
    ]),
  );
}

function snakeCased(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(snakeCased);
  return typeof value === "object" && value !== null ? withSnakeKeys(value) : value;
}
