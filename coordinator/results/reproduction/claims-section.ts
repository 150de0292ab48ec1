/** The paper's claims with their verdicts and the numbers behind them. */
import type { Claim, Comparison, ClaimVerdict } from "../claims.js";
import { count, percent2, signedPoints, strengthText } from "../report/format.js";
import { html } from "../report/html.js";
import type { Html } from "../report/html.js";

const MARKS: Readonly<Record<ClaimVerdict, string>> = {
  holds: "✓",
  "does not hold": "✗",
  "cannot be judged": "?",
};
const CLASSES: Readonly<Record<ClaimVerdict, string>> = {
  holds: "holds",
  "does not hold": "fails",
  "cannot be judged": "open",
};

/** Comparisons of one claim; more seeds make more of them. */
const MOST_SHOWN = 200;

export function verdictBadge(verdict: ClaimVerdict): Html {
  return html`<b class="verdict ${CLASSES[verdict]}">${MARKS[verdict]} ${verdict}</b>`;
}

export function claimsList(claims: readonly Claim[], hasSeeds: boolean): Html {
  return html`<ol class="claims">
    ${claims.map(
      (claim) =>
        html`<li class="panel" id="claim-${claim.id}">
          <p class="claim"><strong>${claim.statement}</strong> ${verdictBadge(claim.verdict)}</p>
          <p class="muted">Holds when: ${claim.criterion}.</p>
          ${claim.reason === undefined ? undefined : html`<p>${sentence(claim.reason)}</p>`}
          ${claim.comparisons.length === 0 ? undefined : comparisonTable(claim, hasSeeds)}
        </li>`,
    )}
  </ol>`;
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

function comparisonTable({ statement, comparisons }: Claim, hasSeeds: boolean): Html {
  return html`<div class="scroll" role="region" tabindex="0" aria-label="${statement}">
    <table>
      <caption class="hidden">
        ${statement}: the numbers
      </caption>
      <thead>
        <tr>
          <th scope="col">images</th>
          <th scope="col">β</th>
          ${hasSeeds ? html`<th scope="col">seed</th>` : undefined}
          <th scope="col" class="edge">verdict</th>
          <th scope="col" class="edge">error %</th>
          <th scope="col">against error %</th>
          <th scope="col" class="edge">difference, points</th>
          <th scope="col">95 % interval</th>
          <th scope="col">must be below</th>
        </tr>
      </thead>
      <tbody>
        ${comparisons.slice(0, MOST_SHOWN).map((comparison) => comparisonRow(comparison, hasSeeds))}
      </tbody>
    </table>
    ${
      comparisons.length > MOST_SHOWN
        ? html`<p class="muted">The first ${MOST_SHOWN} of ${count(comparisons.length)} comparisons.</p>`
        : undefined
    }
  </div>`;
}

function comparisonRow(comparison: Comparison, hasSeeds: boolean): Html {
  const { kind, strength, seed, first, second, published, difference, below, verdict } = comparison;
  const { low, high, paired } = difference;
  const other =
    second === undefined
      ? `${percent2(published ?? NaN)} (published)`
      : `${percent2(second.error)} (${second.model})`;
  return html`<tr>
    <th scope="row">${kind}, ${count(first.n)}</th>
    <td>${strengthText(strength)}</td>
    ${hasSeeds ? html`<td>${seed}</td>` : undefined}
    <td class="edge">${verdictBadge(verdict)}</td>
    <td class="edge strong">${percent2(first.error)} (${first.model})</td>
    <td>${other}</td>
    <td class="edge strong">${signedPoints(difference.difference)}</td>
    <td>${signedPoints(low)} to ${signedPoints(high)}${paired || second === undefined ? "" : " *"}</td>
    <td>${signedPoints(below)}</td>
  </tr>`;
}
