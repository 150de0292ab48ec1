/** What a command may draw on: columns, colours, characters. */
import picocolors from "picocolors";
import type { Palette } from "./drawing.js";
import { wantsColor } from "./progress.js";

export interface Terminal {
  width: number;
  palette: Palette;
  /** May characters outside ASCII be drawn? */
  unicode: boolean;
}

/** Lines longer than this are hard to read, however wide the window is. */
const WIDEST = 120;
/** Where nobody says how wide it is: a file, a pipe. */
const USUAL = 100;

export function terminalOf(
  stream: Pick<NodeJS.WriteStream, "columns" | "isTTY">,
  env: NodeJS.ProcessEnv = process.env,
): Terminal {
  return {
    width: Math.min(stream.columns ?? USUAL, WIDEST),
    palette: picocolors.createColors(wantsColor(stream, env)),
    unicode: env["TERM"] !== "linux" && env["TERM"] !== "dumb",
  };
}

/** Words of others without anything that a terminal would obey. */
export function plainWords(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, " ");
}

/** Cut between words into lines of at most `width` columns; a word that is longer is cut too. */
export function wrapped(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length <= width) line += ` ${word}`;
    else {
      if (line !== "") lines.push(line);
      line = word;
    }
    while (line.length > width) {
      lines.push(line.slice(0, width));
      line = line.slice(width);
    }
  }
  return [...lines, line];
}

/** Narrower than this, words stand below their head. */
const NARROWEST = 20;

/** Words behind a head of `start` columns, in lines that begin where the first one does. */
export function hanging(start: number, words: string, width: number): { first: string; more: string[] } {
  const isNarrow = width - start < NARROWEST;
  const indent = isNarrow ? Math.min(4, Math.max(0, width - 1)) : start;
  const lines = wrapped(words, Math.max(1, width - indent)).map((line) => " ".repeat(indent) + line);
  if (isNarrow) return { first: "", more: lines };
  const [first = "", ...more] = lines;
  return { first: first.slice(indent), more };
}
