/**
 * The standard ensemble of Croce and Hein 2020, arXiv:2003.01690: APGD on cross-entropy, targeted APGD, targeted FAB and
 * Square, each on the images that the ones before left standing. All wrong classes are targets unless told otherwise.
 */
import type { RunAttack } from "./attack.js";
import { targeted, untargeted } from "./apgd.js";
import { fab } from "./fab-t.js";
import { Hunt } from "./hunt.js";
import { Smallest } from "./smallest.js";
import { squares } from "./square.js";

/** Share of the pixels in Square's first squares. */
const SHARE = 0.8;

export const autoattack: RunAttack<"autoattack"> = (request) => {
  const { steps, targets, queries } = request.options;
  const hunt = new Hunt(request);
  untargeted(hunt, "cross-entropy", { steps, restarts: 1 });
  targeted(hunt, { steps, restarts: 1, targets });
  const smallest = new Smallest(hunt);
  fab(hunt, smallest, { steps, restarts: 1, targets }, true);
  smallest.finding(); // hands over what lies in the ball
  squares(hunt, { queries, restarts: 1, share: SHARE });
  return hunt.finding();
};
