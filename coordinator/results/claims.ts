/**
 * The paper's claims in words (METHOD.md 2.3), each judged by numbers. A claim is a list of comparisons; a comparison
 * asks whether a difference of error rates lies below a bound, and its 95 % interval answers: wholly below, not below
 * at all, or neither. Pure: outcomes in, verdicts out.
 */
import { type PerturbationKind } from "../../shared/results.js";
import { type ClaimOutcome, type Difference, errorDifference, measured } from "./paired-interval.js";

export type { ClaimOutcome } from "./paired-interval.js";

export type ClaimVerdict = "holds" | "does not hold" | "cannot be judged";

/** One trained network, as far as claims need it. */
export interface ClaimModel {
  /** "mrelu-r-m". */
  network: string;
  seed: number;
  /** Undefined where it was not measured. */
  outcome(kind: PerturbationKind, strength: number): ClaimOutcome | undefined;
}

/** Numbers of one side of a comparison; shares in [0, 1]. */
interface Side {
  model: string;
  error: number;
  low: number;
  high: number;
  n: number;
}

export interface Comparison {
  seed: number;
  kind: PerturbationKind;
  strength: number;
  first: Side;
  /** Absent where the other side is a number from the literature. */
  second?: Side;
  /** The published number that stands in its place. */
  published?: number;
  difference: Difference;
  /** Holds when the difference lies below this. */
  below: number;
  verdict: ClaimVerdict;
}

export interface Claim {
  id: string;
  statement: string;
  /** When it holds, in words. */
  criterion: string;
  verdict: ClaimVerdict;
  /** Why it cannot be judged, where it cannot. */
  reason?: string;
  comparisons: Comparison[];
}

/** What "small", "large" and "marginally" mean here; the paper's words have no numbers. */
export interface ClaimSettings {
  dataset: string;
  /** Small strength. */
  small: number;
  /** The strength to compare attacks at: 0.25 is METHOD.md 2.3's for MNIST. */
  reference: number;
  /** Large strength. */
  large: number;
  /** A difference under this is marginal (share). */
  marginal: number;
  /** A difference over this is large (share). */
  far: number;
}

export const CLAIM_SETTINGS = {
  mnist: { dataset: "mnist", small: 0.02, reference: 0.25, large: 0.5, marginal: 0.01, far: 0.1 },
  cifar10: { dataset: "cifar10", small: 0.01, reference: 0.05, large: 0.15, marginal: 0.02, far: 0.1 },
} as const satisfies Record<string, ClaimSettings>;

/** Those of MNIST for any other data set. */
export function settingsOf(dataset: string): ClaimSettings {
  const known = Object.values<ClaimSettings>(CLAIM_SETTINGS).find((settings) => settings.dataset === dataset);
  return known ?? { ...CLAIM_SETTINGS.mnist, dataset };
}

/** Adversarially trained maxout on MNIST at 0.25: Goodfellow et al., METHOD.md 2.4. */
const MAXOUT_ERROR = 0.179;
const BEST = "mrelu-r-m";

/** Below `bound` as a whole: holds. Not below anywhere: does not hold. */
export function verdictOf({ low, high }: { low: number; high: number }, bound: number): ClaimVerdict {
  if (high < bound) return "holds";
  return low >= bound ? "does not hold" : "cannot be judged";
}

/** A claim holds when all its comparisons do, and fails when one does. */
export function combined(verdicts: readonly ClaimVerdict[]): ClaimVerdict {
  if (verdicts.includes("does not hold")) return "does not hold";
  return verdicts.length > 0 && verdicts.every((verdict) => verdict === "holds")
    ? "holds"
    : "cannot be judged";
}

interface Question {
  first: string;
  second: string;
  kind: PerturbationKind;
  strength: number;
  below: number;
}

interface ClaimRule {
  id: string;
  statement: string;
  criterion: string;
  /** Only on this data set. */
  dataset?: string;
  questions: Question[];
}

/** Every claim of METHOD.md 2.3 that one data set can answer, in its order. */
export function judgeClaims(settings: ClaimSettings, models: readonly ClaimModel[]): Claim[] {
  const rules = rulesOf(settings, [...new Set(models.map(({ network }) => network))]);
  const claims = rules
    .filter(({ dataset }) => dataset === undefined || dataset === settings.dataset)
    .map((rule) => judge(rule, models));
  if (settings.dataset === "mnist") claims.splice(5, 0, maxoutClaim(settings, models));
  return settings.dataset === "cifar10" ? [...claims, ...UNDECIDED] : claims;
}

