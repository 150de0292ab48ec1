/** Accuracy against strength: a row of panels for each group of networks, a panel for each kind. */
import type { TopLevelSpec } from "vega-lite";
import type { ModelResult, PerturbationKind } from "../../../shared/results.js";
import { curvePanel } from "../report/curve-panel.js";
import { curveOf, isUnreliable, perturbedKinds } from "../report/curves.js";
import { type Looks, type Panel, type PanelSize, figure, looksOf, whole } from "../report/plot-frame.js";
import { KIND_TITLES } from "../report/plots.js";

const FILE_PANEL: PanelSize = { width: 290, height: 240 };
/** As many networks as one panel can show and still be read. */
const MAX_SERIES = 6;

/** Networks that share a row of panels. */
interface Group {
  title: string;
  results: ModelResult[];
}

/** All in one group as long as they can be told apart there; else a group for each family. */
export function groupsOf(results: readonly ModelResult[], familyOf: (name: string) => string): Group[] {
  if (results.length <= MAX_SERIES) return [{ title: "", results: [...results] }];
  const families = [...new Set(results.map(({ name }) => familyOf(name)))];
  return families.flatMap((family) => {
    const own = results.filter(({ name }) => familyOf(name) === family);
    const parts = Math.ceil(own.length / MAX_SERIES);
    return Array.from({ length: parts }, (_, part) => ({
      title: parts === 1 ? family : `${family}, ${part + 1} of ${parts}`,
      results: own.slice(part * MAX_SERIES, (part + 1) * MAX_SERIES),
    }));
  });
}

export function accuracySpec(group: Group, subtitle: string): TopLevelSpec {
  const looks = looksOf(
    group.results.map(({ name }) => name),
    true,
  );
  const panels = perturbedKinds(group.results).map((kind) => panelOf(group.results, kind, FILE_PANEL, looks));
  const title = `Accuracy against strength${group.title === "" ? "" : `: ${group.title}`}`;
  return figure(panels, title, subtitle);
}

/** One panel by itself, for a page that has legend and titles of its own. */
export function accuracyPanelSpec(
  results: readonly ModelResult[],
  kind: PerturbationKind,
  size: PanelSize,
): TopLevelSpec {
  const looks = looksOf(
    results.map(({ name }) => name),
    false,
  );
  return whole({ ...panelOf(results, kind, size, looks), title: null });
}

function panelOf(
  results: readonly ModelResult[],
  kind: PerturbationKind,
  size: PanelSize,
  looks: Looks,
): Panel {
  const curves = results.map((result) => ({
    name: result.name,
    points: curveOf(result, kind).map((point) => ({
      strength: point.strength,
      value: 1 - point.error,
      low: 1 - point.ci_high,
      high: 1 - point.ci_low,
      unreliable: isUnreliable(result, point),
    })),
  }));
  const measure = kind === "nonsense" ? "rejected as nonsense" : "right answers";
  return curvePanel(curves, { ...size, title: KIND_TITLES[kind], measure, looks });
}
