/** What today's attacks say: worst-case accuracy, what became of the paper's numbers, and whether models change places. */
import type { ClaimOutcome } from "../claims.js";
import { errorDifference } from "../paired-interval.js";
import type { CurvePoint, PerturbationKind, SeriesLabel } from "../../../shared/results.js";
import { signedPoints } from "./format.js";
import type { MeasuredModel } from "./data.js";

/** Name of the series that is wrong wherever any attack succeeded. */
export const WORST_CASE = "worst-case";

/** A network whose outcomes may be set beside another's, image by image. */
export interface Compared extends MeasuredModel {
  /** Outcomes behind a point of its curves. */
  outcome(kind: PerturbationKind, strength: number, label?: SeriesLabel): ClaimOutcome | undefined;
}

/** One network at the compared strengths; shares in [0, 1]. */
export interface ModernRow {
  name: string;
  clean: number | undefined;
  /** The paper's one-step attack, as released and corrected. */
  paper: CurvePoint | undefined;
  corrected: CurvePoint | undefined;
  /** The strongest modern figure: the worst case over all attacks, or else the single attack with the highest error. */
  worst: CurvePoint | undefined;
  /** All modern attacks at that strength, the strongest first. */
  attacks: CurvePoint[];
  /** Why the modern figure must not be believed. */
  unreliable: string[];
  /** Were sanity checks run at all? */
  isChecked: boolean;
}

interface Reversal {
  /** Better under the paper's attack. */
  first: string;
  /** Better in the worst case. */
  second: string;
}

export interface ModernFindings {
  /** ε of the modern attacks; undefined when nothing was measured. */
  epsilon: number | undefined;
  /** β of the paper's attack beside it. */
  beta: number | undefined;
  rows: ModernRow[];
  /** Pairs whose order is turned round, both intervals excluding 0. */
  reversals: Reversal[];
  /** Pairs that could be compared under both. */
  compared: number;
}

const isModern = (point: CurvePoint): boolean =>
  point.kind === "adversarial" && point.protocol === "modern" && (point.norm ?? "linf") === "linf";

/** `reference`: the strength at which the paper's claims are compared. */
export function modernFindings(members: readonly Compared[], reference: number): ModernFindings {
  const epsilons = members.flatMap(({ result }) => (result?.curves ?? []).filter(isModern));
  const epsilon = nearest(
    epsilons.map(({ strength }) => strength),
    reference,
  );
  const betas = members.flatMap(({ result }) =>
    (result?.curves ?? []).filter(
      (point) => point.kind === "adversarial" && (point.protocol ?? "paper") === "paper",
    ),
  );
  const beta = nearest(
    betas.map(({ strength }) => strength),
    epsilon ?? reference,
  );
  const rows = members.map((member) => rowOf(member, epsilon, beta));
  return { epsilon, beta, rows, ...reversalsOf(members, rows, beta) };
}

function nearest(values: readonly number[], wanted: number): number | undefined {
  return values.reduce<number | undefined>(
    (best, value) =>
      best === undefined || Math.abs(value - wanted) < Math.abs(best - wanted) ? value : best,
    undefined,
  );
}

function rowOf(
  { name, result }: MeasuredModel,
  epsilon: number | undefined,
  beta: number | undefined,
): ModernRow {
  const curves = result?.curves ?? [];
  const attacks = curves
    .filter((point) => isModern(point) && point.strength === epsilon)
    .sort((a, b) => b.error - a.error);
  const worst = attacks.find(({ attack }) => attack === WORST_CASE) ?? attacks[0];
  const ofPaper = (procedure: "paper" | "corrected"): CurvePoint | undefined =>
    curves.find(
      (point) =>
        point.kind === "adversarial" && (point.protocol ?? "paper") === procedure && point.strength === beta,
    );
  return {
    name,
    clean: result?.clean_accuracy,
    paper: ofPaper("paper"),
    corrected: ofPaper("corrected"),
    worst,
    attacks: attacks.filter((point) => point.attack !== WORST_CASE),
    isChecked: (result?.checks ?? []).length > 0,
    unreliable: [...new Set([...(worst?.unreliable ?? []), ...(result?.unreliable ?? [])])],
  };
}

function reversalsOf(
  members: readonly Compared[],
  rows: readonly ModernRow[],
  beta: number | undefined,
): Pick<ModernFindings, "reversals" | "compared"> {
  const reversals: Reversal[] = [];
  let compared = 0;
  const outcomes = members.map((member, i) => {
    const worst = rows[i]?.worst;
    return {
      name: member.name,
      paper: beta === undefined ? undefined : member.outcome("adversarial", beta),
      worst: worst === undefined ? undefined : member.outcome("adversarial", worst.strength, worst),
    };
  });
  outcomes.forEach((a, i) => {
    for (const b of outcomes.slice(i + 1)) {
      if (!a.paper || !b.paper || !a.worst || !b.worst) continue;
      compared++;
      const [before, after] = [order(a.paper, b.paper), order(a.worst, b.worst)];
      if (before * after >= 0) continue;
      reversals.push(before < 0 ? { first: a.name, second: b.name } : { first: b.name, second: a.name });
    }
  });
  return { reversals, compared };
}

/** −1: the first is better, 1: the second is, 0: cannot be told. */
function order(first: ClaimOutcome, second: ClaimOutcome): number {
  const { low, high } = errorDifference(first, second);
  return high < 0 ? -1 : low > 0 ? 1 : 0;
}

/** What changes, in sentences. */
export function modernSentences({ epsilon, rows, reversals, compared }: ModernFindings): string[] {
  if (epsilon === undefined) return [];
  const sentences = rows.flatMap(({ name, paper, worst }) => {
    if (paper === undefined || worst === undefined) return [];
    const points = signedPoints(worst.error - paper.error);
    return [
      `${name}: the paper's one step breaks ${(100 * paper.error).toFixed(1)} %, today's attacks ` +
        `${(100 * worst.error).toFixed(1)} % (${points} points).`,
    ];
  });
  if (compared > 0) {
    sentences.push(
      reversals.length === 0
        ? `No two networks change places (${compared} pairs compared; a pair counts when both intervals exclude 0).`
        : `The order turns round for ${reversals.length} of ${compared} pairs: ` +
            `${reversals.map(({ first, second }) => `${first} beats ${second} under the paper's attack, and loses to it in the worst case`).join("; ")}.`,
    );
  }
  return sentences;
}
