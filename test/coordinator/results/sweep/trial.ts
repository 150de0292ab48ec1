/** Trials by hand. */
import type { MetricValues, TrialRow, Values } from "../../../../shared/records/sweep-line.js";

interface More {
  images?: number;
  group?: string;
  values?: Values;
  state?: TrialRow["state"];
  rung?: number;
  unreliable?: readonly string[];
  outside?: string;
}

/** Measured once; done unless said otherwise. */
export function trial(number: number, metrics: MetricValues, more: More = {}): TrialRow {
  const { images = 10_000, values = {}, state = "done", rung = 0, unreliable, outside } = more;
  const id = (number + 0x1000).toString(16).repeat(4);
  const weights = id.repeat(4);
  return {
    trial: id,
    number,
    group: more.group ?? id,
    values,
    state,
    attempt: 1,
    rungs: [
      {
        attempt: 1,
        rung,
        last: state === "done",
        samples: 6_000 * 3 ** rung,
        metrics,
        weights,
        seconds: 3,
        images,
        time: 1_796_040_000 + number,
      },
    ],
    metrics,
    samples: 6_000 * 3 ** rung,
    seconds: 3,
    weights,
    ...(unreliable === undefined ? {} : { unreliable }),
    ...(outside === undefined ? {} : { outside }),
  };
}
