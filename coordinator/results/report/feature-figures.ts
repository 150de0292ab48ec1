/** Histograms of feature channels, the activation curves, and the table of suppressed units. */
import type { TopLevelSpec } from "vega-lite";
import { type FeatureHistogram, type FeaturePlace, HISTOGRAM_BINS } from "../../../shared/features.js";
import type { ActivationName } from "../../../shared/networks/network.js";
import { percent } from "./format.js";
import { html } from "./html.js";
import type { Html } from "./html.js";
import { type Panel, figure, panelTitle, titleOf, whole } from "./plot-frame.js";
import { INKS, SERIES_INKS } from "./plot-style.js";
import { type MeasuredModel, NOT_MEASURED } from "./data.js";
import { at } from "../../../shared/core/at.js";

const CLEAN = SERIES_INKS[0].light;
const NONSENSE = SERIES_INKS[1].light;
const NONSENSE_DASH = [5, 3];

const ACTIVATION_TITLES = { relu: "ReLU", mrelu: "mReLU", rbf: "RBF" } as const;

/** "mReLU", or "mReLU of width 2". */
export function activationTitle(name: ActivationName, width: number | undefined): string {
  return width === undefined ? ACTIVATION_TITLES[name] : `${ACTIVATION_TITLES[name]} of width ${width}`;
}

const ACTIVATIONS = [
  { name: "ReLU", value: (x: number) => Math.max(0, x), slope: (x: number) => (x > 0 ? 1 : 0) },
  {
    name: "mReLU",
    value: (x: number) => Math.max(0, 1 - Math.abs(x)),
    slope: (x: number) => (x > -1 && x < 0 ? 1 : x > 0 && x < 1 ? -1 : 0),
  },
  { name: "RBF", value: (x: number) => Math.exp(-x * x), slope: (x: number) => -2 * x * Math.exp(-x * x) },
] as const;

/** A small plot of a page, whose title the page writes itself. */
export interface SmallPlot {
  title: string;
  spec: TopLevelSpec;
}

const smallPlot = (panel: Panel): SmallPlot => ({
  title: titleOf(panel),
  spec: whole({ ...panel, title: null }),
});

/** Each activation with its slope, METHOD.md 1.1: the figure for files. */
export function activationSpec(): TopLevelSpec {
  return figure(activationPanels(), "Activations", "solid: f(x) · dotted: its slope");
}

export function activationPlots(): SmallPlot[] {
  return activationPanels().map(smallPlot);
}

function activationPanels(): Panel[] {
  return ACTIVATIONS.map(({ name, value, slope }): Panel => {
    const values = Array.from({ length: 241 }, (_, i) => {
      const x = (i - 120) / 40;
      return { x, value: value(x), slope: slope(x) };
    });
    const x = {
      field: "x",
      type: "quantitative",
      title: "x",
      axis: { values: [-3, -2, -1, 0, 1, 2, 3] },
      scale: { nice: false, domain: [-3, 3] },
    };
    const y = {
      type: "quantitative",
      title: null,
      axis: { tickCount: 5, format: "~g" },
      scale: { domain: [-1.1, 2], nice: false },
    };
    const line = (field: string, ink: string, dash: number[]): Panel => ({
      // Cut by leaving out, not by a clip path: that has an id, and ids of several plots on one page would clash.
      transform: [{ filter: `datum.${field} <= 2` }],
      mark: { type: "line", strokeWidth: 2, color: ink, strokeDash: dash },
      encoding: { x, y: { ...y, field } },
    });
    const layer = [line("slope", INKS.muted.light, [2, 3]), line("value", CLEAN, [1, 0])];
    return { width: 220, height: 150, title: panelTitle(name), data: { values }, layer };
  });
}

/** One place of a network: all channels, then some single ones. */
export function placePlots(place: FeaturePlace): SmallPlot[] {
  return [
    histogramPanel(place, "all channels", place.all),
    ...place.single.map((single) => histogramPanel(place, `channel ${single.channel}`, single)),
  ].map(smallPlot);
}

/** All places of one network as a figure for files. */
export function featuresFileSpec(name: string, places: readonly FeaturePlace[]): TopLevelSpec {
  const rows = places.map((place) => ({
    hconcat: [
      histogramPanel(place, `${place.layer}: all channels`, place.all),
      ...place.single.map((single) => histogramPanel(place, `channel ${single.channel}`, single)),
    ],
    bounds: "flush",
    spacing: 42,
  }));
  return figure(
    [{ vconcat: rows, bounds: "flush", spacing: 48 }],
    `Feature values of ${name}`,
    "blue: clean images · orange, dashed: nonsense",
  );
}

