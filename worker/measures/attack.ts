/**
 * Attacks in a ball around each image, member after member on those images that still stand. What is reported is
 * measured again on the images that the attacks handed back: answer, confidence and size of the change.
 */
import { ATTACKS, type AttackName, attackNamed } from "../../shared/attacks.js";
import { type AttackMeasure, ORIGINS } from "../../shared/measures.js";
import { distance, pick, rowsOf } from "../core/perturbation.js";
import type { ImageSet } from "../core/training-images.js";
import { attackedModel } from "../attacks/attacked-model.js";
import type { AttackRequest, AttackResult, AttackedModel } from "../attacks/attack.js";
import { runAttack } from "../attacks/registry.js";
import type { EvaluationTask, Subject } from "./task.js";
import type { Program } from "../engine/program.js";
import { type StrengthOutcome, pictures } from "./outcome.js";
import { answersTo } from "./scoring.js";

/** Images of other classes that an attack may start from: the first of the test set. */
const OTHER_IMAGES = 200;
/** Full pixel range. */
const PIXEL_RANGE = 255;

/** A task's images on [0, 1] pixels, and what attacks need to know about them. */
interface Victims {
  images: Float32Array;
  labels: Uint8Array;
  indices: Uint32Array;
}

export function attackOutcomes(
  subject: Subject,
  task: EvaluationTask,
  measure: AttackMeasure,
): StrengthOutcome[] {
  const { test } = subject;
  const victims: Victims = {
    images: unitImages(test, task.firstImage, task.imageCount),
    labels: test.labels.subarray(task.firstImage, task.firstImage + task.imageCount),
    indices: Uint32Array.from({ length: task.imageCount }, (_, i) => task.firstImage + i),
  };
  const others = {
    images: unitImages(test, 0, Math.min(OTHER_IMAGES, test.count)),
    labels: test.labels.subarray(0, Math.min(OTHER_IMAGES, test.count)),
  };
  const siege = new Siege(subject, victims, measure, { seed: task.seed, others });
  return task.strengths.map((strength) => siege.outcomeAt(strength, task));
}

/** The images of a task under a measure, strength after strength; strengths must rise. */
class Siege {
  readonly #subject: Subject;
  readonly #victims: Victims;
  readonly #measure: AttackMeasure;
  readonly #model: AttackedModel;
  readonly #always: Pick<AttackRequest, "seed" | "others" | "source">;
  /** The smallest changes of a minimal attack, found once for all strengths; told also where they are larger than those. */
  #smallest: NonNullable<AttackResult["smallest"]> | undefined;
  /** The images as last shown, and how each of them fell. */
  readonly #shown: Float32Array;
  readonly #origins: Uint8Array;
  readonly #wrongAtFirst: Uint8Array;

  constructor(
    subject: Subject,
    victims: Victims,
    measure: AttackMeasure,
    always: Pick<AttackRequest, "seed" | "others">,
  ) {
    this.#subject = subject;
    this.#victims = victims;
    this.#measure = measure;
    this.#model = attackedModel(subject.program, subject.mean);
    const { source, mean } = subject;
    const craftedOn = source === undefined ? {} : { source: attackedModel(source, mean) };
    this.#always = { ...always, ...craftedOn };
    this.#shown = victims.images.slice();
    this.#origins = new Uint8Array(victims.labels.length);
    this.#wrongAtFirst = this.#answers().wrong;
  }

