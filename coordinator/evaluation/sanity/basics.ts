/** Sanity checks of gradients, sizes and procedures: METHOD.md 4.4, numbers 4, 5, 6, 7, 8 and 10. */
import { ORIGINS } from "../../../shared/measures.js";
import { type ModelResult, procedureOf } from "../../../shared/results.js";
import { type ImageSeries, isAttack, isMinimal, onlyMember } from "../image-series.js";
import {
  type Evidence,
  type Finding,
  errorOf,
  failed,
  noted,
  notRun,
  passed,
  percent,
  pointNear,
} from "./check.js";

/** A share of images without any gradient beyond this means that attacks by gradients see a wall, not a slope. */
const VANISHED_SHARE = 0.01;

/** 4: how many images have exactly no gradient, and how large the others' are. */
export function gradientsAreThere({ diagnostics }: Evidence): Finding {
  const measured = diagnostics?.gradients.filter(({ images }) => images > 0) ?? [];
  if (measured.length === 0) return notRun("needs images that are answered right");
  const text = measured
    .map(({ loss, images, zero, quantiles }) => {
      const [low, , middle, , high] = quantiles.map((value) => value.toExponential(1));
      return `${loss}: exactly zero for ${zero} of ${images}, norm ${low} / ${middle} / ${high} at 5 / 50 / 95 %`;
    })
    .join("; ");
  const vanished = measured.filter(({ images, zero }) => zero / images > VANISHED_SHARE);
  return vanished.length > 0 ? failed(text) : passed(text);
}

const PLANTED_SHARE = 0.99;
/** FGSM is one step, and knows only the nearest class. */
const ONE_STEP = "fgsm";

/** 5, the part that one network shows: the attacks break a planted linear model. */
export function attacksWork({ diagnostics }: Evidence): Finding {
  const planted = (diagnostics?.planted ?? []).filter(({ attack }) => attack !== ONE_STEP);
  if (planted.length === 0) return notRun("needs attacks of several steps");
  const weak = planted.filter(({ breakable, broken }) => broken < PLANTED_SHARE * breakable);
  if (weak.length > 0) {
    return failed(
      weak
        .map(
          ({ attack, norm, breakable, broken }) =>
            `${attack} (${norm}) breaks ${broken} of ${breakable} images of a planted linear model that can be broken`,
        )
        .join("; "),
    );
  }
  return passed(`${planted.length} attacks break a planted linear model`);
}

/** MNIST at 0.3: METHOD.md 4.4. */
const UNDEFENDED = { attack: "worst-case", strength: 0.3, error: 0.99 };

/** 5, the part that the undefended network shows; undefined where it was not measured. */
export function undefendedFalls(results: readonly ModelResult[]): Finding | undefined {
  for (const result of results.filter(({ name }) => name === "plain")) {
    const point = pointNear(result, UNDEFENDED.attack, UNDEFENDED.strength);
    if (point === undefined) continue;
    const text = `plain is wrong on ${percent(point.error)} of ${point.n} at ${UNDEFENDED.strength}`;
    return point.error >= UNDEFENDED.error ? passed(text) : failed(text);
  }
  return undefined;
}

const LEAST_SLOPES = 10;
const AGREEING_SHARE = 0.9;

/** 6: the backward pass says what differences say, away from kinks. */
export function slopesAgree({ diagnostics }: Evidence): Finding {
  const compared = diagnostics?.slopes.filter((slope) => slope.compared >= LEAST_SLOPES) ?? [];
  if (compared.length === 0) return notRun("fewer than 10 directions were steep and free of kinks");
  const text = compared
    .map(
      ({ loss, compared: n, kinks, agreeing, median_deviation: median }) =>
        `${loss}: ${percent(agreeing)} of ${n} directions agree, median deviation ${percent(median)}, ${kinks} with a kink`,
    )
    .join("; ");
  return compared.some(({ agreeing }) => agreeing < AGREEING_SHARE) ? failed(text) : passed(text);
}

/** Rounding of float32 images whose mean was taken away and put back; L2 sums up that of all pixels. */
const TOLERANCE = { linf: 1e-5, l2: 1e-4 };
/** Last bits of an output decide on images that lie on a border. */
const BORDERLINE_IMAGES = 1;

