/** The table of structures, from shared/networks: what stands in each place of each family. */
import type { NetworkSettings } from "../../../shared/config/network.js";
import {
  type Extent,
  type Layer,
  type Network,
  extents,
  layoutOf,
} from "../../../shared/networks/network.js";
import { networkNamed } from "../../../shared/networks/registry.js";
import { withSettings } from "../../../shared/networks/settings.js";
import { count } from "../report/format.js";
import { html } from "../report/html.js";
import type { Html } from "../report/html.js";
import { activationTitle } from "../report/feature-figures.js";
import { at } from "../../../shared/core/at.js";

/** One place of a network: a convolution or a pooling, with what follows it. */
interface Place {
  text: string;
  output: Extent;
}

interface Structure {
  /** Networks that are built so. */
  names: string[];
  input: Extent;
  places: Place[];
  head: string;
  parameters: number;
}

/** A network of the table by name, and the settings that its members were trained with. */
export interface Structured {
  name: string;
  settings?: NetworkSettings | undefined;
}

/** One column for each structure among these networks; a name that this version does not know is left out. */
export function structuresOf(dataset: string, networks: readonly Structured[]): Structure[] {
  const found = new Map<string, Structure>();
  for (const { name, settings } of networks) {
    const network = networkOrNothing(dataset, name, settings);
    if (network === undefined) continue;
    const places = placesOf(network);
    const head = network.head.kind === "softmax" ? "softmax cross-entropy" : "RBF, hybrid loss";
    const key = JSON.stringify([places.map(({ text }) => text), head]);
    const known = found.get(key);
    if (known === undefined) {
      found.set(key, { names: [name], input: network.input, places, head, parameters: weightsOf(network) });
    } else known.names.push(name);
  }
  return [...found.values()];
}

function weightsOf(network: Network): number {
  const weights = layoutOf(network).tensors.filter(({ role }) => role === "weight");
  return weights.reduce((sum, { size }) => sum + size, 0);
}

function networkOrNothing(
  dataset: string,
  name: string,
  settings: NetworkSettings | undefined,
): Network | undefined {
  try {
    return withSettings(networkNamed(dataset, name), settings);
  } catch {
    return undefined;
  }
}

function placesOf(network: Network): Place[] {
  const sizes = extents(network);
  const places: Place[] = [];
  const last = network.layers.findLastIndex((layer) => layer.kind === "convolution");
  network.layers.forEach((layer, i) => {
    const output = at(sizes, i + 1);
    const text = i === last ? "fully connected K" : layerText(layer);
    const place = places.at(-1);
    if (layer.kind === "batch-norm" || layer.kind === "activation") {
      if (place !== undefined) place.text += `; ${text}`;
    } else places.push({ text, output });
  });
  const outputs = places.at(-1);
  if (outputs !== undefined) outputs.output = { height: 1, width: 1, channels: 0 };
  return places;
}

function layerText(layer: Layer): string {
  switch (layer.kind) {
    case "convolution": {
      const [height, width] = layer.kernel;
      const pad = layer.padding.some((extent) => extent > 0) ? `, pad ${layer.padding[0]}` : "";
      return `conv ${height}×${width}×${layer.channels}${pad}`;
    }
    case "batch-norm":
      return "BN";
    case "activation":
      return activationTitle(layer.activation, layer.width);
    case "max-pool":
    case "average-pool":
      return `${layer.kind === "max-pool" ? "max" : "average"} ${layer.size}×${layer.size}, stride ${layer.stride}`;
  }
}

function extentText({ height, width, channels }: Extent): string {
  if (channels === 0) return "K";
  return height === 1 && width === 1 ? String(channels) : `${height}×${width}×${channels}`;
}

export function structuresTable(dataset: string, networks: readonly Structured[]): Html {
  const structures = structuresOf(dataset, networks);
  const [first] = structures;
  if (first === undefined) return html`<p class="muted">This version knows none of these networks.</p>`;
  const rows = Math.max(...structures.map(({ places }) => places.length));
  return html`<div class="scroll" role="region" tabindex="0" aria-label="Structures">
    <table class="text">
      <caption>
        <span
          ><strong>Structures</strong> input ${extentText(first.input)}; K is 10, or 12 with mean training
          (M); RBF and mReLU are the paper's symmetric activations</span
        >
      </caption>
      <thead>
        <tr>
          <th scope="col">place</th>
          ${structures.map((structure) => html`<th scope="col" class="edge">${structure.names.join(", ")}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${Array.from(
          { length: rows },
          (_, row) =>
            html`<tr>
              <th scope="row">${row + 1}</th>
              ${structures.map(({ places }) => placeCell(places[row]))}
            </tr>`,
        )}
        <tr>
          <th scope="row">loss</th>
          ${structures.map(({ head }) => html`<td class="edge">${head}</td>`)}
        </tr>
        <tr>
          <th scope="row">weights</th>
          ${structures.map(({ parameters, names: [name] }) => html`<td class="edge">${count(parameters)} (${name})</td>`)}
        </tr>
      </tbody>
    </table>
  </div>`;
}

function placeCell(place: Place | undefined): Html {
  if (place === undefined) return html`<td class="edge">–</td>`;
  return html`<td class="edge">${place.text} <small>→ ${extentText(place.output)}</small></td>`;
}
