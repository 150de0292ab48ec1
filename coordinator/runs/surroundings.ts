/** What a run finds outside its own directory: images, other networks, and other runs. */
import type { NetworkSettings } from "../../shared/config/network.js";
import type { Config } from "../../shared/config/run.js";
import type { saf } from "../../shared/messages.js";
import type { NotMeasured } from "../../shared/results.js";
import type { ForeignPictures } from "../evaluation/plan/modern-procedure.js";

/** The data set of a run. */
export interface RunData {
  readonly dataset: {
    readonly name: string;
    readonly train: { readonly labels: Uint8Array };
    readonly test: { readonly labels: Uint8Array };
  };
  /** Of everything in it. */
  readonly sha256: string;
  /** The parts that workers fetch. */
  manifest(): saf.v1.DataManifest.$Properties;
}

/** What workers pull by its hash. */
export interface Shelf {
  /** The data set of these settings. Throws ClusterError("data"). */
  dataset(setting: Config["data"]): Promise<RunData>;
  /** Serves these bytes until all their holders let go; returns their SHA-256. */
  hold(bytes: Uint8Array, holder: string): string;
  letGo(holder: string): void;
}

/** A place as the settings name it. */
export interface SourcePlace {
  path: string;
  /** Said behind a colon. */
  model: string | undefined;
  isRun: boolean;
}

/** The second network of a transfer attack. */
export interface TransferSource {
  /** Of the run, or of the file's model. */
  name: string;
  model: string;
  /** Those of its network, where it is not the paper's of that name. */
  settings?: NetworkSettings | undefined;
  parameters: Float32Array;
  weights_sha256: string;
}

/** Other networks and images, wherever they lie. coordinator/io looks on the disk. */
export interface Surroundings {
  /**
   * The second network that the settings of the run in `runDirectory` name by `text`. `isExpected`: directories of runs
   * that need not be there yet. Throws ClusterError("data").
   */
  findSource(text: string, runDirectory: string, isExpected: (path: string) => boolean): Promise<SourcePlace>;
  /** Throws ClusterError: "config", "data", "shape-mismatch". */
  readSource(place: SourcePlace, dataset: string): Promise<TransferSource>;
  /** Images of the other data sets that are here, put on the shelf, and why the others are not. */
  foreignImages(
    own: string,
    shape: { height: number; width: number; channels: number },
    holder: string,
  ): Promise<{ found: ForeignPictures[]; missing: NotMeasured[] }>;
}

/** A run of the same coordinator: its weights are yet to come, final, or it ended without them. */
export type Neighbour = "coming" | "trained" | "lost";
