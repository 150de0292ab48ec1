/** The modern evaluation: worst cases beside the paper's numbers, nonsense scores, smallest changes, sanity checks. */
import type { TopLevelSpec } from "vega-lite";
import type { CurvePoint, NonsenseScore, SanityCheck } from "../../../shared/results.js";
import { count, percent, strengthText } from "./format.js";
import { html } from "./html.js";
import type { Html } from "./html.js";
import { type Panel, PERCENT_AXIS, figure, whole } from "./plot-frame.js";
import { INKS, SERIES_INKS } from "./plot-style.js";
import { type MeasuredModel, NOT_MEASURED } from "./data.js";
import type { ModernFindings, ModernRow } from "./modern.js";

const PAPER = SERIES_INKS[0].light;
const MODERN = SERIES_INKS[1].light;

/** Two bars a network: right answers under the paper's attack, and in the worst case; hollow and dashed if unreliable. */
export function modernSpec(findings: ModernFindings, isFile: boolean): TopLevelSpec {
  const values = findings.rows.flatMap(({ name, paper, worst, unreliable }) => {
    const bar = (what: string, point: CurvePoint | undefined, isUnreliable: boolean): object[] =>
      point === undefined
        ? [{ name, what, missing: true, accuracy: 0 }]
        : [
            {
              name,
              what,
              accuracy: 1 - point.error,
              low: 1 - point.ci_high,
              high: 1 - point.ci_low,
              unreliable: isUnreliable,
              missing: false,
            },
          ];
    return [
      ...bar("paper", paper, (paper?.unreliable ?? []).length > 0),
      ...bar("worst case", worst, unreliable.length > 0),
    ];
  });
  const x = { ...PERCENT_AXIS, field: "accuracy", title: "right answers under attack" };
  const y = {
    field: "name",
    type: "nominal",
    title: null,
    sort: findings.rows.map(({ name }) => name),
    axis: { labelLimit: 160 },
  };
  const yOffset = { field: "what", sort: ["paper", "worst case"] };
  const bars = (what: string, ink: string): Panel[] => [
    {
      transform: [{ filter: `datum.what === '${what}' && !datum.missing && !datum.unreliable` }],
      mark: { type: "bar", color: ink, opacity: 0.85 },
      encoding: { x, y, yOffset },
    },
    {
      transform: [{ filter: `datum.what === '${what}' && !datum.missing && datum.unreliable` }],
      mark: { type: "bar", fillOpacity: 0, stroke: ink, strokeWidth: 1.6, strokeDash: [4, 3] },
      encoding: { x, y, yOffset },
    },
  ];
  const layer: Panel[] = [
    ...bars("paper", PAPER),
    ...bars("worst case", MODERN),
    {
      transform: [{ filter: "!datum.missing" }],
      mark: { type: "rule", color: INKS.text.light, strokeWidth: 1.4 },
      encoding: { x: { ...x, field: "low" }, x2: { field: "high" }, y, yOffset },
    },
    {
      transform: [{ filter: "datum.missing" }],
      mark: { type: "text", text: NOT_MEASURED, align: "left", dx: 4, color: INKS.muted.light, fontSize: 11 },
      encoding: { x, y, yOffset },
    },
  ];
  const panel = { width: 460, height: { step: 17 }, data: { values }, layer };
  // Room for the fonts of pages that have wider ones than the plots were measured with.
  if (!isFile) return whole({ ...panel, padding: { left: 24, right: 8, top: 6, bottom: 2 } });
  return figure(
    [panel],
    "The paper's attack and today's",
    "blue: paper · orange: worst case · hollow: unreliable",
  );
}