/** What the paper says of CIFAR-10 that no number of one data set decides. */
const UNDECIDED: readonly Claim[] = [
  {
    id: "smaller-gain",
    statement: "The gain on CIFAR-10 is smaller than on MNIST",
    criterion: "the difference to plain at large strengths is smaller than on MNIST",
    verdict: "cannot be judged",
    reason: "this folder holds one data set: compare large-adversarial in the claims.json of both",
    comparisons: [],
  },
  {
    id: "odd-nonsense",
    statement: "plain-r-m's nonsense curve is odd",
    criterion: "the paper gives no number for it",
    verdict: "cannot be judged",
    reason: "the paper does not say what is odd: look at the curve",
    comparisons: [],
  },
];

function rulesOf(settings: ClaimSettings, networks: readonly string[]): ClaimRule[] {
  return [...rulesOfTheBest(settings, networks), ...rulesOfFlags(settings, networks)];
}

/** "1 point", of a share of 0.01. */
function points(share: number): string {
  return `${Number((100 * share).toPrecision(3))} ${share === 0.01 ? "point" : "points"}`;
}

/** The paper's best network against plain, and against its others. */
function rulesOfTheBest(settings: ClaimSettings, networks: readonly string[]): ClaimRule[] {
  const { small, reference, large, marginal, far } = settings;
  const best = (kind: PerturbationKind, strength: number, below: number): Question => ({
    first: BEST,
    second: "plain",
    kind,
    strength,
    below,
  });
  return [
    {
      id: "clean",
      statement: `${BEST} is at most marginally worse than plain on clean images`,
      criterion: `its error is less than ${points(marginal)} above plain's`,
      questions: [best("clean", 0, marginal)],
    },
    {
      id: "small-strength",
      statement: `${BEST} is at most marginally worse than plain at small strengths, adversarial and noisy`,
      criterion: `at β = ${small} its error is less than ${points(marginal)} above plain's`,
      questions: [best("adversarial", small, marginal), best("noisy", small, marginal)],
    },
    {
      id: "large-adversarial",
      statement: `${BEST} is far better than plain on adversarial images at large strengths`,
      criterion: `at β = ${reference} and ${large} its error is more than ${points(far)} below plain's`,
      questions: [best("adversarial", reference, -far), best("adversarial", large, -far)],
    },
    {
      id: "large-noisy",
      statement: `${BEST} is far better than plain on noisy images at large strengths`,
      criterion: `at β = ${large} its error is more than ${points(far)} below plain's`,
      questions: [best("noisy", large, -far)],
    },
    {
      id: "nonsense",
      statement: `${BEST} is far better than plain on nonsense`,
      criterion: `at β = 0 and ${reference} it takes nonsense for a class more than ${points(far)} less often than plain`,
      questions: [best("nonsense", 0, -far), best("nonsense", reference, -far)],
    },
    {
      id: "best",
      statement: `${BEST} is the best of the paper's networks`,
      criterion: `at β = ${reference} its error is below every other's, adversarial, nonsense and noisy`,
      questions: networks
        .filter((network) => network !== BEST && isPublished(network))
        .flatMap((second) =>
          (["adversarial", "nonsense", "noisy"] as const).map((kind) => ({
            first: BEST,
            second,
            kind,
            strength: reference,
            below: 0,
          })),
        ),
    },
  ];
}

/** Networks with a way of training against those without it. */
function rulesOfFlags(settings: ClaimSettings, networks: readonly string[]): ClaimRule[] {
  const { reference, large, far } = settings;
  const pairs = (flag: string): [string, string][] =>
    networks.flatMap((network): [string, string][] => {
      const without = withoutFlag(network, flag);
      return without !== undefined && networks.includes(without) ? [[network, without]] : [];
    });
  const flagged = (flag: string, kind: PerturbationKind, strength: number): Question[] =>
    pairs(flag).map(([first, second]) => ({ first, second, kind, strength, below: 0 }));
  return [
    {
      id: "random-helps",
      statement: "Random training (R) helps on adversarial and noisy images",
      criterion: `with R the error is lower: adversarial at β = ${reference}, noisy at β = ${large}`,
      questions: [...flagged("r", "adversarial", reference), ...flagged("r", "noisy", large)],
    },
    {
      id: "mean-helps",
      statement: "Mean training (M) helps on nonsense",
      criterion: `with M nonsense is taken for a class less often at β = 0 and ${reference}`,
      questions: [...flagged("m", "nonsense", 0), ...flagged("m", "nonsense", reference)],
    },
    {
      id: "plain-r-m",
      statement: "R and M together make even a plain network much better on nonsense and noise",
      criterion: `plain-r-m's error is more than ${points(far)} below plain's: nonsense at β = ${reference}, noisy at β = ${large}`,
      questions: [
        { first: "plain-r-m", second: "plain", kind: "nonsense", strength: reference, below: -far },
        { first: "plain-r-m", second: "plain", kind: "noisy", strength: large, below: -far },
      ],
    },
    {
      id: "adversarial-training",
      statement: "Adversarial training (A) helps little",
      criterion: `without A the adversarial error at β = ${reference} is less than ${points(far)} higher`,
      questions: pairs("a").map(([second, first]) => ({
        first,
        second,
        kind: "adversarial",
        strength: reference,
        below: far,
      })),
    },
    {
      id: "clean-gain",
      dataset: "cifar10",
      statement: "mrelu is better than plain on clean images",
      criterion: "its error is below plain's",
      questions: [{ first: "mrelu", second: "plain", kind: "clean", strength: 0, below: 0 }],
    },
  ];
}

