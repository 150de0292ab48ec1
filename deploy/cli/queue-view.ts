/** The work of a running cluster, as people read it in a terminal. Pure. */
import type { Entry, Line } from "./queue-client.js";
import { duration } from "./progress-state.js";
import { type Cell, table } from "./status-view.js";
import { type Terminal, hanging, plainWords, wrapped } from "./terminal.js";

const COLUMNS = ["submission", "kind", "state", "for", "by"] as const;

export function queueLines(
  { entries, leftOut }: { entries: readonly Entry[]; leftOut: number },
  nowMs: number,
  terminal: Terminal,
): string[] {
  const { palette, width } = terminal;
  if (entries.length === 0) return [palette.dim("nothing was submitted yet")];
  const header = COLUMNS.map((text): Cell => ({ text, paint: palette.dim }));
  const lines = table([header, ...entries.map((entry) => rowOf(entry, nowMs, terminal))], terminal);
  const words = lines.flatMap((line, i) => {
    const { message = "", state } = entries[i - 1] ?? {};
    const isPlain = i === 0 || message === "" || message === state;
    return isPlain
      ? [line]
      : [line, ...wrapped(plainWords(message ?? ""), width - 4).map((text) => palette.dim(`    ${text}`))];
  });
  return leftOut === 0 ? words : [palette.dim(`${leftOut} older ones are not shown`), ...words];
}

function rowOf(
  { id, kind, state, user, submitted, ended }: Entry,
  nowMs: number,
  { palette }: Terminal,
): Cell[] {
  const paints: Record<string, (text: string) => string> = {
    running: palette.cyan,
    done: palette.green,
    failed: palette.red,
    cancelled: palette.yellow,
    cancelling: palette.yellow,
  };
  const end = ended == null || ended === 0 ? nowMs / 1000 : ended;
  return [
    { text: id ?? "", paint: palette.bold },
    { text: kind ?? "" },
    { text: state ?? "", paint: paints[state ?? ""] ?? palette.dim },
    { text: duration(Math.max(0, end - (submitted ?? 0))) },
    { text: user ?? "" },
  ];
}

/** One line of a submission's log, its time in front. */
export function logLines({ time, level, message }: Line, { palette, width }: Terminal): string[] {
  const clock = new Date(1000 * (time ?? 0)).toISOString().slice(11, 19);
  const paint =
    level === "error" ? palette.red : level === "warning" ? palette.yellow : (text: string) => text;
  const start = clock.length + 2;
  const { first, more } = hanging(start, plainWords(message ?? ""), width);
  return [`${palette.dim(clock)}  ${paint(first)}`.trimEnd(), ...more.map(paint)];
}

export function entryDocument({
  id,
  kind,
  user,
  state,
  folder,
  submitted,
  ended,
  exitCode,
  message,
}: Entry): object {
  const isOver = ended != null && ended !== 0;
  const at = (seconds: number | null | undefined): string => new Date(1000 * (seconds ?? 0)).toISOString();
  return {
    ...{ id: id ?? "", kind: kind ?? "", user: user ?? "", state: state ?? "", folder: folder ?? "" },
    submitted: at(submitted),
    ended: isOver ? at(ended) : null,
    exit_code: isOver ? (exitCode ?? 0) : null,
    message: message ?? "",
  };
}
