/** The attacks of METHOD.md 4.3, at three budgets. Strengths are L∞ unless said otherwise. */
import type { Config } from "../../../shared/config/run.js";
import {
  type AttackCall,
  type AttackMeasure,
  CORRUPTIONS,
  CORRUPTION_STRENGTHS,
  NONSENSE_STARTS,
  type Measure,
} from "../../../shared/measures.js";
import type { Network } from "../../../shared/networks/network.js";
import {
  type AttackChoice,
  type NamedSource,
  attackMeasure,
  attackMeasures,
  passesOf,
} from "./attack-names.js";
import type { PlannedMeasure } from "./measures.js";

interface ModernOptions {
  config: Config["evaluate"];
  network: Network;
  testImages: number;
  /** Second networks that transfer attacks craft on. */
  sources: readonly NamedSource[];
  /** Pictures of other data sets, made to fit. */
  foreign: readonly ForeignPictures[];
}

export interface ForeignPictures {
  name: string;
  pixels_sha256: string;
  images: number;
}

/** What a budget may spend. */
interface Budget {
  /** Images of the main attacks; the costly ones take a share of them. */
  images: number;
  pgd: number;
  restarts: number;
  apgd: number;
  targets: number;
  square: number;
  heavySquare: number;
  hardLabel: number;
  randomSearch: number;
  minimal: number;
}

const BUDGETS: Record<Config["evaluate"]["budget"], Budget> = {
  quick: {
    images: 100,
    pgd: 40,
    restarts: 3,
    apgd: 40,
    targets: 3,
    square: 300,
    heavySquare: 0,
    hardLabel: 500,
    randomSearch: 200,
    minimal: 40,
  },
  standard: {
    images: 500,
    pgd: 100,
    restarts: 5,
    apgd: 100,
    targets: 9,
    square: 2000,
    heavySquare: 0,
    hardLabel: 5000,
    randomSearch: 2000,
    minimal: 100,
  },
  full: {
    images: 1000,
    pgd: 100,
    restarts: 10,
    apgd: 100,
    targets: 11,
    square: 5000,
    heavySquare: 20_000,
    hardLabel: 10_000,
    randomSearch: 10_000,
    minimal: 100,
  },
};

interface Grid {
  linf: readonly number[];
  l2: readonly number[];
  /** Where every image must fall. */
  everything: number;
}

const GRIDS: Record<string, Grid> = {
  mnist: { linf: [0.1, 0.2, 0.25, 0.3], l2: [1.5, 2], everything: 0.5 },
  cifar10: { linf: [2 / 255, 4 / 255, 8 / 255], l2: [0.5], everything: 1 },
};
const OTHER_GRID: Grid = { linf: [0.05, 0.1, 0.2, 0.3], l2: [0.5, 1], everything: 1 };

/** L∞ strength at which every image must fall: sanity check 2. */
export function everythingFalls({ dataset }: Network): number {
  return (GRIDS[dataset] ?? OTHER_GRID).everything;
}

const NONSENSE_STRENGTHS = [0.1, 0.3, 1];

export function modernMeasures({
  config,
  network,
  testImages,
  sources,
  foreign,
}: ModernOptions): PlannedMeasure[] {
  const budget = BUDGETS[config.budget];
  const own = GRIDS[network.dataset] ?? OTHER_GRID;
  const grid: Grid = {
    linf: config.strengths ?? own.linf,
    l2: config.l2_strengths ?? own.l2,
    everything: own.everything,
  };
  const images = Math.min(config.images ?? budget.images, testImages);
  const share = (part: number): number => Math.max(1, Math.min(images, Math.ceil(images * part)));
  const attack = (measure: AttackMeasure, part: number, strengths?: readonly number[]): PlannedMeasure => {
    const used = strengths ?? grid[measure.norm];
    const passes = measure.members.reduce((sum, call) => sum + passesOf(call, network.outputs), 0);
    return { measure, strengths: used, images: share(part), passes: passes * used.length, samples: 0 };
  };
  if (config.attacks !== undefined) {
    const isNamed = config.transfer_from !== undefined;
    const chosen = config.attacks.flatMap((choice) => attackMeasures(choice, sources, isNamed));
    return chosen.map((measure) => attack(measure, 1));
  }

  const row = (choice: AttackChoice, part: number): PlannedMeasure => attack(attackMeasure(choice), part);
  return [
    ...adversarialRows(budget, row),
    ...transferRows(budget, sources).map((measure) => attack(measure, 1)),
    attack(autoAttack(budget, "linf"), 1),
    attack(autoAttack(budget, "l2"), 0.5),
    ...checkRows(budget, attack, grid),
    ...nonsenseRows(budget, network, share),
    ...foreign.map((pictures): PlannedMeasure => ({
      measure: { how: "foreign", ...pictures },
      strengths: [0],
      images: Math.min(images, pictures.images),
      passes: 1,
      samples: 0,
    })),
    ...CORRUPTIONS.map((corruption): PlannedMeasure => ({
      measure: { how: "corruption", corruption },
      strengths: CORRUPTION_STRENGTHS,
      images,
      passes: CORRUPTION_STRENGTHS.length,
      samples: 0,
    })),
  ];
}

