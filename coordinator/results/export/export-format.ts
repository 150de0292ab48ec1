/** What every export format of a run is given, and what it gives back. Formats are one file each, listed in formats.ts. */
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
  /** What makes the network another than the paper's of that name, as JSON; undefined where nothing does. */
  network_settings?: string;
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

/** Files by their names in the folder. */
export type FolderContent = Record<string, FileContent>;

/**
 * Which files of a folder an earlier export wrote, so that a new one may replace them: by their names, or by their paths
 * in the folder and what else there is.
 */
export type Owns = RegExp | ((path: string, all: ReadonlySet<string>) => boolean);

/** Where an export goes: one file, or a folder of files. */
export type Target = { makes: "file" } | { makes: "folder"; owns: Owns };

/** What every format has, whatever it is of. */
export interface FormatBase<Name extends string> {
  name: Name;
  /** Behind the name of the run or sweep where no `--out` is given: ".onnx", "-tfjs". */
  suffix: string;
}

export interface FileFormat<Subject, Options, Name extends string> extends FormatBase<Name> {
  makes: "file";
  render(subject: Subject, options: Options): FileContent | Promise<FileContent>;
}

export interface FolderFormat<Subject, Name extends string> extends FormatBase<Name> {
  makes: "folder";
  owns: Owns;
  render(subject: Subject): FolderContent;
}

interface RunFormatOptions {
  /** One row an image instead of one a point. */
  perImage: boolean;
}

type RunFormat<Subject> =
  | (FileFormat<Subject, RunFormatOptions, FormatName> & {
      /** Has it rows per image? */
      perImage?: true;
    })
  | FolderFormat<Subject, FormatName>;

/** A format is of a network's weights, or of what was measured of one or more; of a sweep: sweep/sweep-format.ts. */
export type ExportFormat =
  ({ of: "model" } & RunFormat<ExportedModel>) | ({ of: "runs" } & RunFormat<readonly ExportedRun[]>);