export function modernTable(findings: ModernFindings): Html {
  const { epsilon, beta, rows } = findings;
  const at = (strength: number | undefined): string =>
    strength === undefined ? "" : ` at ${strengthText(strength)}`;
  return html`<div class="scroll" role="region" tabindex="0" aria-label="Accuracy under attack">
    <table>
      <caption>
        <span
          ><strong>Right answers, percent</strong> L∞; worst case: right under every attack that was run</span
        >
      </caption>
      <thead>
        <tr>
          <th scope="col">network</th>
          <th scope="col" class="edge">clean</th>
          <th scope="col" class="edge">paper, β${at(beta)}</th>
          <th scope="col">corrected</th>
          <th scope="col" class="edge">worst case, ε${at(epsilon)}</th>
          <th scope="col">95 % interval</th>
          <th scope="col">images</th>
          <th scope="col" class="edge">strongest single attack</th>
          <th scope="col" class="edge">sanity</th>
        </tr>
      </thead>
      <tbody>
        ${rows.map(modernRow)}
      </tbody>
    </table>
  </div>`;
}

const missing = html`<em class="missing">${NOT_MEASURED}</em>`;

function sanityText({ worst, unreliable, isChecked }: ModernRow): Html | string {
  if (worst === undefined) return missing;
  if (unreliable.length > 0) return "⚠ unreliable";
  return isChecked ? "nothing failed" : html`<em class="missing">not checked</em>`;
}

function modernRow(row: ModernRow): Html {
  const { name, clean, paper, corrected, worst, attacks, unreliable } = row;
  const right = (point: CurvePoint | undefined): Html | string =>
    point === undefined ? missing : percent(1 - point.error);
  const [strongest] = attacks;
  const sanity = sanityText(row);
  return html`<tr class="${unreliable.length > 0 ? "unreliable" : "usual"}">
    <th scope="row">${name}</th>
    <td class="edge">${clean === undefined || !Number.isFinite(clean) ? missing : percent(clean)}</td>
    <td class="edge">${right(paper)}</td>
    <td>${right(corrected)}</td>
    ${
      worst === undefined
        ? html`<td class="edge" colspan="3">${missing}</td>`
        : html`<td class="edge strong">${percent(1 - worst.error)}</td>
            <td>${percent(1 - worst.ci_high)}–${percent(1 - worst.ci_low)}</td>
            <td>${count(worst.n)}</td>`
    }
    <td class="edge">
      ${strongest === undefined ? missing : `${strongest.attack ?? "attack"}: ${percent(1 - strongest.error)}`}
    </td>
    <td class="edge">${sanity}</td>
  </tr>`;
}

/** Every network whose numbers must not be believed, with the reasons. */
export function unreliableBox(members: readonly MeasuredModel[]): Html | undefined {
  const found = members.flatMap(({ name, result }) => {
    const reasons = [
      ...(result?.unreliable ?? []),
      ...(result?.curves ?? []).flatMap((point) => point.unreliable ?? []),
    ];
    return reasons.length === 0 ? [] : [{ name, reasons: [...new Set(reasons)] }];
  });
  if (found.length === 0) return undefined;
  return html`<div class="warning" role="note">
    <p><strong>Unreliable.</strong> A sanity check failed; these figures are drawn hollow and dotted.</p>
    <ul class="reading">
      ${found.map(({ name, reasons }) => html`<li><strong>${name}</strong>: ${reasons.join("; ")}</li>`)}
    </ul>
  </div>`;
}

const CHECK_MARKS = { passed: "✓", failed: "✗", noted: "•", "not run": "–" } as const;

