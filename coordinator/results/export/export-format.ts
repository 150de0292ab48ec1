/** What every export format is given, and what it gives back. Formats are one file each, listed in formats.ts. */
import type { Config } from "../../../shared/config/run.js";
import type { Layout } from "../../../shared/core/layout.js";
import type { Network } from "../../../shared/networks/network.js";
import type { ModelResult, StepMetric } from "../../../shared/results.js";
import type { CheckpointState } from "../../../shared/records/checkpoint.js";
import type { TaskRecord } from "../../../shared/records/task.js";
import type { FormatName } from "./format-names.js";

/** One set of weights, and what a network needs besides them. */
export interface ExportedModel {
  network: Network;
  layout: Layout;
  /** The flat parameter vector, as `layout` places it. */
  parameters: Float32Array;
  /** [height, width, channels]: mean of the training images, pixels 0..255. */
  mean: Float32Array;
  /** Where the weights come from, as text: written into every file that has a place for it. */
  facts: ModelFacts;
}

interface ModelFacts {
  run: string;
  model: string;
  dataset: string;
  seed: string;
  step: string;
  /** SHA-256 of the parameter vector's bytes, as in state.json. */
  weights_sha256: string;
  saf_version: string;
}

/** What a run directory says about one network. */
export interface ExportedRun {
  /** Name of its folder; of a run among several "folder/inner". */
  run: string;
  config: Config;
  network: Network;
  environment: Record<string, string>;
  /** Null while nothing was measured. */
  result: ModelResult | null;
  /** The weights that `result` is about, where that is known. */
  measured: { sha256: string | null; step: number | null };
  steps: readonly StepMetric[];
  /** Those that are still there, oldest first. */
  checkpoints: readonly CheckpointState[];
  /** When the run began, seconds since 1970. */
  startedSeconds: number;
  /** Outcomes per image; read when `--per-image` asks for them. */
  images: MeasuredImages | null;
}

export interface MeasuredImages {
  records: readonly TaskRecord[];
  /** True classes of the test set. */
  labels: Uint8Array;
}

export type FileContent = string | Uint8Array;

interface FormatOptions {
  /** One row an image instead of one a point. */
  perImage: boolean;
}

interface Format<Subject> {
  name: FormatName;
  /** Behind the name of the run where no `--out` is given: ".onnx", "-tfjs". */
  suffix: string;
  /** Has it rows per image? */
  perImage?: true;
  render(subject: Subject, options: FormatOptions): FileContent | Promise<FileContent>;
}

/** Files by their names in the folder. */
export type FolderContent = Record<string, FileContent>;

interface FolderFormat<Subject> extends Omit<Format<Subject>, "render"> {
  /** Files that it writes: what is in the way of a new export, and may be replaced. */
  owns: RegExp;
  render(subject: Subject): FolderContent;
}

/** A format is of a network's weights, or of what was measured of one or more; a file, or a folder of files. */
export type ExportFormat =
  | ({ of: "model"; makes: "file" } & Format<ExportedModel>)
  | ({ of: "model"; makes: "folder" } & FolderFormat<ExportedModel>)
  | ({ of: "runs"; makes: "file" } & Format<readonly ExportedRun[]>)
  | ({ of: "runs"; makes: "folder" } & FolderFormat<readonly ExportedRun[]>);
