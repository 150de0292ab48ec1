/** `saf reproduce theory`: measures the lemma and writes its page, pictures and table. */
import {} from "node:fs/promises";
import { join } from "node:path";
import {
  type BallSettings,
  type BlockError,
  UNIT_NAMES,
  errorExponent,
  measureBlocks,
  unitWidth,
} from "./ball-blocks.js";
import { storageError, writeFileAtomic } from "../../../shared/io/atomic-file.js";
import { csvLine } from "../report/csv.js";
import { percent } from "../report/format.js";
import { html, trusted } from "../report/html.js";
import type { Html } from "../report/html.js";
import { inlineSvg } from "../report/inline-svg.js";
import { type Section, framed, scrolling } from "../report/page-frame.js";
import { panel, swatch } from "../report/page-parts.js";
import { renderPng, renderSvg } from "../report/render-plot.js";
import { PLANE_SIZES, UNIT_TITLES, errorSpec, planeSvg, raysPlots, raysSpec } from "./figures.js";
import { makeFolder } from "../../../shared/io/folders.js";

/** What `--json` prints, and theory.json holds. */
export interface TheoryDocument {
  settings: BallSettings & { unit_width: number };
  /** Shares in [0, 1]. */
  errors: BlockError[];
  /** a in error ≈ c·units^a, from 8 units on. */
  exponents: Record<string, number>;
  directory: string;
  page: string;
}

/** Writes theory.html, theory.svg, theory.png, theory.csv, theory.json and plots/. Throws ClusterError("storage"). */
export async function writeTheory(directory: string, settings: BallSettings): Promise<TheoryDocument> {
  const errors = measureBlocks(settings);
  const document: TheoryDocument = {
    settings: { ...settings, unit_width: unitWidth(settings) },
    errors,
    exponents: Object.fromEntries(UNIT_NAMES.map((unit) => [unit, errorExponent(errors, unit)])),
    directory,
    page: join(directory, "theory.html"),
  };
  await makeFolder(join(directory, "plots")).catch((cause: unknown) => {
    throw storageError(`create ${directory}`, cause);
  });
  const write = (name: string, content: string | Uint8Array): Promise<void> =>
    writeFileAtomic(join(directory, name), content);
  const svg = await renderSvg(errorSpec(errors, settings.blocks, true));
  await write("theory.svg", svg);
  await write("theory.png", renderPng(svg));
  for (const unit of UNIT_NAMES) {
    for (const [name, picture] of [
      [`rays-${unit}`, await renderSvg(raysSpec(settings, unit))],
      [`plane-${unit}`, planeSvg(settings.seed, unit)],
    ] as const) {
      await write(join("plots", `${name}.svg`), picture);
      await write(join("plots", `${name}.png`), renderPng(picture));
    }
  }
  await write("theory.csv", theoryCsv(errors));
  await write("theory.json", `${JSON.stringify(document, null, 2)}\n`);
  await write("theory.html", await page(document));
  return document;
}

function theoryCsv(errors: readonly BlockError[]): string {
  const rows = errors.map(({ unit, units, error, deviation, predicted }) =>
    csvLine([unit, units, error, deviation, predicted]),
  );
  return ["unit,units,error,deviation,predicted", ...rows, ""].join("\n");
}

async function page(document: TheoryDocument): Promise<string> {
  const { settings } = document;
  const title = "Blocks of symmetric units decide membership in a ball";
  return framed({
    title,
    lead: html`<p>
      The paper's lemma, by our own construction: the paper's constants are not known. Unit i answers
      f(w<sub>i</sub>·(x − t)/s) with a random unit direction w<sub>i</sub>, template t and s = r/√d; a block
      takes the mean and says "inside" where it reaches the mean that infinitely many units would have at
      distance r. By symmetry that limit depends on ‖x − t‖ alone: many one-dimensional units make one radial
      function of d dimensions.
    </p>`,
    sections: [await errorSection(document), planeSection(settings.seed), await raysSection(settings)],
    footer: html`Numbers for other programs: <code>theory.csv</code>, <code>theory.json</code>.`,
  });
}

