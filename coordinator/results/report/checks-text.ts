/** What the sanity checks say of a model, and what was not measured, for a terminal. */
import type { ModelResult, SanityCheck } from "../../../shared/results.js";

/** Stands behind every number that a failed check concerns. */
export const UNRELIABLE_MARK = "!";

/** Per model one line on its checks, one for each that failed, one on what is missing; nothing where none was made. */
export function checkLines(models: readonly ModelResult[]): string[] {
  return models.flatMap(({ name, checks = [], unreliable = [], not_measured: left = [] }) => {
    if (checks.length === 0) return [];
    const with_ = (status: SanityCheck["status"]): SanityCheck[] =>
      checks.filter((check) => check.status === status);
    const missing = with_("not run").map(({ number }) => number);
    const summary = [
      `${with_("passed").length} passed`,
      `${with_("failed").length} failed`,
      ...(missing.length === 0 ? [] : [`not run: ${missing.join(", ")}`]),
    ].join(", ");
    const verdict = unreliable.length === 0 ? "" : "UNRELIABLE, ";
    return [
      `sanity checks of ${name}: ${verdict}${summary}`,
      ...unreliable.map((reason) => `  ${UNRELIABLE_MARK} ${reason}`),
      ...(left.length === 0
        ? []
        : [`not measured of ${name}, see the report: ${left.map(({ what }) => what).join(", ")}`]),
    ];
  });
}
