/** What all plots share: axes, titles, legends, and the frame around panels. Specifications are plain data. */
import type { TopLevelSpec } from "vega-lite";
import { ClusterError } from "../../../shared/errors.js";
import { FONT_FAMILY, INKS, seriesStyle } from "./plot-style.js";
import { textWidth } from "./text-width.js";

/** A part of a plot: a specification without the settings that hold for the whole. */
export type Panel = Record<string, unknown>;

export interface PanelSize {
  /** Pixels of the drawing area, without axes and titles. */
  width: number;
  height: number;
}

/** Pixels between two labels of the strength axis, centre to centre. */
const LABEL_DISTANCE = 27;

/** Every strength has a tick; those with the fewest digits get a label, as far as there is room. */
function labelledStrengths(strengths: readonly number[], width: number): number[] {
  const pixels = (strength: number): number => (strength / (strengths.at(-1) || 1)) * width;
  const chosen: number[] = [];
  for (const strength of [...strengths].sort((a, b) => String(a).length - String(b).length)) {
    const isFree = chosen.every((other) => Math.abs(pixels(strength) - pixels(other)) >= LABEL_DISTANCE);
    if (isFree) chosen.push(strength);
  }
  return chosen;
}

/** The horizontal axis of everything that depends on β. */
export function strengthAxis(
  strengths: readonly number[],
  width: number,
  title = "strength β (share of the pixel range)",
): Panel {
  // A format would round by the distance of ticks that are not these.
  const labelled = labelledStrengths(strengths, width);
  const labels = strengths.map((strength) => (labelled.includes(strength) ? String(strength) : ""));
  return {
    field: "strength",
    type: "quantitative",
    title,
    axis: {
      values: strengths,
      labelExpr: `(${JSON.stringify(labels)})[indexof(${JSON.stringify(strengths)}, datum.value)] || ''`,
      labelOverlap: false,
      labelFlush: false,
    },
    scale: { nice: false, domain: [0, strengths.at(-1) || 1] },
  };
}

export const PERCENT_AXIS = {
  type: "quantitative",
  axis: { format: ".0%", values: [0, 0.2, 0.4, 0.6, 0.8, 1] },
  scale: { domain: [0, 1], nice: false },
};

export function panelTitle(text: string): Panel {
  return { text, fontSize: 13, anchor: "start", offset: 10 };
}

/** The text of a panel's title, which `panelTitle` made. */
export function titleOf({ title }: Panel): string {
  return typeof title === "object" && title !== null && "text" in title ? String(title.text) : "";
}

/** Encodings that give each model its colour and dash. */
export interface Looks {
  colour: Panel;
  dash: Panel;
}

/** Pixels that a legend may fill, and what an entry needs besides its name. */
const LEGEND_WIDTH = 850;
const ENTRY_WIDTH = 62;

/** The strong line, not the faint one under it; in rows that fit the figure. */
function lineLegend(names: readonly string[]): Panel {
  const entry = ENTRY_WIDTH + Math.max(...names.map((name) => textWidth(name, STYLE.legend.labelFontSize)));
  const columns = Math.max(1, Math.floor(LEGEND_WIDTH / entry));
  return { symbolType: "stroke", symbolOpacity: 1, columns: Math.min(columns, names.length) };
}

export function looksOf(names: readonly string[], hasLegend: boolean): Looks {
  const styles = names.map((_, place) => seriesStyle(place));
  const legend = hasLegend ? lineLegend(names) : null;
  const encoding = (range: unknown[]): Panel => ({
    field: "model",
    type: "nominal",
    title: null,
    scale: { domain: [...names], range },
    legend,
  });
  return {
    colour: encoding(styles.map((style) => style.ink.light)),
    dash: encoding(styles.map((style) => style.dash)),
  };
}

/** Panels side by side under one title and one legend. */
export function figure(panels: Panel[], title: string, subtitle: string): TopLevelSpec {
  if (panels.length === 0) {
    throw new ClusterError("unexpected", `Cannot draw "${title}": expected at least one panel, got none`);
  }
  return whole({
    title: { text: title, subtitle, anchor: "start", offset: 14 },
    background: "white",
    padding: 16,
    hconcat: panels,
    spacing: 26,
  });
}

/** Adds the style of axes and titles. */
export function whole(content: Panel): TopLevelSpec {
  const spec = {
    background: null,
    padding: { left: 2, right: 8, top: 6, bottom: 2 },
    autosize: { type: "pad" },
    ...content,
    config: STYLE,
  };
  return spec as unknown as TopLevelSpec; // written as data above; vega-lite's own compiler is what checks it
}

const STYLE = {
  aria: false, // one description for the whole plot stands beside it; an aria-label per mark only delays a reader
  font: FONT_FAMILY,
  view: { stroke: null },
  title: {
    color: INKS.text.light,
    subtitleColor: INKS.muted.light,
    fontSize: 18,
    subtitleFontSize: 12,
    subtitlePadding: 5,
    fontWeight: "bold",
  },
  axis: {
    labelColor: INKS.muted.light,
    titleColor: INKS.text.light,
    gridColor: INKS.grid.light,
    domainColor: INKS.axis.light,
    tickColor: INKS.axis.light,
    labelFontSize: 11,
    titleFontSize: 12,
    titleFontWeight: "normal",
    titlePadding: 8,
    tickSize: 4,
  },
  legend: {
    orient: "top",
    labelColor: INKS.text.light,
    labelFontSize: 13,
    labelLimit: 320,
    symbolSize: 900,
    symbolStrokeWidth: 2,
    columnPadding: 22,
  },
};
