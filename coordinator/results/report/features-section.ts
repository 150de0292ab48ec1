/** What the channels of the networks answer, clean against nonsense; the activations; how many units are silent. */
import {
  type SmallPlot,
  activationPlots,
  activationTitle,
  placePlots,
  suppressedTable,
} from "./feature-figures.js";
import type { MeasuredModel } from "./data.js";
import { percent } from "./format.js";
import { jointSvg } from "./heat-map.js";
import { html, trusted } from "./html.js";
import type { Html } from "./html.js";
import { inlineSvg } from "./inline-svg.js";
import { type Section, nothing } from "./page-frame.js";
import { renderSvg } from "./render-plot.js";

export async function featuresSection(networks: readonly MeasuredModel[]): Promise<Section> {
  const shown = networks.filter(({ features }) => features !== undefined);
  const id = "features";
  const title = "Feature channels, clean against nonsense";
  if (shown.length === 0) return { id, title, body: nothing("set evaluate.features to true and evaluate") };
  const parts: Html[] = [];
  for (const network of shown) parts.push(await featuresOf(network));
  const body = html`<p class="muted">
      The values that enter each activation (without one: that leave the convolution and its batch norm), on
      ${shown[0]?.features?.images} test images and as many of the nonsense images that an evaluation starts
      from. Channels are spread evenly over all. Filled blue: clean. Orange, dashed: nonsense. Dotted: where
      an mReLU (−1, 1) or a ReLU (0) begins to answer. Values beyond an end are counted in its last bin. Joint
      histograms, the stronger the colour, the more images: clean left, nonsense right, on the same axes.
    </p>
    <ul class="legend" aria-label="Images">
      <li><span class="chip paper"></span> clean</li>
      <li><span class="chip modern"></span> nonsense</li>
    </ul>
    ${parts}`;
  return { id, title, body };
}

async function featuresOf({ name, features }: MeasuredModel): Promise<Html> {
  const rows: Html[] = [];
  for (const place of features?.places ?? []) {
    const after =
      place.activation === null
        ? "no activation"
        : `before ${activationTitle(place.activation, place.width)}`;
    const suppressed =
      place.suppressed === null
        ? ""
        : ` Suppressed: ${percent(place.suppressed.clean)} % of clean units, ${percent(place.suppressed.nonsense)} % on nonsense.`;
    const label = `Histograms of ${name}'s ${place.layer}, clean against nonsense.${suppressed}`;
    rows.push(
      html`<h4>${place.layer}, ${after}: ${place.channels} channels</h4>
        <div class="smalls">${await smallPlots(placePlots(place), label)}</div>
        <div class="joints">
          ${place.pairs.map((pair) =>
            trusted(
              inlineSvg(
                jointSvg(pair),
                `Joint histogram of channels ${pair.channels.join(" and ")} of ${name}'s ${place.layer}: clean left, nonsense right.`,
              ),
            ),
          )}
        </div>`,
    );
  }
  return html`<div class="panel features">
    <h3>${name}</h3>
    ${rows}
  </div>`;
}

/** Plots in a grid that follows the width of the page; `label` speaks for the first, the others are named by title. */
async function smallPlots(plots: readonly SmallPlot[], label: string): Promise<Html[]> {
  const figures: Html[] = [];
  for (const [i, { title, spec }] of plots.entries()) {
    const spoken = i === 0 ? label : `${title}: ${label}`;
    figures.push(
      html`<figure>
        <figcaption>${title}</figcaption>
        ${trusted(inlineSvg(await renderSvg(spec), spoken))}
      </figure>`,
    );
  }
  return figures;
}

export async function activationsSection(networks: readonly MeasuredModel[]): Promise<Section> {
  const label =
    "ReLU is max(0, x), mReLU is max(0, 1 − |x|), RBF is exp(−x²); each with its slope, for x from −3 to 3.";
  const body = html`<p class="muted">
      Solid: f(x). Dotted: its slope. mReLU and RBF answer only near 0 and are silent on both sides: what is
      unusual is suppressed.
    </p>
    <div class="panel smalls wide">${await smallPlots(activationPlots(), label)}</div>
    ${suppressedTable(networks)}`;
  return { id: "activations", title: "Activations and suppressed units", body };
}
