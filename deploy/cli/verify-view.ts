/** A verification as people read it: what was looked at, line by line, and what that comes to. */
import { type Finding, type Verdict, counted, grouped } from "../verify/finding.js";
import type { Verification } from "../verify/verify-run.js";
import { shown } from "./output.js";
import { type Terminal, hanging, plainWords, wrapped } from "./terminal.js";

export function renderVerification(verification: Verification, terminal: Terminal): string {
  const { directory, name, findings } = verification;
  const indent = Math.max(...findings.map(({ subject }) => subject.length)) + 2;
  return [
    terminal.palette.bold(`${plainWords(name)}  ${plainWords(shown(directory))}`),
    ...findings.flatMap((one, i) => findingLines(one, findings[i - 1]?.subject, indent, terminal)),
    "",
    ...verdictLines(verification, terminal),
  ].join("\n");
}

const MARKS: Record<Verdict, { unicode: string; ascii: string }> = {
  holds: { unicode: "✓", ascii: "ok" },
  broken: { unicode: "✗", ascii: "!!" },
  unproven: { unicode: "·", ascii: "--" },
  incomparable: { unicode: "?", ascii: "??" },
};

function findingLines(
  { subject, verdict, words }: Finding,
  before: string | undefined,
  indent: number,
  { width, palette, unicode }: Terminal,
): string[] {
  const paint = {
    holds: palette.green,
    broken: palette.red,
    unproven: palette.dim,
    incomparable: palette.yellow,
  };
  const mark = MARKS[verdict][unicode ? "unicode" : "ascii"];
  const start = mark.length + 1 + indent;
  const { first, more } = hanging(start, plainWords(words), width);
  const head = (subject === before ? "" : subject).padEnd(indent);
  return [`${paint[verdict](mark)} ${head}${first}`.trimEnd(), ...more];
}

function verdictLines({ findings, steps, recomputed }: Verification, { width, palette }: Terminal): string[] {
  const subjects = (verdict: Verdict): string =>
    [...new Set(findings.filter((one) => one.verdict === verdict).map(({ subject }) => subject))].join(", ");
  const broken = subjects("broken");
  if (broken !== "") return wrapped(`This run does not hold: ${broken}`, width).map(palette.red);
  if (subjects("incomparable") !== "") {
    const words =
      "Its files hold, and nothing here can tell whether its steps do: verify it where it was computed";
    return wrapped(words, width).map(palette.yellow);
  }
  const again = recomputed.reduce((sum, { from, to }) => sum + to - from, 0);
  const bits =
    again === 0
      ? "no step was computed again"
      : `${grouped(again)} of ${counted(steps, "step")} computed again, to the same bits`;
  const words = `This run holds: every image once by the ledger; ${bits}`;
  return wrapped(words, width).map(palette.green);
}