/** "mrelu-r-m" without "r" is "mrelu-m"; undefined when the flag is not there. */
export function withoutFlag(network: string, flag: string): string | undefined {
  const parts = network.split("-");
  const at = parts.indexOf(flag, 1);
  return at < 0 ? undefined : parts.filter((_, i) => i !== at).join("-");
}

/** One of the paper's families with none or some of its flags, not a control. */
export function isPublished(network: string): boolean {
  return /^(?:plain|mrelu|rbf)(?:-[arm])*$/.test(network);
}

function judge({ id, statement, criterion, questions }: ClaimRule, models: readonly ClaimModel[]): Claim {
  const missing = new Set<string>();
  const comparisons = questions.flatMap((question) => {
    const { first, second, kind, strength, below } = question;
    const found = models.filter(({ network }) => network === first);
    const others = new Map(
      models.flatMap((model) => (model.network === second ? [[model.seed, model] as const] : [])),
    );
    if (found.length === 0) missing.add(`${first} was not trained`);
    return found.flatMap((model): Comparison[] => {
      const other = others.get(model.seed);
      if (other === undefined) {
        missing.add(`${second} was not trained with seed ${model.seed}`);
        return [];
      }
      const [a, b] = [model.outcome(kind, strength), other.outcome(kind, strength)];
      for (const [name, outcome] of [
        [first, a],
        [second, b],
      ] as const) {
        if (outcome === undefined) missing.add(`${name} was not measured: ${kind} at β = ${strength}`);
      }
      if (a === undefined || b === undefined) return [];
      const difference = errorDifference(a, b);
      const { seed } = model;
      const sides = { first: sideOf(first, a), second: sideOf(second, b) };
      return [{ seed, kind, strength, ...sides, difference, below, verdict: verdictOf(difference, below) }];
    });
  });
  if (questions.length === 0) missing.add("no pair of networks with and without it was trained");
  return finished({ id, statement, criterion }, comparisons, missing);
}

/** With something missing a claim can still fail, but no longer hold. */
function finished(
  head: Pick<Claim, "id" | "statement" | "criterion">,
  comparisons: Comparison[],
  missing: ReadonlySet<string>,
): Claim {
  const verdict = combined(comparisons.map((comparison) => comparison.verdict));
  if (verdict === "does not hold") return { ...head, verdict, comparisons };
  if (missing.size > 0) {
    const reason = `not measured: ${[...missing].join("; ")}`;
    return { ...head, verdict: "cannot be judged", reason, comparisons };
  }
  if (verdict === "holds") return { ...head, verdict, comparisons };
  const reason = "an interval holds both answers: more images or seeds are needed";
  return { ...head, verdict, reason, comparisons };
}

function sideOf(model: string, outcome: ClaimOutcome): Side {
  const { share, low, high } = measured(outcome);
  return { model, error: share, low, high, n: outcome.n };
}

function maxoutClaim({ reference }: ClaimSettings, models: readonly ClaimModel[]): Claim {
  const head = {
    id: "maxout",
    statement: `${BEST}'s adversarial error is below the 17.9 % of adversarially trained maxout`,
    criterion: `at β = ${reference} its error is below 17.9 % (Goodfellow et al., arXiv:1412.6572)`,
  };
  const missing = new Set<string>();
  const found = models.filter(({ network }) => network === BEST);
  if (found.length === 0) missing.add(`${BEST} was not trained`);
  const comparisons = found.flatMap((model): Comparison[] => {
    const outcome = model.outcome("adversarial", reference);
    if (outcome === undefined) {
      missing.add(`${BEST} was not measured: adversarial at β = ${reference}`);
      return [];
    }
    const first = sideOf(BEST, outcome);
    const difference: Difference = {
      difference: first.error - MAXOUT_ERROR,
      low: first.low - MAXOUT_ERROR,
      high: first.high - MAXOUT_ERROR,
      paired: false,
    };
    return [
      {
        seed: model.seed,
        kind: "adversarial",
        strength: reference,
        first,
        published: MAXOUT_ERROR,
        difference,
        below: 0,
        verdict: verdictOf(difference, 0),
      },
    ];
  });
  return finished(head, comparisons, missing);
}
