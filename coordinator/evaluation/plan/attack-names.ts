/** Attacks as a user names them: "pgd-40", "pgd-100-margin-x10", "square@l2", or with options of their own. */
import { attackDefinition, attackNamed, attackNames, attackOptions } from "../../../shared/attacks.js";
import { ClusterError } from "../../../shared/errors.js";
import type { AttackCall, AttackMeasure, SourceNetwork } from "../../../shared/measures.js";
import type { Norm } from "../../../shared/results.js";
import { at } from "../../../shared/core/at.js";

/** As `evaluate.attacks` lists them. */
export type AttackChoice =
  | string
  | {
      attack: string;
      options?: Record<string, unknown> | undefined;
      norm?: Norm | undefined;
      name?: string | undefined;
    };

const PGD = /^pgd-(\d{1,5})(?:-(margin|training))?(?:-x(\d{1,4}))?$/;

/** A second network, and what it is called. */
export interface NamedSource extends SourceNetwork {
  name: string;
}

/**
 * What the name stands for; a transfer attack once for each second network, of which there may be none if they are yet
 * `toCome`. Throws as `attackMeasure` does.
 */
export function attackMeasures(
  choice: AttackChoice,
  sources: readonly NamedSource[],
  toCome = false,
): AttackMeasure[] {
  const measure = named(choice);
  const crafts = measure.members.some(({ attack }) => isTransfer(attack));
  if (!crafts) return [measure];
  if (sources.length === 0 && !toCome) {
    throw new ClusterError("config", `Attack "${measure.name}" needs a second network to craft on`, {
      hint: "give one by --transfer-from or evaluate.transfer_from: a run directory, or weights.safetensors:model",
    });
  }
  return sources.map(({ name, model, settings, weights_sha256 }) => ({
    ...measure,
    name: `${measure.name}-from-${name}`.slice(0, MOST_NAME),
    source: { model, ...(settings === undefined ? {} : { settings }), weights_sha256 },
  }));
}

const MOST_NAME = 64;

export function isTransfer(attack: string): boolean {
  return attackDefinition(attackNamed(attack)).access === "transfer";
}

/** What the name of an attack on one network stands for. Throws ClusterError("config") with the list for an unknown attack, option or norm. */
export function attackMeasure(choice: AttackChoice): AttackMeasure {
  return at(attackMeasures(choice, []), 0);
}

function named(choice: AttackChoice): AttackMeasure {
  if (typeof choice !== "string") return checked(choice, choice.name ?? choice.attack);
  const [name = "", norm, ...rest] = choice.split("@");
  if (rest.length > 0 || (norm !== undefined && norm !== "linf" && norm !== "l2")) {
    throw new ClusterError("config", `Unknown norm in attack "${choice}": expected @linf or @l2`);
  }
  return checked({ ...callOf(name), ...(norm === undefined ? {} : { norm }) }, name);
}

function callOf(name: string): { attack: string; options?: Record<string, unknown> } {
  const [, steps, loss, restarts] = PGD.exec(name) ?? [];
  if (steps !== undefined) {
    return {
      attack: "pgd",
      options: {
        steps: Number(steps),
        ...(loss === undefined ? {} : { loss }),
        ...(restarts === undefined ? {} : { restarts: Number(restarts) }),
      },
    };
  }
  if (name === "fgsm-random-start") return { attack: "fgsm", options: { random_start: 0.5 } };
  return { attack: name };
}

function checked({ attack, options = {}, norm }: Exclude<AttackChoice, string>, name: string): AttackMeasure {
  const known = attackNamed(attack);
  const { norms, nonsense } = attackDefinition(known);
  if (nonsense === true) {
    throw new ClusterError(
      "config",
      `Attack "${attack}" is for nonsense images, which evaluate.budget plans`,
    );
  }
  const used = norm ?? norms[0] ?? "linf";
  if (!norms.includes(used)) {
    throw new ClusterError(
      "config",
      `Attack "${attack}" knows no norm ${used}: expected ${norms.join(", ")}`,
    );
  }
  // Said here, before anything runs; the worker fills the defaults in.
  attackOptions(known, options);
  return {
    how: "attack",
    name,
    norm: used,
    members: [{ attack, options }],
    carry: known !== "fgsm",
  };
}

/** Forward passes of one image at one strength; a gradient costs about three. */
export function passesOf({ attack, options }: AttackCall, outputs: number): number {
  const name = attackNamed(attack);
  const filled: Record<string, unknown> = attackOptions(name, options);
  const number = (key: string, otherwise: number): number => {
    const value = filled[key];
    return typeof value === "number" ? value : otherwise;
  };
  const restarts = number("restarts", 1);
  const targeted = ["pgd-targeted", "apgd-t", "fab-t", "autoattack", "nonsense-pgd"].includes(name);
  const targets = targeted ? number("targets", outputs - 1) : 1;
  const gradients =
    "steps" in filled ? number("steps", 1) * restarts * targets : name === "fgsm" ? restarts : 0;
  return 3 * gradients + ("queries" in filled ? number("queries", 1) * restarts : 0) + 1;
}

/** What `saf evaluate --list-attacks` prints. */
export interface AttackListing {
  name: string;
  title: string;
  access: string;
  norms: readonly Norm[];
  minimal: boolean;
}

export function listAttacks(): AttackListing[] {
  return attackNames().map((name) => {
    const { title, access, norms, minimal } = attackDefinition(name);
    return { name, title, access, norms, minimal: minimal === true };
  });
}