/** A row for each check, a column for each network; below it the numbers of those that did not simply pass. */
export function checksTable(members: readonly MeasuredModel[]): Html | undefined {
  const checked = members.flatMap(({ name, result }) =>
    result?.checks === undefined || result.checks.length === 0 ? [] : [{ name, checks: result.checks }],
  );
  if (checked.length === 0) return undefined;
  const all = new Map(checked.flatMap(({ checks }) => checks.map(({ number, title }) => [number, title])));
  const numbers = [...all.keys()].sort((a, b) => a - b);
  const told = checked.flatMap(({ name, checks }) =>
    checks
      .filter(({ status }) => status === "failed" || status === "noted")
      .map((check) => ({ name, ...check })),
  );
  return html`<div class="scroll" role="region" tabindex="0" aria-label="Sanity checks">
      <table class="text">
        <caption>
          <span
            ><strong>Sanity checks</strong> METHOD.md 4.4; ✓ passed, ✗ failed, • something to note, – not
            run</span
          >
        </caption>
        <thead>
          <tr>
            <th scope="col">check</th>
            ${checked.map(({ name }) => html`<th scope="col" class="edge">${name}</th>`)}
          </tr>
        </thead>
        <tbody>
          ${numbers.map(
            (number) =>
              html`<tr>
                <th scope="row">${number}. ${all.get(number)}</th>
                ${checked.map(({ checks }) => checkCell(checks.find((check) => check.number === number)))}
              </tr>`,
          )}
        </tbody>
      </table>
    </div>
    ${
      told.length === 0
        ? undefined
        : html`<ul class="reading">
            ${told.map(
              ({ name, number, status, detail }) =>
                html`<li><strong>${name}</strong>, check ${number} ${status}: ${detail}</li>`,
            )}
          </ul>`
    }`;
}

function checkCell(check: SanityCheck | undefined): Html {
  if (check === undefined) return html`<td class="edge">– <small>not run</small></td>`;
  return html`<td class="edge">${CHECK_MARKS[check.status]} <small>${check.status}</small></td>`;
}

export function nonsenseTable(members: readonly MeasuredModel[]): Html | undefined {
  const rows = members.flatMap(({ name, result }) =>
    (result?.nonsense ?? []).map((score): [string, NonsenseScore] => [name, score]),
  );
  if (rows.length === 0) return undefined;
  return html`<div class="scroll" role="region" tabindex="0" aria-label="Telling nonsense from images">
    <table>
      <caption>
        <span
          ><strong>Telling nonsense from images</strong> AUROC: 1 tells all apart, 0.5 is chance; false
          accept: nonsense taken for real where 95 % of real images are</span
        >
      </caption>
      <thead>
        <tr>
          <th scope="col">network</th>
          <th scope="col">nonsense</th>
          <th scope="col">strength</th>
          <th scope="col">images</th>
          <th scope="col">AUROC</th>
          <th scope="col">false accept %</th>
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          ([name, score]) =>
            html`<tr>
              <th scope="row">${name}</th>
              <td>${score.protocol ?? "paper"}, ${score.attack ?? "nonsense"}</td>
              <td>${strengthText(score.strength)}</td>
              <td>${count(score.n_nonsense)}</td>
              <td>${score.auroc.toFixed(3)}</td>
              <td>${percent(score.false_accept_at_95)}</td>
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}

export function distortionTable(members: readonly MeasuredModel[]): Html | undefined {
  const rows = members.flatMap(({ name, result }) =>
    (result?.distortions ?? []).map((distortion) => ({ name, ...distortion })),
  );
  if (rows.length === 0) return undefined;
  return html`<div class="scroll" role="region" tabindex="0" aria-label="Smallest changes">
    <table>
      <caption>
        <span><strong>Smallest changes that break an image</strong> of those right at first</span>
      </caption>
      <thead>
        <tr>
          <th scope="col">network</th>
          <th scope="col">attack</th>
          <th scope="col">norm</th>
          <th scope="col">images</th>
          <th scope="col">broken %</th>
          <th scope="col">median size</th>
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          ({ name, attack, norm, n, success, median }) =>
            html`<tr>
              <th scope="row">${name}</th>
              <td>${attack}</td>
              <td>${norm === "l2" ? "L2" : "L∞"}</td>
              <td>${count(n)}</td>
              <td>${percent(success)}</td>
              <td>
                ${median === null ? "none found for half" : strengthText(Number(median.toPrecision(3)))}
              </td>
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}
