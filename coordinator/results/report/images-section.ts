/** Images as the networks saw them, with their answers: a grid for each network. */
import type { SampleImage } from "../../../shared/results.js";
import { classNamesOf } from "./class-names.js";
import { html } from "./html.js";
import { type Section, nothing } from "./page-frame.js";
import { sampleGrid } from "./sample-grid.js";
import { shownSamples } from "./samples.js";

export function imagesSection(
  dataset: string,
  networks: readonly { name: string; samples: readonly SampleImage[] }[],
): Section {
  const classNames = classNamesOf(dataset);
  const grids = networks.map(({ name, samples }) => {
    const shown = shownSamples(samples);
    return html`<div class="panel">
      <h3>${name}</h3>
      ${shown.length === 0 ? nothing("no images were kept") : sampleGrid(shown, classNames)}
    </div>`;
  });
  const body = html`<p class="muted">
      ✓ and a solid green border: right. ✗ and a dashed red border: wrong. Below each image: the class
      answered ("none": taken for nonsense) and the size of the largest output. Shown clipped to the pixel
      range.
    </p>
    <div class="grids">${grids}</div>`;
  return { id: "images", title: "What the networks saw", body };
}
