/** What the coordinator tells of its runs, overheard: its metrics and its events are where the simulation learns of them. */
import { EventPublisher } from "../../coordinator/telemetry/events.js";
import { type RunTelemetry, Telemetry } from "../../coordinator/telemetry/telemetry.js";
import type { Bus } from "../../shared/bus.js";
import type { Clock } from "../../shared/clock.js";
import type { Config } from "../../shared/config/run.js";
import type { LiveEvent } from "../../shared/events.js";
import { Metrics } from "../../shared/io/metrics-registry.js";
import type { Subjects } from "../../shared/subjects.js";
import type { Witness } from "./watch.js";

/** One for all worlds: a registry watches its process, which worlds share. Nobody scrapes, so nothing is kept. */
class NoMetrics extends Metrics {
  override add(): void {}
  override set(): void {}
  override observe(): void {}
  override remove(): void {}
  override onScrape(): void {}
  override tally(): () => void {
    return () => undefined;
  }
  override removeAll(): Promise<void> {
    return Promise.resolve();
  }
}
const NO_METRICS = new NoMetrics("coordinator", "simulated");

export interface Overheard {
  clock: Clock;
  wallClock: () => number;
  witness: Witness;
  note: (text: string) => void;
}

export class OverheardTelemetry extends Telemetry {
  readonly #by: Overheard;
  readonly #known = new Set<RunTelemetry>();

  constructor(by: Overheard) {
    super({
      metrics: NO_METRICS,
      clock: () => by.clock.now(),
      wallClock: by.wallClock,
      log: () => undefined,
    });
    this.#by = by;
  }

  override run(runId: string, config: Config): RunTelemetry {
    const run = super.run(runId, config);
    if (!this.#known.has(run)) this.#overhear(runId, run);
    this.#known.add(run);
    return run;
  }

  #overhear(runId: string, run: RunTelemetry): void {
    const { witness, note } = this.#by;
    run.committed = (step) => {
      note(`${runId} commits step ${step.step}`);
      witness.commit(runId, step);
    };
    run.checkpoint = (outcome) => {
      note(`${runId}: checkpoint ${outcome}`);
      if (outcome === "written") witness.checkpointWritten(runId);
    };
    run.measured = (record) => witness.task(runId, record);
  }
}

export function overheardEvents(
  bus: Bus,
  subjects: Subjects,
  { clock, wallClock, witness, note }: Overheard,
): EventPublisher {
  const hear = ({ opened, note: said, phase, finished }: LiveEvent): void => {
    if (opened !== undefined) witness.opened(opened.runId, opened.done);
    if (said) note(`${said.level}: ${said.message}`);
    if (phase) note(`${phase.runId ?? ""} ${phase.name}: ${phase.detail}`);
    if (finished?.runId && finished.code === "diverged") witness.diverged(finished.runId);
    if (finished?.runId && finished.ok === true) witness.ended(finished.runId);
  };
  return new EventPublisher(bus, subjects, () => clock.now(), wallClock, hear);
}
