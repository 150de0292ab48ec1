/**
 * The sanity checks of METHOD.md 4.4, run over the records of every evaluation. A failed one makes the result unreliable:
 * the network may be no more robust than its neighbours, only harder to attack by the means that were tried.
 */
import type { CurvePoint, ModelResult, SanityCheck } from "../../../shared/results.js";
import { seriesOf } from "../../../shared/results.js";
import { largerBreaksMore, minimalReachesAll, strongerIsStronger, whiteBeatsBlack } from "./attacks.js";
import {
  attacksWork,
  batchNormShown,
  gradientsAreThere,
  noiseControlShown,
  sizesHold,
  slopesAgree,
  undefendedFalls,
} from "./basics.js";
import { type Evidence, type Finding, type NumberedCheck, notRun } from "./check.js";
import { at } from "../../../shared/core/at.js";

const TITLES = [
  "stronger attacks find more",
  "larger balls hold more errors, the largest all",
  "attacks by gradients find what others find",
  "gradients do not vanish",
  "the attacks break what can be broken",
  "gradients agree with differences",
  "changes are as large as told",
  "batch norm in training mode, beside",
  "smallest changes exist for all images",
  "noise training without the activation, beside",
] as const;

/** All ten, in their order, as far as one network's own records tell: numbers 5 and 10 may learn from its peers. */
export function checkSanity(evidence: Evidence): NumberedCheck[] {
  const findings: (Finding & { concerns?: string[] })[] = [
    strongerIsStronger(evidence),
    largerBreaksMore(evidence),
    whiteBeatsBlack(evidence),
    gradientsAreThere(evidence),
    attacksWork(evidence),
    slopesAgree(evidence),
    sizesHold(evidence),
    batchNormShown(evidence),
    minimalReachesAll(evidence),
    notRun("needs the control network beside it"),
  ];
  return findings.map((finding, i) => ({ number: i + 1, title: at(TITLES, i), ...finding }));
}

/** Nothing that an emulated engine answers may look like a measurement. */
const MADE_UP = "the engine was emulated: weights and answers are made up";

/** The result with its checks, and every point that a failed one concerns marked. */
export function withChecks(result: ModelResult, checks: readonly NumberedCheck[]): ModelResult {
  const marks = checks
    .filter(({ status }) => status === "failed")
    .map((check) => ({ reason: reasonOf(check), concerns: check.concerns }));
  const madeUp = result.engine === undefined ? [] : [MADE_UP];
  return {
    ...result,
    curves: result.curves.map((point) => {
      const doubts = marks.filter(({ concerns }) => isConcerned(point, concerns));
      const reasons = [...madeUp, ...doubts.map(({ reason }) => reason)];
      return reasons.length === 0 ? point : { ...point, unreliable: reasons };
    }),
    checks: checks.map(({ number, title, status, detail }) => ({ number, title, status, detail })),
    unreliable: [...madeUp, ...marks.map(({ reason }) => reason)],
  };
}

function reasonOf({ number, title, detail }: SanityCheck): string {
  return `check ${number}, ${title}: ${detail}`;
}

/** Without a list: whatever was found by following gradients, and what competed with it. */
function isConcerned(point: CurvePoint, concerns: readonly string[] | undefined): boolean {
  if (concerns !== undefined) return concerns.includes(seriesOf(point));
  const { kind, attack = "" } = point;
  return kind === "adversarial" || (kind === "nonsense" && /fgs|pgd/.test(attack));
}

/** Networks measured together know more of each other: the undefended one for check 5, the control for check 10. */
export function checkedTogether(results: readonly ModelResult[]): ModelResult[] {
  return results.map((result) => {
    if (result.checks === undefined) return result;
    const undefended = undefendedFalls(results);
    const checks = result.checks.map((check): SanityCheck => {
      if (check.number === 10) return { ...check, ...noiseControlShown(result, results) };
      return check.number === 5 && undefended !== undefined
        ? { ...check, ...joined(check, undefended) }
        : check;
    });
    return withChecks({ ...result, curves: result.curves.map(unmarked) }, withConcerns(result, checks));
  });
}

/** The worse of two findings about one thing; what was joined already stays as it is. */
function joined(own: Finding, other: Finding): Finding {
  if (own.detail.endsWith(other.detail)) return own;
  const detail = own.status === "not run" ? other.detail : `${own.detail}; ${other.detail}`;
  const status = own.status === "failed" || other.status === "failed" ? "failed" : other.status;
  return { status, detail };
}

function unmarked({ unreliable: _reasons, ...point }: CurvePoint): CurvePoint {
  return point;
}

/** Which series a check concerned is written in the marks of the points. */
function withConcerns(result: ModelResult, checks: readonly SanityCheck[]): NumberedCheck[] {
  return checks.map((check) => {
    if (![7, 9].includes(check.number) || check.status !== "failed") return check;
    const marked = result.curves.filter(({ unreliable }) => unreliable?.includes(reasonOf(check)) === true);
    return { ...check, concerns: [...new Set(marked.map(seriesOf))] };
  });
}
