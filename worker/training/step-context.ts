/** What the steps of one training work with. */
import type { StepPlan } from "../../shared/core/schedule.js";
import type { TrainingImages } from "../core/training-images.js";
import type { Program } from "../engine/program.js";

export interface StepContext {
  program: Program;
  images: TrainingImages;
  plan: StepPlan;
  /** Flag A: holds the weights that `anchorOf` names, from the second epoch on. */
  anchor?: Program | undefined;
}
