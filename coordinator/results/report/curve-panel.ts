/** Curves against strength in one panel: bands, lines, marks. What must not be believed is drawn thin, dotted and hollow. */
import {
  type Looks,
  PERCENT_AXIS,
  type Panel,
  type PanelSize,
  panelTitle,
  strengthAxis,
} from "./plot-frame.js";
import { INKS, type SeriesStyle, seriesStyle } from "./plot-style.js";

/** Shares in [0, 1]. */
interface DrawnPoint {
  strength: number;
  value: number;
  low: number;
  high: number;
  unreliable: boolean;
}

/** One line; its look follows from its place. */
export interface DrawnCurve {
  /** As in the legend. */
  name: string;
  points: readonly DrawnPoint[];
}

interface CurvePanelOptions extends PanelSize {
  title: string;
  /** Title of the vertical axis. */
  measure: string;
  looks: Looks;
  /** Title of the horizontal axis, where it is not β. */
  strength?: string;
  /** A strength that gets a dotted rule. */
  reference?: number | undefined;
  /** Leave the intervals out, where those of many lines would hide each other. */
  noBands?: boolean;
}

export function curvePanel(curves: readonly DrawnCurve[], options: CurvePanelOptions): Panel {
  const { width, height, title, measure, looks, reference } = options;
  const values = curves.flatMap(({ name, points }) =>
    points.map((point) => ({
      model: name,
      ...point,
      trusted: point.unreliable ? null : point.value,
    })),
  );
  const strengths = [...new Set(values.map(({ strength }) => strength))].sort((a, b) => a - b);
  const x = strengthAxis(strengths, width, options.strength);
  const y = { ...PERCENT_AXIS, title: measure };
  // Bands and marks have fixed looks of their own: joined to the colour scale, they would change the legend's symbols.
  const ofEach = (layer: (style: SeriesStyle) => Panel, unreliable?: boolean): Panel[] =>
    curves.flatMap(({ name, points }, place) =>
      unreliable === undefined || points.some((point) => point.unreliable === unreliable)
        ? [
            {
              transform: [
                { filter: { field: "model", equal: name } },
                ...(unreliable === undefined ? [] : [{ filter: { field: "unreliable", equal: unreliable } }]),
              ],
              ...layer(seriesStyle(place)),
            },
          ]
        : [],
    );
  const hasDoubts = values.some(({ unreliable }) => unreliable);
  const layer: Panel[] = [
    ...(reference === undefined ? [] : [rule(reference, x)]),
    ...(options.noBands === true
      ? []
      : ofEach(({ ink }) => ({
          mark: { type: "area", opacity: 0.18, color: ink.light },
          encoding: { x, y: { ...y, field: "low" }, y2: { field: "high" } },
        }))),
    ...(hasDoubts
      ? ofEach(({ ink }) => ({
          mark: { type: "line", strokeWidth: 1, strokeDash: [1, 3], color: ink.light },
          encoding: { x, y: { ...y, field: "value" } },
        }))
      : []),
    {
      mark: { type: "line", strokeWidth: 2, invalid: "break-paths-show-path-domains" },
      encoding: { x, y: { ...y, field: "trusted" }, color: looks.colour, strokeDash: looks.dash },
    },
    ...ofEach(
      ({ ink, shape }) => ({
        mark: { type: "point", filled: true, size: 26, opacity: 1, color: ink.light, shape },
        encoding: { x, y: { ...y, field: "value" } },
      }),
      false,
    ),
    ...ofEach(
      ({ ink, shape }) => ({
        mark: { type: "point", filled: false, size: 34, strokeWidth: 1.3, color: ink.light, shape },
        encoding: { x, y: { ...y, field: "value" } },
      }),
      true,
    ),
  ];
  return { width, height, title: panelTitle(title), data: { values }, layer };
}

function rule(strength: number, x: Panel): Panel {
  return {
    data: { values: [{ strength }] },
    mark: { type: "rule", color: INKS.muted.light, strokeDash: [1.5, 3], strokeWidth: 1 },
    encoding: { x },
  };
}
