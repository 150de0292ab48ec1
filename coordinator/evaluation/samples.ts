/** Pictures of a task's result, as the report keeps them. */
import type { saf } from "../../shared/messages.js";
import type { SampleImage, SeriesLabel } from "../../shared/results.js";
import type { TaskSpec } from "../../shared/records/task.js";

export interface PictureFacts {
  image: { height: number; width: number; channels: number };
  /** True class of a test image. */
  labelOf: (index: number) => number;
}

/** Those that the task asked for and that fit; whatever else came is left out. */
export function samplesOf(task: TaskSpec, message: saf.v1.TaskResult, facts: PictureFacts): SampleImage[] {
  const { height, width, channels } = facts.image;
  const pixels = height * width * channels;
  const firsts = message.samples.slice(0, task.sampleCount * task.strengths.length);
  return firsts.flatMap((sample) => {
    const index = sample.index ?? 0;
    const inside = index >= task.firstImage && index < task.firstImage + task.imageCount;
    if (!inside || sample.pixels?.length !== pixels) return [];
    return [
      {
        kind: task.kind,
        ...seriesLabel(task),
        strength: sample.strength ?? 0,
        index,
        label: task.kind === "nonsense" ? null : facts.labelOf(index),
        prediction: sample.prediction ?? 0,
        confidence: sample.confidence ?? 0,
        right: sample.right ?? false,
        height,
        width,
        channels,
        pixels: Buffer.from(sample.pixels).toString("base64"),
      },
    ];
  });
}

function seriesLabel({ protocol, attack, norm }: SeriesLabel): SeriesLabel {
  return {
    ...(protocol === undefined ? {} : { protocol }),
    ...(attack === undefined ? {} : { attack }),
    ...(norm === undefined ? {} : { norm }),
  };
}
