/** Images as the network saw them, with its answers. */
import type { PerturbationKind, SampleImage } from "../../../shared/results.js";
import { chooseSpread, referenceStrength } from "./curves.js";
import { strengthText } from "./format.js";
import { html } from "./html.js";
import type { Html } from "./html.js";
import { pngDataUri } from "./png.js";

/** Both data sets have ten; outputs after them are the nonsense classes of mean training. */
const REAL_CLASSES = 10;
const MAX_COLUMNS = 10;
/** Rows for each kind: more strengths of the attack, for that is what grows. */
const ROWS: readonly [PerturbationKind, number][] = [
  ["clean", 1],
  ["adversarial", 3],
  ["nonsense", 1],
  ["noisy", 1],
];

interface Row {
  kind: PerturbationKind;
  strength: number;
  images: SampleImage[];
}

/** The rows of one model: clean, adversarial at up to three strengths, nonsense, noisy; at most ten images each. */
function sampleRows(samples: readonly SampleImage[]): Row[] {
  return ROWS.flatMap(([kind, rowCount]) => {
    const ofKind = samples.filter((sample) => sample.kind === kind);
    return strengthsToShow(ofKind, rowCount).map((strength) => ({
      kind,
      strength,
      images: ofKind.filter((sample) => sample.strength === strength).slice(0, MAX_COLUMNS),
    }));
  });
}

/** Strength 0 changes nothing, so it is shown only when there is no other. */
function strengthsToShow(samples: readonly SampleImage[], rowCount: number): number[] {
  const all = [...new Set(samples.map((sample) => sample.strength))].sort((a, b) => a - b);
  const positive = all.filter((strength) => strength > 0);
  const reference = referenceStrength(positive);
  return chooseSpread(
    positive.length > 0 ? positive : all,
    rowCount,
    reference === undefined ? [] : [reference],
  );
}

/** `classNames`: words for the classes, where numbers do not say it. */
export function sampleGrid(samples: readonly SampleImage[], classNames: readonly string[] = []): Html {
  return html`${sampleRows(samples).map(
    (row) =>
      html`<div class="row">
        <h4>${rowTitle(row)}</h4>
        <ul class="images">
          ${row.images.map((image) => sampleFigure(image, classNames))}
        </ul>
      </div>`,
  )}`;
}

function rowTitle({ kind, strength, images }: Row): string {
  const right = images.filter((image) => image.right).length;
  const at = strength > 0 ? `, β = ${strengthText(strength)}` : "";
  const name = `${kind.charAt(0).toUpperCase()}${kind.slice(1)}`;
  return `${name}${at} (${right} of ${images.length} right)`;
}

function sampleFigure(sample: SampleImage, classNames: readonly string[]): Html {
  const mark = sample.right ? "✓" : "✗";
  return html`<li>
    <figure class="${sample.right ? "is-right" : "is-wrong"}">
      <img
        src="${pngDataUri({ ...sample, pixels: Buffer.from(sample.pixels, "base64") })}"
        width="${sample.width * 3}"
        height="${sample.height * 3}"
        alt="${describe(sample, classNames)}"
      />
      <figcaption>
        <b>${mark} ${answer(sample, classNames)}</b> <small>${confidence(sample)}</small>
      </figcaption>
    </figure>
  </li>`;
}

/** What the network said, in a word: a class, or none. */
function answer({ kind, prediction, right }: SampleImage, classNames: readonly string[]): string {
  const isRejected = prediction >= REAL_CLASSES || (kind === "nonsense" && right);
  return isRejected ? "none" : (classNames[prediction] ?? String(prediction));
}

/** Outputs of plain networks may be raw and exceed 1 (METHOD.md 1.11, defect 2). */
function confidence({ confidence }: SampleImage): string {
  return confidence >= 0 && confidence <= 1 ? `${Math.round(100 * confidence)} %` : confidence.toPrecision(3);
}

function describe(sample: SampleImage, classNames: readonly string[]): string {
  const what =
    sample.label === null
      ? "nonsense image"
      : `${sample.kind} image of class ${classNames[sample.label] ?? sample.label}`;
  const at = sample.strength > 0 ? ` at β = ${strengthText(sample.strength)}` : "";
  const verdict = sample.right ? "right" : "wrong";
  return `${what}${at}: answered ${answer(sample, classNames)} with ${confidence(sample)} confidence, ${verdict}`;
}