  outcomeAt(strength: number, task: EvaluationTask): StrengthOutcome {
    const { norm } = this.#measure;
    const { images, labels } = this.#victims;
    const { imageSize } = this.#model;
    this.#begin();
    this.#measure.members.forEach((_, member) => this.#assault(member, strength));
    const answers = this.#answers();
    // A member may have been wrong about what it broke: what the network says to the image counts.
    const origins = Uint8Array.from(this.#origins, (origin, i) =>
      answers.wrong[i] === 1 ? origin : ORIGINS.standing,
    );
    return {
      strength,
      ...answers,
      distances: Float32Array.from(labels, (_, i) =>
        answers.wrong[i] === 0 && this.#smallest !== undefined
          ? this.#smallest.distances[i]!
          : measured(norm, imageSize, this.#shown, images, i),
      ),
      origins,
      samples: pictures((at) => PIXEL_RANGE * this.#shown[at]!, task, imageSize),
    };
  }

  /** Images that fell at a smaller strength lie inside this ball too, so they stay as they are: unless all start anew. */
  #begin(): void {
    const { carry } = this.#measure;
    for (let i = 0; i < this.#origins.length; i++) {
      if (this.#wrongAtFirst[i] === 1) this.#origins[i] = ORIGINS.initial;
      else if (this.#origins[i] === ORIGINS.standing) continue;
      else if (carry) this.#origins[i] = ORIGINS.carried;
      else {
        this.#origins[i] = ORIGINS.standing;
        this.#restore(i);
      }
    }
  }

  #restore(i: number): void {
    const { imageSize } = this.#model;
    this.#shown.set(this.#victims.images.subarray(i * imageSize, (i + 1) * imageSize), i * imageSize);
  }

  /** One member on all images that stand. */
  #assault(member: number, strength: number): void {
    const rows = Uint32Array.from(
      [...this.#origins.keys()].filter((i) => this.#origins[i] === ORIGINS.standing),
    );
    if (rows.length === 0) return;
    const found = this.#found(member, strength, rows);
    const { imageSize } = this.#model;
    rows.forEach((row, i) => {
      if (found.broken[i] !== 1) return;
      this.#origins[row] = ORIGINS.member + member;
      this.#shown.set(found.images.subarray(i * imageSize, (i + 1) * imageSize), row * imageSize);
    });
  }

  #found(member: number, strength: number, rows: Uint32Array): Pick<AttackResult, "images" | "broken"> {
    const { attack, options } = this.#measure.members[member]!;
    const name = attackNamed(attack);
    if (isMinimal(name) && this.#measure.members.length === 1)
      return this.#withinReach(name, options, strength, rows);
    return runAttack(name, this.#request(options, strength, rows));
  }

  /** A minimal attack runs once; a strength then breaks what lies within it. */
  #withinReach(
    name: AttackName,
    options: Record<string, unknown>,
    strength: number,
    rows: Uint32Array,
  ): Pick<AttackResult, "images" | "broken"> {
    const all = Uint32Array.from(this.#victims.labels.keys());
    this.#smallest ??= runAttack(name, this.#request(options, strength, all)).smallest;
    if (this.#smallest === undefined) throw new RangeError(`Attack "${name}" told no smallest change`);
    const { images, distances } = this.#smallest;
    return {
      images: rowsOf(images, rows, this.#model.imageSize),
      broken: Uint8Array.from(rows, (row) => Number(distances[row]! <= strength)),
    };
  }

  #request(options: Record<string, unknown>, epsilon: number, rows: Uint32Array): AttackRequest {
    const { images, labels, indices } = this.#victims;
    return {
      ...this.#always,
      model: this.#model,
      images: rowsOf(images, rows, this.#model.imageSize),
      labels: pick(labels, rows),
      indices: Uint32Array.from(rows, (row) => indices[row]!),
      norm: this.#measure.norm,
      epsilon,
      options,
    };
  }

  #answers(): ReturnType<typeof answersTo> {
    const { program, mean } = this.#subject;
    return unitAnswers(program, mean, this.#shown, this.#victims.labels);
  }
}

/** Infinity where a pixel left [0, 1]. */
function measured(
  norm: AttackMeasure["norm"],
  imageSize: number,
  shown: Float32Array,
  images: Float32Array,
  i: number,
): number {
  for (let p = i * imageSize; p < (i + 1) * imageSize; p++) {
    const pixel = shown[p]!;
    if (!(pixel >= 0 && pixel <= 1)) return Infinity;
  }
  return distance(norm, imageSize, shown, images, i);
}

function isMinimal(name: AttackName): boolean {
  return "minimal" in ATTACKS[name];
}

/** Test images on [0, 1] pixels. */
export function unitImages(test: ImageSet, firstImage: number, count: number): Float32Array {
  const bytes = test.pixels.subarray(firstImage * test.imageSize, (firstImage + count) * test.imageSize);
  return Float32Array.from(bytes, (byte) => byte / PIXEL_RANGE);
}

/** What the network says to images on [0, 1] pixels. */
export function unitAnswers(
  program: Program,
  mean: Float32Array,
  images: Float32Array,
  labels: Uint8Array | null,
): ReturnType<typeof answersTo> {
  const inputs = images.map((pixel, at) => PIXEL_RANGE * pixel - mean[at % mean.length]!);
  return answersTo(program, inputs, labels);
}