type Row = (choice: AttackChoice, part: number) => PlannedMeasure;

/** Rows 2, 3, 4, 6, 7, 9, 10 and 11 of the table. */
function adversarialRows(budget: Budget, row: Row): PlannedMeasure[] {
  const { pgd, restarts, targets, minimal, heavySquare, hardLabel, randomSearch } = budget;
  return [
    row("fgsm", 1),
    row("fgsm-random-start", 1),
    row(`pgd-${pgd}-x${restarts}`, 1),
    row(`pgd-${pgd}-margin-x${restarts}`, 1),
    row(`pgd-${pgd}-training-x${restarts}`, 0.5),
    row({ attack: "pgd-targeted", options: { steps: pgd, targets } }, 0.5),
    row({ attack: "surrogate-pgd", options: { steps: pgd } }, 1),
    row({ attack: "walk-back", options: { steps: pgd } }, 0.5),
    row({ attack: "random-search", options: { queries: randomSearch } }, 0.2),
    row({ attack: "square", options: { queries: budget.square } }, 0.5),
    ...(heavySquare === 0
      ? []
      : [row({ attack: "square", options: { queries: heavySquare, restarts: 2 }, name: "square-heavy" }, 1)]),
    row({ attack: "hop-skip-jump", options: { queries: hardLabel } }, 0.1),
    row({ attack: "fab-t", options: { steps: minimal, targets } }, 0.5),
    row({ attack: "ddn", options: { steps: 3 * minimal }, norm: "l2" }, 1),
  ];
}

/** Row 8: from every second network, without and with momentum. */
function transferRows({ pgd }: Budget, sources: readonly NamedSource[]): AttackMeasure[] {
  if (sources.length === 0) return [];
  return [
    ...attackMeasures({ attack: "transfer", options: { steps: pgd } }, sources),
    ...attackMeasures(
      { attack: "transfer", options: { steps: pgd, momentum: 1 }, name: "transfer-momentum" },
      sources,
    ),
  ];
}

/** Row 5: on every image until one breaks it. −z² stands in for the logits of RBF heads. */
function autoAttack({ apgd, targets, square }: Budget, norm: "linf" | "l2"): AttackMeasure {
  const members: AttackCall[] = [
    { attack: "apgd-ce", options: { steps: apgd } },
    { attack: "apgd-t", options: { steps: apgd, targets } },
    { attack: "fab-t", options: { steps: apgd, targets } },
    { attack: "square", options: { queries: square } },
  ];
  return { how: "attack", name: "autoattack", norm, members, carry: true };
}

/** Series that the sanity checks compare: the same walk with once and twice the steps, and a ball that holds everything. */
function checkRows(
  { pgd }: Budget,
  attack: (measure: AttackMeasure, part: number, strengths?: readonly number[]) => PlannedMeasure,
  grid: Grid,
): PlannedMeasure[] {
  const fresh = (name: string): AttackMeasure => ({ ...attackMeasure(name), carry: false });
  return [
    attack(fresh(`pgd-${pgd}`), 0.5),
    attack(fresh(`pgd-${2 * pgd}`), 0.5),
    attack(
      {
        ...fresh(`pgd-${pgd}`),
        name: "pgd-everything",
        members: [`pgd-${pgd}`, `pgd-${pgd}-margin-x3`].flatMap((name) => attackMeasure(name).members),
      },
      0.5,
      [grid.everything],
    ),
  ];
}

/** Row 12, and of row 13 what is drawn: as they are, and moved toward a real class. */
function nonsenseRows({ pgd }: Budget, network: Network, share: (part: number) => number): PlannedMeasure[] {
  const member: AttackCall = { attack: "nonsense-pgd", options: { steps: pgd } };
  return NONSENSE_STARTS.flatMap((start) => {
    const plain: Measure = { how: "nonsense", name: start, start };
    const moved: Measure = { how: "nonsense", name: `${start}-pgd-${pgd}`, start, member };
    const strengths = NONSENSE_STRENGTHS;
    const passes = strengths.length * passesOf(member, network.outputs);
    return [
      { measure: plain, strengths: [0], images: share(1), passes: 1, samples: 0 },
      { measure: moved, strengths, images: share(0.2), passes, samples: 0 },
    ];
  });
}
