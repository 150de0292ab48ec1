/** What the numbers mean, and what they do not: the part of the report that must not be left out. */
import { html } from "./html.js";
import type { Html } from "./html.js";

/** Names of procedures whose description is known here. */
const PAPER = "paper";

/** The warning that stands above every robustness number. */
export function limitsBox(procedure: string, isModern: boolean): Html {
  const reason =
    procedure === PAPER && !isModern
      ? "The attack is one single gradient step, as was usual in 2016. A low error says that this one attack failed, not that no attack works."
      : "A low error says that the attacks tried here failed, not that no attack works.";
  return html`<div class="warning" role="note">
    <p><strong>These numbers are not a robustness guarantee.</strong> ${reason}</p>
  </div>`;
}

/** How the images were made and how answers were scored, METHOD.md 1.11. Others are shown as they were named. */
export function procedureText(procedure: string): Html {
  if (procedure !== PAPER) return html`<p>Protocol: ${procedure}</p>`;
  return html`<p>
      Protocol: <code>paper</code>, the evaluation of Zhao and Griffin 2016 (arXiv 1603.05145) as their
      published code does it. The strength β is the largest change of any pixel, as a share of the full pixel
      range.
    </p>
    <ul class="reading">
      <li>
        <strong>Adversarial.</strong> For each test image, the gradient of the network's own training loss is
        taken towards each wrong class; the steepest one (largest L1 norm) is followed for one step of ±β per
        pixel. The direction is found once and used at every strength. Wrong: any answer but the true class;
        calling a real image nonsense also counts as wrong.
      </li>
      <li>
        <strong>Nonsense.</strong> Gaussian noise stretched to the full pixel range, then moved by the same
        one step towards a real class. Wrong: the network claims to see a real class. A network with classes
        for nonsense claims it when one of the real classes has the largest output; any other network when its
        largest output is above 0.5.
      </li>
      <li><strong>Noisy.</strong> Test images whose every pixel moves by +β or −β at random.</li>
      <li>
        <strong>Corrected</strong>, where it was measured: the same with stored moments of batch norm for the
        attack's gradient, clipped to the pixel range, and with probabilities against the threshold.
      </li>
      <li>
        By this protocol nothing is clipped to the pixel range before the network sees it; the pictures in
        this report are clipped to be shown. Intervals are Wilson's at 95 %: they cover the choice of test
        images, not a second training with another seed.
      </li>
    </ul>`;
}

/** Why a good curve may still mislead. */
export function limitsText(procedure: string, isModern: boolean): Html {
  const stronger =
    procedure === PAPER && !isModern
      ? html`<li>
          Attacks that take many small steps, start several times, or need no gradient at all find errors that
          one step misses. None of them was run here. Networks built on similar ideas have lost most or all of
          their measured robustness once they were tried.
        </li>`
      : undefined;
  return html`<ul class="reading">
    ${stronger}
    <li>
      The activations here go flat away from zero and the outputs saturate. That can hide the way downhill
      from a single step (gradient masking), which lowers the adversarial error without making the network
      safer.
    </li>
    <li>
      The nonsense images are of the kind that mean training shows during training. Other nonsense may do
      better.
    </li>
    <li>Each network was trained once. Differences as small as those between two seeds mean nothing.</li>
  </ul>`;
}
