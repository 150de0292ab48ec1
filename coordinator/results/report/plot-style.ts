/** Colours, dashes and marks of the plots. Every series differs in all three, so that it is told apart without colour. */
import { at } from "../../../shared/core/at.js";

/** One colour as it is on a white page and on a dark one. */
interface Ink {
  light: string;
  dark: string;
}

/** Names of the CSS variables that carry the colours in the report. */
export const INKS = {
  text: { light: "#1c2128", dark: "#e6e9ee" },
  muted: { light: "#59636e", dark: "#9aa4b0" },
  grid: { light: "#e4e7eb", dark: "#31373f" },
  axis: { light: "#a9b1ba", dark: "#5a636d" },
} as const satisfies Record<string, Ink>;

/**
 * Series colours, after Okabe and Ito's palette for all kinds of colour vision, darkened for white paper (contrast
 * at least 3:1) and lightened for dark pages.
 */
export const SERIES_INKS = [
  { light: "#0072b2", dark: "#5eb3ee" },
  { light: "#d55e00", dark: "#ff9550" },
  { light: "#00805b", dark: "#3fd0a0" },
  { light: "#a8428f", dark: "#ea9fd6" },
  { light: "#8a6a00", dark: "#e2c045" },
  { light: "#444b54", dark: "#c3cad3" },
] as const satisfies readonly Ink[];

const DASHES: readonly (readonly number[])[] = [
  [1, 0],
  [7, 3],
  [2, 2.5],
  [9, 3, 2, 3],
  [13, 4],
  [4, 2],
];
const SHAPES = ["circle", "square", "triangle-up", "diamond", "cross", "triangle-down"] as const;

export interface SeriesStyle {
  ink: Ink;
  /** CSS variable of the colour in the report, without the dashes. */
  variable: string;
  /** Lengths of dash and gap in pixels. */
  dash: readonly number[];
  shape: (typeof SHAPES)[number];
}

/** The look of the model at `place` in the legend; after six the colours come again with other dashes. */
export function seriesStyle(place: number): SeriesStyle {
  const turn = Math.floor(place / SERIES_INKS.length);
  const colour = place % SERIES_INKS.length;
  return {
    ink: at(SERIES_INKS, colour),
    variable: `series-${colour}`,
    dash: at(DASHES, (place + turn) % DASHES.length),
    shape: at(SHAPES, (place + turn) % SHAPES.length),
  };
}

/** Arimo is bundled and has the widths of Arial, Helvetica and Liberation Sans: a page without it looks the same. */
export const FONT_FAMILY = "Arimo, 'Liberation Sans', Arial, Helvetica, sans-serif";

/** CSS declarations of all plot colours for one theme. */
export function inkVariables(theme: keyof Ink): string {
  const inks = Object.entries(INKS).map(([name, ink]) => `--ink-${name}:${ink[theme]}`);
  const series = SERIES_INKS.map((ink, place) => `--series-${place}:${ink[theme]}`);
  return [...inks, ...series].join(";");
}

/** The CSS variable of each light colour that a plot may contain. */
export const VARIABLE_OF_COLOUR: ReadonlyMap<string, string> = new Map([
  ...Object.entries(INKS).map(([name, ink]): [string, string] => [ink.light, `--ink-${name}`]),
  ...SERIES_INKS.map((ink, place): [string, string] => [ink.light, `--series-${place}`]),
]);
