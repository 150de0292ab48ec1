/** Clean errors beside those that the authors' own networks logged. */
import type { StepMetric } from "../../../shared/results.js";
import { percent2, signedPoints } from "../report/format.js";
import { html } from "../report/html.js";
import type { Html } from "../report/html.js";
import { cleanError } from "../report/reading.js";
import { AUTHORS_SOURCE, authorsErrors } from "./authors.js";
import { NOT_MEASURED } from "../report/data.js";
import { type Member, type ReproductionData } from "./data.js";

/** A row of the table, and of clean.csv: shares in [0, 1]. */
export interface CleanRow {
  network: string;
  seed: number | undefined;
  epochs: number | undefined;
  error: { share: number; low: number; high: number; n: number } | undefined;
  /** Wrong answers in the last epoch's steps, each before its update; with augmentation, on augmented images. */
  trainError: number | undefined;
  authors: { final: number; best: number; train: number; epochs: number } | undefined;
}

export function cleanRows({ dataset, networks, members }: ReproductionData): CleanRow[] {
  return networks.flatMap((network): CleanRow[] => {
    const authors = authorsErrors(dataset, network);
    const found = members.filter((member) => member.network === network);
    if (found.length === 0) {
      const nothing = { seed: undefined, epochs: undefined, error: undefined, trainError: undefined };
      return [{ network, ...nothing, authors }];
    }
    return found.map((member) => ({
      network,
      seed: member.seed,
      epochs: member.epochs,
      error: errorOf(member),
      trainError: lastEpochError(member.steps),
      authors,
    }));
  });
}

function errorOf({ result }: Member): CleanRow["error"] {
  if (result === undefined || !Number.isFinite(result.clean_accuracy)) return undefined;
  return { ...cleanError(result), n: result.n };
}

function lastEpochError(steps: readonly StepMetric[]): number | undefined {
  const epoch = steps.at(-1)?.epoch;
  const last = steps.filter((step) => step.epoch === epoch && Number.isFinite(step.accuracy));
  return last.length === 0 ? undefined : 1 - last.reduce((sum, step) => sum + step.accuracy, 0) / last.length;
}

export function cleanTable(data: ReproductionData): Html {
  const rows = cleanRows(data);
  const hasSeeds = data.seeds.length > 1;
  return html`<div class="scroll" role="region" tabindex="0" aria-label="Clean errors">
    <table>
      <caption>
        <span
          ><strong>Clean test error, percent</strong> authors: ${AUTHORS_SOURCE} (not the paper's printed
          tables)</span
        >
      </caption>
      <thead>
        <tr>
          <th scope="col" rowspan="2">network</th>
          ${hasSeeds ? html`<th scope="col" rowspan="2">seed</th>` : undefined}
          <th scope="colgroup" colspan="4">here</th>
          <th scope="colgroup" colspan="4">authors</th>
          <th scope="col" rowspan="2" class="edge">difference, points</th>
        </tr>
        <tr>
          <th scope="col" class="edge">test</th>
          <th scope="col">95 % interval</th>
          <th scope="col">training</th>
          <th scope="col">epochs</th>
          <th scope="col" class="edge">test</th>
          <th scope="col">best epoch</th>
          <th scope="col">training</th>
          <th scope="col">epochs</th>
        </tr>
      </thead>
      <tbody>
        ${rows.map((row) => rowOf(row, hasSeeds))}
      </tbody>
    </table>
  </div>`;
}

function rowOf({ network, seed, epochs, error, trainError, authors }: CleanRow, hasSeeds: boolean): Html {
  const missing = html`<em class="missing">${NOT_MEASURED}</em>`;
  const ours =
    error === undefined
      ? html`<td class="edge" colspan="2">${missing}</td>`
      : html`<td class="edge strong">${percent2(error.share)}</td>
          <td>${percent2(error.low)}–${percent2(error.high)}</td>`;
  const theirs =
    authors === undefined
      ? html`<td class="edge" colspan="4"><em class="missing">not published</em></td>`
      : html`<td class="edge strong">${percent2(authors.final)}</td>
          <td>${percent2(authors.best)}</td>
          <td>${Number((100 * authors.train).toPrecision(3))}</td>
          <td>${authors.epochs}</td>`;
  return html`<tr>
    <th scope="row">${network}</th>
    ${hasSeeds ? html`<td>${seed ?? "–"}</td>` : undefined} ${ours}
    <td>${trainError === undefined ? missing : percent2(trainError)}</td>
    <td>${epochs === undefined ? missing : Number(epochs.toFixed(2))}</td>
    ${theirs}
    <td class="edge">${differenceText(error?.share, authors?.final)}</td>
  </tr>`;
}

function differenceText(ours: number | undefined, theirs: number | undefined): string {
  if (ours === undefined || theirs === undefined) return "–";
  return signedPoints(ours - theirs, 2);
}
