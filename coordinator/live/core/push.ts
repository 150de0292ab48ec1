/** What viewers are sent: one snapshot, then what changed since. A curve's new points alone, where the old ones stand. */
import type {
  ClusterView,
  CurveView,
  EventView,
  RunView,
  SeriesView,
  SweepView,
  TakenView,
  WaitView,
  WorkerView,
} from "./views.js";

export interface Snapshot {
  type: "snapshot";
  cluster: ClusterView;
  runs: RunView[];
  /** By run name. */
  curves: Record<string, CurveView>;
  series: Record<string, SeriesView[]>;
  sweeps: SweepView[];
  workers: WorkerView[];
  waits: WaitView[];
  /** The newest first. */
  taken: TakenView[];
  events: EventView[];
}

export interface Delta {
  type: "delta";
  cluster?: ClusterView;
  /** Those that changed. */
  runs?: RunView[];
  /** Names of runs that are shown no longer. */
  gone?: string[];
  curves?: Record<string, CurveChange>;
  /** Runs whose series are forgotten, before those that follow are put in. */
  cleared?: string[];
  /** Each series that changed. */
  series?: Record<string, SeriesView[]>;
  /** Those that something happened in. */
  sweeps?: SweepChange[];
  /** Names of sweeps that are shown no longer. */
  gone_sweeps?: string[];
  /** All of them, when one changed. */
  workers?: WorkerView[];
  waits?: WaitView[];
  taken?: TakenView[];
  /** New ones. */
  events?: EventView[];
}

/** Points to put in from index `from` on, in place of what stands there. */
export interface CurveChange extends Omit<CurveView, "test"> {
  from: number;
  /** All of them, when one is new. */
  test?: CurveView["test"];
}

/** Without the table of the best where that is the same. */
export type SweepChange = Omit<SweepView, "best"> & Partial<Pick<SweepView, "best">>;
