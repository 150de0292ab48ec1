/** The legend of a page, and what else its parts share. */
import type { ModelResult } from "../../../shared/results.js";
import { html, trusted } from "./html.js";
import type { Html } from "./html.js";
import { inlineSvg } from "./inline-svg.js";
import { seriesStyle } from "./plot-style.js";

export function legend(models: readonly Pick<ModelResult, "name">[]): Html {
  return html`<ul class="legend" aria-label="Networks">
    ${models.map((model, place) => html`<li>${swatch(place)} ${model.name}</li>`)}
  </ul>`;
}

/** A piece of the model's line, as in the plots. */
export function swatch(place: number): Html {
  const { ink, variable, dash, shape } = seriesStyle(place);
  const colour = `var(--${variable},${ink.light})`;
  return html`<svg class="swatch" viewBox="0 0 44 14" aria-hidden="true">
    <path
      d="M1 7H43"
      fill="none"
      stroke="${colour}"
      stroke-width="2.4"
      stroke-dasharray="${dash.join(" ")}"
    />
    <path d="${SHAPE_PATHS[shape]}" fill="${colour}" />
  </svg>`;
}

/** Marks around (22, 7). */
const SHAPE_PATHS: Readonly<Record<ReturnType<typeof seriesStyle>["shape"], string>> = {
  circle: "M18 7a4 4 0 1 0 8 0a4 4 0 1 0 -8 0Z",
  square: "M18.5 3.5h7v7h-7Z",
  "triangle-up": "M22 2.5L26.5 10.5H17.5Z",
  diamond: "M22 1.5L26.5 7L22 12.5L17.5 7Z",
  cross: "M20.5 2.5h3v3h3v3h-3v3h-3v-3h-3v-3h3Z",
  "triangle-down": "M22 11.5L26.5 3.5H17.5Z",
};

/** "22 November 2026, 09:39 UTC"; what is not a date is shown as it is. */
export function dateText(iso: string): string {
  const time = Date.parse(iso);
  if (Number.isNaN(time)) return iso;
  return `${new Intl.DateTimeFormat("en-GB", { dateStyle: "long", timeStyle: "short", timeZone: "UTC" }).format(time)} UTC`;
}

/** A plot with its title, and a legend where it has one of its own; `label` says what is seen. */
export function panel(title: string, svg: string, label: string, ownLegend?: Html): Html {
  return html`<figure class="panel">
    <h3>${title}</h3>
    ${ownLegend} ${trusted(inlineSvg(svg, label))}
  </figure>`;
}