async function errorSection({ settings, errors, exponents }: TheoryDocument): Promise<Section> {
  const { dimension, shell, blocks, points, seed } = settings;
  const figure = await renderSvg(errorSpec(errors, blocks, false));
  const most = Math.max(...errors.map(({ units }) => units));
  const ends = UNIT_NAMES.map((unit) => {
    const of = (units: number): string =>
      percent(errors.find((error) => error.unit === unit && error.units === units)?.error ?? NaN);
    return `${UNIT_TITLES[unit]}: ${of(1)} % with 1 unit, ${of(most)} % with ${most} (error ∝ units^${(exponents[unit] ?? NaN).toFixed(2).replace("-", "−")})`;
  });
  return {
    id: "error",
    title: "The number",
    body: html`<ul class="reading">
        ${ends.map((end) => html`<li>${end}.</li>`)}
      </ul>
      <p class="muted">
        d = ${dimension}; ${blocks} blocks of each size, ${points} test points each, at distances uniform in
        r·(1 ± ${shell}), half inside; seed ${seed}. Marks: measured, with 95 % intervals over the blocks.
        Lines: expected if the mean were normally distributed, for which nothing is drawn.
      </p>
      <ul class="legend" aria-label="Units">
        ${UNIT_NAMES.map((unit, place) => html`<li>${swatch(place)} ${UNIT_TITLES[unit]}</li>`)}
      </ul>
      ${panel("Error against units in a block", figure, `${ends.join("; ")}.`)} ${errorTable(errors)}`,
  };
}

function planeSection(seed: number): Section {
  const planes = UNIT_NAMES.map((unit) => {
    const title = UNIT_TITLES[unit];
    return html`<div class="panel">
      <h3>${title}</h3>
      <div class="smalls">
        ${PLANE_SIZES.map((size) =>
          trusted(
            inlineSvg(
              planeSvg(seed, unit, [size]),
              `Where a block of ${size} ${title} units says "inside", and the true circle.`,
            ),
          ),
        )}
      </div>
    </div>`;
  });
  return {
    id: "plane",
    title: "In the plane",
    body: html`<p class="muted">
        d = 2, where it can be seen. Filled: what one block calls "inside". Dashed: the ball.
      </p>
      <div class="claims">${planes}</div>`,
  };
}

async function raysSection(settings: BallSettings): Promise<Section> {
  const { dimension } = settings;
  const rays: Html[] = [];
  for (const unit of UNIT_NAMES) {
    const title = UNIT_TITLES[unit];
    for (const plot of raysPlots(settings, unit)) {
      const label = `${title}, ${plot.title}: answers along twelve rays, which come together as units are added.`;
      rays.push(panel(`${title}, ${plot.title}`, await renderSvg(plot.spec), label));
    }
  }
  return {
    id: "rays",
    title: "Many units become a function of the distance",
    body: html`<p class="muted">
        Thin: one block along twelve random rays, d = ${dimension}. Dashed: infinitely many units. Dotted: the
        ball's edge.
      </p>
      <div class="panels">${rays}</div>`,
  };
}

function errorTable(errors: readonly BlockError[]): Html {
  const sizes = [...new Set(errors.map(({ units }) => units))];
  const cells = (units: number): Html[] =>
    UNIT_NAMES.map((unit) => {
      const found = errors.find((error) => error.unit === unit && error.units === units);
      return html`<td class="edge strong">${percent(found?.error ?? NaN)}</td>
        <td>${percent(found?.predicted ?? NaN)}</td>`;
    });
  return scrolling(
    "Error by units",
    html`<table>
      <caption>
        <span><strong>Points on the wrong side, percent</strong></span>
      </caption>
      <thead>
        <tr>
          <th scope="col" rowspan="2">units</th>
          ${UNIT_NAMES.map((unit) => html`<th scope="colgroup" colspan="2">${UNIT_TITLES[unit]}</th>`)}
        </tr>
        <tr>
          ${UNIT_NAMES.map(
            () =>
              html`<th scope="col" class="edge">measured</th>
                <th scope="col">expected</th>`,
          )}
        </tr>
      </thead>
      <tbody>
        ${sizes.map(
          (units) =>
            html`<tr>
              <th scope="row">${units}</th>
              ${cells(units)}
            </tr>`,
        )}
      </tbody>
    </table>`,
  );
}
