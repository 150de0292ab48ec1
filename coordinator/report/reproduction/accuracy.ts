/** Accuracy against strength: a row of panels for each group of networks, a panel for each kind. */
import type { TopLevelSpec } from "vega-lite";
import type { ModelResult, PerturbationKind } from "../../../shared/results.js";
import { curveOf, perturbedKinds, strengthsOf } from "../curves.js";
import {
  type Panel,
  type PanelSize,
  PERCENT_AXIS,
  figure,
  looksOf,
  panelTitle,
  strengthAxis,
  whole,
} from "../plot-frame.js";
import { seriesStyle } from "../plot-style.js";
import type { SeriesStyle } from "../plot-style.js";
import { KIND_TITLES } from "../plots.js";

const FILE_PANEL: PanelSize = { width: 290, height: 240 };
/** As many networks as one panel can show and still be read. */
const MAX_SERIES = 6;

/** Networks that share a row of panels. */
export interface Group {
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

/** Does anything say that this point, or the whole network's numbers, must not be believed? */
export function isUnreliable(result: ModelResult, point: { unreliable?: string[] }): boolean {
  return (point.unreliable ?? []).length > 0 || (result.unreliable ?? []).length > 0;
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
  looks: { colour: Panel; dash: Panel },
): Panel {
  const values = results.flatMap((result) =>
    curveOf(result, kind).map((point) => {
      const unreliable = isUnreliable(result, point);
      const accuracy = 1 - point.error;
      return {
        model: result.name,
        strength: point.strength,
        accuracy,
        trusted: unreliable ? null : accuracy,
        low: 1 - point.ci_high,
        high: 1 - point.ci_low,
        unreliable,
      };
    }),
  );
  const x = strengthAxis(strengthsOf(results, [kind]), size.width);
  const y = { ...PERCENT_AXIS, title: kind === "nonsense" ? "rejected as nonsense" : "right answers" };
  const ofEach = (layer: (style: SeriesStyle) => Panel, unreliable?: boolean): Panel[] =>
    results.map((result, place) => ({
      transform: [
        { filter: { field: "model", equal: result.name } },
        ...(unreliable === undefined ? [] : [{ filter: { field: "unreliable", equal: unreliable } }]),
      ],
      ...layer(seriesStyle(place)),
    }));
  const layer: Panel[] = [
    ...ofEach(({ ink }) => ({
      mark: { type: "area", opacity: 0.14, color: ink.light },
      encoding: { x, y: { ...y, field: "low" }, y2: { field: "high" } },
    })),
    // What must not be believed is drawn, but thin and dotted, with hollow marks.
    ...ofEach(({ ink }) => ({
      mark: { type: "line", strokeWidth: 1, strokeDash: [1, 3], color: ink.light },
      encoding: { x, y: { ...y, field: "accuracy" } },
    })),
    {
      mark: { type: "line", strokeWidth: 2, invalid: "break-paths-show-path-domains" },
      encoding: { x, y: { ...y, field: "trusted" }, color: looks.colour, strokeDash: looks.dash },
    },
    ...ofEach(
      ({ ink, shape }) => ({
        mark: { type: "point", filled: true, size: 26, opacity: 1, color: ink.light, shape },
        encoding: { x, y: { ...y, field: "accuracy" } },
      }),
      false,
    ),
    ...ofEach(
      ({ ink, shape }) => ({
        mark: { type: "point", filled: false, size: 34, strokeWidth: 1.3, color: ink.light, shape },
        encoding: { x, y: { ...y, field: "accuracy" } },
      }),
      true,
    ),
  ];
  return { ...size, title: panelTitle(KIND_TITLES[kind]), data: { values }, layer };
}
