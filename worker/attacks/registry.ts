/** Runs an attack by its name, on a checked request, and counts what it cost. A new attack is a file and a line here. */
import { type AttackName, attackDefinition, attackOptions } from "../../shared/attacks.js";
import { ClusterError } from "../../shared/errors.js";
import type { AttackRequest, AttackResult, AttackedModel, RunAttack } from "./attack.js";
import { apgdCe, apgdDlr, apgdT } from "./apgd.js";
import { autoattack } from "./autoattack.js";
import { ddn } from "./ddn.js";
import { fabT } from "./fab-t.js";
import { fgsm } from "./fgsm.js";
import { hopSkipJump } from "./hop-skip-jump.js";
import { nonsensePgd } from "./nonsense-pgd.js";
import { pgd } from "./pgd.js";
import { pgdTargeted } from "./pgd-targeted.js";
import { randomSearch } from "./random-search.js";
import { square } from "./square.js";
import { surrogatePgd } from "./surrogate-pgd.js";
import { transfer } from "./transfer.js";
import { walkBack } from "./walk-back.js";

const RUNS: { [N in AttackName]: RunAttack<N> } = {
  fgsm,
  pgd,
  "pgd-targeted": pgdTargeted,
  "apgd-ce": apgdCe,
  "apgd-dlr": apgdDlr,
  "apgd-t": apgdT,
  "fab-t": fabT,
  ddn,
  square,
  "hop-skip-jump": hopSkipJump,
  "random-search": randomSearch,
  transfer,
  "surrogate-pgd": surrogatePgd,
  "walk-back": walkBack,
  autoattack,
  "nonsense-pgd": nonsensePgd,
};

/**
 * `options` may leave out what has a default. Throws ClusterError("config") for options, a norm or a strength that the
 * attack does not take, ClusterError("shape-mismatch") where the arrays do not fit.
 */
export function runAttack(name: AttackName, request: AttackRequest): AttackResult {
  const { model, norm, epsilon } = request;
  if (!attackDefinition(name).norms.includes(norm))
    throw new ClusterError("config", `Attack "${name}" has no norm "${norm}"`);
  if (!(epsilon >= 0 && (norm === "l2" ? Number.isFinite(epsilon) : epsilon <= 1)))
    throw new ClusterError("config", `Cannot attack at strength ${epsilon}: expected 0 to 1`);
  const count = request.indices.length;
  if (request.images.length !== count * model.imageSize || request.labels.length !== count) {
    throw new ClusterError(
      "shape-mismatch",
      `Cannot attack ${count} images: expected ${count * model.imageSize} pixels and ${count} labels, got ${request.images.length} and ${request.labels.length}`,
    );
  }
  const cost = { queries: 0, gradients: 0 };
  const run = RUNS[name] as RunAttack<AttackName>;
  const finding = run({
    ...request,
    model: counted(model, cost),
    options: attackOptions(name, request.options),
  });
  return { ...finding, ...cost };
}

/** The same network; what passes through it is counted, an image walked back also as one shown. */
function counted(model: AttackedModel, cost: { queries: number; gradients: number }): AttackedModel {
  return {
    ...model,
    logits(images) {
      cost.queries += images.length / model.imageSize;
      return model.logits(images);
    },
    gradient(images, loss, surrogate) {
      cost.queries += images.length / model.imageSize;
      cost.gradients += images.length / model.imageSize;
      return model.gradient(images, loss, surrogate);
    },
  };
}
