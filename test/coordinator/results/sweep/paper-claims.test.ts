import assert from "node:assert/strict";
import { test } from "node:test";
import type { SweepResults } from "../../../../coordinator/results/sweep/data.js";
import { analyse } from "../../../../coordinator/results/sweep/analysis.js";
import { documentOf } from "../../../../coordinator/results/sweep/document.js";
import { renderMarkdown } from "../../../../coordinator/results/sweep/markdown.js";
import { renderSweepPage } from "../../../../coordinator/results/sweep/page.js";
import { paperClaims, reasonOf } from "../../../../coordinator/results/sweep/paper-claims.js";
import type { Values } from "../../../../shared/records/sweep-line.js";
import { sampleSweep } from "./sample.js";
import { trial } from "./trial.js";

/** Errors on 1,000 images at β = 0.25 and 0.5, adversarial and noisy alike. */
const ERRORS = { plain: 0.9, "plain-r": 0.6, "plain-a": 0.85, "mrelu-r-m": 0.15 } as const;

function sweepOf(models: readonly (keyof typeof ERRORS)[], more: Values = {}): SweepResults {
  const rows = models.flatMap((model, at) =>
    [0, 1].map((seed) => {
      const error = ERRORS[model] + 0.001 * seed;
      const metrics = {
        clean: 0.98,
        "area(adversarial)": 1 - error,
        ...Object.fromEntries(
          [0.02, 0.25, 0.5].flatMap((strength) => [
            [`error(adversarial, ${strength})`, error],
            [`error(noisy, ${strength})`, error],
          ]),
        ),
      };
      const row = trial(2 * at + seed, metrics, { images: 10_000, values: { model, seed, ...more } });
      return { ...row, rungs: row.rungs.map((rung) => ({ ...rung, measuredImages: 1000 })) };
    }),
  );
  const spec = {
    parameters: { model: { grid: [...models] }, seed: { repeat: 2 } },
    search: { method: "grid" },
    stopping: undefined,
  };
  return { ...sampleSweep({ trials: 0, spec }), rows };
}

test("a sweep over the paper's networks judges its claims, seed by seed, with the images behind each number", () => {
  const claims = paperClaims(sweepOf(["plain", "plain-r", "plain-a", "mrelu-r-m"]));
  const byId = new Map(claims.map((claim) => [claim.id, claim]));
  const large = byId.get("large-adversarial");
  assert.equal(large?.verdict, "holds");
  assert.deepEqual(
    large.comparisons.map(({ seed, strength, first }) => [seed, strength, first.n]),
    [
      [0, 0.25, 1000],
      [1, 0.25, 1000],
      [0, 0.5, 1000],
      [1, 0.5, 1000],
    ],
  );
  assert.equal(byId.get("random-helps")?.verdict, "holds");
  assert.equal(byId.get("adversarial-training")?.verdict, "holds");
  const clean = byId.get("clean");
  assert.equal(clean?.comparisons[0]?.first.n, 10_000, "clean accuracy is measured on more images");
  const nonsense = byId.get("nonsense");
  assert.equal(nonsense?.verdict, "cannot be judged");
  assert.match(reasonOf(nonsense), /not measured: nonsense at β = 0/);
});

test("the claims stand in the document, in Markdown and on the page", () => {
  const analysis = analyse(sweepOf(["plain", "mrelu-r-m"]));
  const { claims } = documentOf(analysis) as { claims: { id: string; verdict: string }[] };
  assert.equal(claims.find(({ id }) => id === "large-adversarial")?.verdict, "holds");
  assert.match(
    renderMarkdown(analysis),
    /## The paper's claims[^]*large strengths +\| holds +\| 4 of 4 comparisons hold/,
  );
  assert.match(renderSweepPage(analysis), /id="claim-large-adversarial"[^]*✓ holds/);
});

test("a sweep over other settings judges no claim: one network and seed would have several answers", () => {
  assert.deepEqual(paperClaims(sweepOf(["plain", "mrelu-r-m"], { "train.learning_rate": 0.1 })), []);
  const analysis = analyse(sampleSweep({ trials: 12 }));
  assert.deepEqual(analysis.claims, []);
  assert.equal("claims" in documentOf(analysis), false);
  assert.doesNotMatch(renderMarkdown(analysis), /The paper's claims/);
});