/** 7: changes measured again are no larger than told, and "wrong at first" means the same everywhere. */
export function sizesHold({ series }: Evidence): Finding & { concerns?: string[] } {
  const clean = series.find(({ measure }) => measure.how === "clean")?.points[0];
  const problems: string[] = [];
  const concerns: string[] = [];
  let images = 0;
  for (const one of series.filter(({ points }) => points.some(({ distances }) => distances.length > 0))) {
    const found = sizeProblems(one, clean?.wrong);
    images += one.n * one.points.length;
    if (found.length > 0) concerns.push(one.key);
    problems.push(...found);
  }
  if (images === 0) return notRun("needs images that were changed");
  if (problems.length > 0) return { ...failed(problems.join("; ")), concerns };
  return passed(`${images.toLocaleString("en")} images measured again`);
}

function sizeProblems(series: ImageSeries, wrongAtFirst: Uint8Array | undefined): string[] {
  const { attack = "", norm = "linf" } = series.label;
  const member = onlyMember(series);
  const looksForSmallest = member !== undefined && isMinimal(member);
  const problems: string[] = [];
  for (const { strength, distances, origins, wrong } of series.points) {
    // Of a minimal attack the distance is what it found, however far; only what counts as broken must be near.
    const counted = [...distances].filter((_, i) => !looksForSmallest || wrong[i] === 1);
    const outside = counted.filter((distance) => !(distance <= strength + TOLERANCE[norm])).length;
    if (outside > 0) problems.push(`${attack} left ball or box on ${outside} images at ${strength}`);
    if (!isAttack(series) || wrongAtFirst === undefined) continue;
    const differing = [...origins].filter(
      (origin, i) => Number(origin === ORIGINS.initial) !== wrongAtFirst[i],
    ).length;
    if (differing > BORDERLINE_IMAGES)
      problems.push(
        `${attack} takes ${differing} other images for wrong at first than the clean measurement`,
      );
  }
  return problems;
}

/** 8: what the attack gradient owes to batch norm in training mode; shown, never failed. */
export function batchNormShown({ series }: Evidence): Finding {
  const paper = series.filter(
    ({ label, measure }) => measure.how === "paper" && label.kind === "adversarial",
  );
  const mode = (bn: "train" | "eval"): ImageSeries | undefined =>
    paper.find(({ measure }) => measure.how === "paper" && measure.switches.bn === bn);
  const [train, stored] = [mode("train"), mode("eval")];
  if (train === undefined || stored === undefined)
    return notRun("needs the paper's attack with batch norm in either mode: protocols paper and corrected");
  let largest = { strength: 0, train: 0, eval: 0 };
  for (const point of train.points) {
    const other = stored.points.find(({ strength }) => strength === point.strength);
    if (other === undefined) continue;
    const [one, two] = [errorOf(point), errorOf(other)];
    if (Math.abs(one - two) >= Math.abs(largest.train - largest.eval))
      largest = { strength: point.strength, train: one, eval: two };
  }
  return noted(
    `paper FGS differs most at ${largest.strength}: ${percent(largest.train)} with ${train.label.protocol}'s gradient (training mode), ${percent(largest.eval)} with ${stored.label.protocol}'s (evaluation mode; clipping may differ too)`,
  );
}

/** 10: the same training without the activation, to tell noise training from it; shown, never failed. */
export function noiseControlShown(result: ModelResult, peers: readonly ModelResult[]): Finding {
  const [family = "", ...flags] = result.name.split("-");
  if (!flags.includes("r") || !["mrelu", "rbf"].includes(family))
    return notRun("concerns networks with a SAF and random training");
  const control = peers.find(({ name }) => name === ["plain", ...flags].join("-"));
  if (control === undefined) return notRun(`needs ${["plain", ...flags].join("-")} beside it`);
  const shared = result.curves
    .filter(({ kind, protocol }) => kind === "adversarial" && protocol !== undefined)
    .flatMap((point) => {
      const other = control.curves.find(
        (candidate) =>
          candidate.kind === point.kind &&
          procedureOf(candidate) === procedureOf(point) &&
          candidate.attack === point.attack &&
          candidate.norm === point.norm &&
          candidate.strength === point.strength,
      );
      return other === undefined ? [] : [{ point, other }];
    });
  const last =
    shared.filter(({ point }) => point.attack === "worst-case").at(-1) ??
    shared.filter(({ point }) => point.attack === "paper-fgs").at(-1);
  if (last === undefined) return notRun(`${control.name} was not measured the same way`);
  const { point, other } = last;
  return noted(
    `${point.protocol} ${point.attack} at ${point.strength}: ${percent(point.error)}, without the activation (${control.name}) ${percent(other.error)}`,
  );
}