function histogramPanel(
  { activation, width: half = 1 }: FeaturePlace,
  title: string,
  histogram: FeatureHistogram,
): Panel {
  const { low, high } = histogram;
  const width = (high - low) / HISTOGRAM_BINS;
  const total = { clean: sum(histogram.clean), nonsense: sum(histogram.nonsense) };
  const values = Array.from({ length: HISTOGRAM_BINS }, (_, bin) => ({
    x: low + (bin + 0.5) * width,
    clean: at(histogram.clean, bin) / Math.max(1, total.clean),
    nonsense: at(histogram.nonsense, bin) / Math.max(1, total.nonsense),
  }));
  const x = {
    field: "x",
    type: "quantitative",
    title: null,
    axis: { tickCount: 4, grid: false, format: "~g" },
    scale: { nice: false, domain: [low, high] },
  };
  // Headroom: a label at the very top would push the panel's title up, out of line with its neighbours.
  const most = Math.max(...values.flatMap((value) => [value.clean, value.nonsense]));
  const y = {
    type: "quantitative",
    title: null,
    axis: { tickCount: 3, format: ".0%", minExtent: 30, maxExtent: 30 },
    scale: { domain: [0, 1.15 * most || 1], nice: false },
  };
  const layer: Panel[] = [
    {
      mark: {
        type: "area",
        interpolate: "step",
        color: CLEAN,
        opacity: 0.3,
        line: { color: CLEAN, strokeWidth: 1 },
      },
      encoding: { x, y: { ...y, field: "clean" } },
    },
    {
      mark: {
        type: "line",
        interpolate: "step",
        color: NONSENSE,
        strokeWidth: 1.5,
        strokeDash: NONSENSE_DASH,
      },
      encoding: { x, y: { ...y, field: "nonsense" } },
    },
  ];
  // Between these an mReLU answers; a ReLU does to the right of 0.
  const edges = { relu: [0], mrelu: [-half, half], rbf: [] };
  const shown = (activation === null ? [] : edges[activation]).filter((edge) => edge > low && edge < high);
  if (shown.length > 0) {
    layer.push({
      data: { values: shown.map((edge) => ({ x: edge })) },
      mark: { type: "rule", color: INKS.muted.light, strokeDash: [1.5, 3], strokeWidth: 1 },
      encoding: { x },
    });
  }
  return {
    width: 150,
    height: 92,
    title: { ...panelTitle(title), fontSize: 11, offset: 4 },
    data: { values },
    layer,
  };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/** The share of units that answer nothing, clean against nonsense, by place. */
export function suppressedTable(members: readonly MeasuredModel[]): Html {
  const layers = [
    ...new Set(members.flatMap(({ features }) => (features?.places ?? []).map(({ layer }) => layer))),
  ];
  return html`<div class="scroll" role="region" tabindex="0" aria-label="Suppressed units">
    <table class="slim">
      <caption>
        <span
          ><strong>Suppressed units, percent</strong> ReLU and mReLU: those that answer 0; RBF: below
          0.01</span
        >
      </caption>
      <thead>
        <tr>
          <th scope="col" rowspan="2">network</th>
          ${layers.map((layer) => html`<th scope="colgroup" colspan="3">${layer}</th>`)}
        </tr>
        <tr>
          ${layers.map(
            () =>
              html`<th scope="col" class="edge">activation</th>
                <th scope="col">clean</th>
                <th scope="col">nonsense</th>`,
          )}
        </tr>
      </thead>
      <tbody>
        ${members.map(
          ({ name, features }) =>
            html`<tr>
              <th scope="row">${name}</th>
              ${layers.map((layer) => suppressedCells(features?.places.find((place) => place.layer === layer)))}
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}

function suppressedCells(place: FeaturePlace | undefined): Html {
  if (place === undefined)
    return html`<td class="edge" colspan="3"><em class="missing">${NOT_MEASURED}</em></td>`;
  if (place.suppressed === null || place.activation === null) {
    return html`<td class="edge" colspan="3"><em class="missing">no activation here</em></td>`;
  }
  const title = activationTitle(place.activation, place.width);
  return html`<td class="edge">${title}</td>
    <td>${percent(place.suppressed.clean)}</td>
    <td>${percent(place.suppressed.nonsense)}</td>`;
}
