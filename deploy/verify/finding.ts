/** What a verification finds out, and what that means for its exit code. */
import { EXIT_CODES } from "../../shared/errors.js";

/**
 * `holds`: it was looked at and is right. `broken`: it does not hold. `unproven`: nothing here can prove it; that is no
 * fault. `incomparable`: it differs, and another engine or processor may be why.
 */
export type Verdict = "holds" | "broken" | "unproven" | "incomparable";

export interface Finding {
  /** What was looked at, in a word: "ledger". */
  subject: string;
  verdict: Verdict;
  words: string;
}

export const finding = (subject: string, verdict: Verdict, words: string): Finding => ({
  subject,
  verdict,
  words,
});

/** 7 when something does not hold; else 5 when nothing here can tell; else 0. */
export function verificationExitCode(findings: readonly Finding[]): number {
  const has = (verdict: Verdict): boolean => findings.some((one) => one.verdict === verdict);
  if (has("broken")) return EXIT_CODES.quality;
  return has("incomparable") ? EXIT_CODES.dependency : 0;
}

/** 1,234 */
export const grouped = (count: number): string => count.toLocaleString("en");

/** "1 step", "2 steps" */
export const counted = (count: number, thing: string): string =>
  `${grouped(count)} ${thing}${count === 1 ? "" : "s"}`;
