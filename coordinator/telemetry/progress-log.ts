/** Progress as log lines, for whoever follows a container's log: phases as they come, numbers every ten seconds. */
import { trialName } from "../../shared/trial-name.js";
import type { Log } from "../../shared/io/logger.js";
import type { Finished, Progress, ProgressEvent } from "../../shared/events.js";
import { type SweepMessage, type SweepProgress, sweepOf } from "../../shared/sweep-progress.js";

const EVERY_MS = 10_000;

export class ProgressLog {
  readonly #log: Log;
  readonly #clock: () => number;
  /** When something was said last, by run and phase. */
  readonly #saidMs = new Map<string, Map<string, number>>();

  constructor(log: Log, clock: () => number) {
    this.#log = log;
    this.#clock = clock;
  }

  take({ phase, progress, sweep, finished }: ProgressEvent): void {
    if (phase != null) {
      const { model, name, detail } = phase;
      this.#log("info", [name, detail].filter(Boolean).join(": "), runField(model));
    } else if (progress != null) this.#takeProgress(progress);
    else if (sweep != null) this.#takeSweep(sweep);
    else if (finished != null) this.#takeEnd(finished);
  }

  #takeEnd(finished: Finished): void {
    this.#saidMs.delete(finished.runId ?? "");
    if (finished.ok !== true) {
      this.#log("error", `Failed: ${finished.message ?? ""}`, {
        code: finished.code ?? "",
        exit_code: finished.exitCode ?? 1,
        ...(finished.hint ? { hint: finished.hint } : {}),
      });
    }
  }

  #takeProgress({ runId, model, phase, done, total, loss, accuracy, etaSeconds }: Progress): void {
    const said = this.#saidMs.get(runId ?? "") ?? new Map<string, number>();
    this.#saidMs.set(runId ?? "", said);
    const now = this.#clock();
    const isLast = done === total;
    if (!isLast && now - (said.get(phase ?? "") ?? -Infinity) < EVERY_MS) return;
    said.set(phase ?? "", now);
    const numbers =
      phase === "training"
        ? `, loss ${(loss ?? 0).toFixed(4)}, accuracy ${(100 * (accuracy ?? 0)).toFixed(1)} %`
        : "";
    const left = isLast || (etaSeconds ?? -1) < 0 ? "" : `, ${Math.round(etaSeconds ?? 0)} s left`;
    this.#log("info", `${phase} ${done} of ${total}${numbers}${left}`, runField(model));
  }

  /** A sweep that ends says so at once; it is not told again. */
  #takeSweep(sweep: SweepMessage): void {
    const [name, state] = [sweep.name ?? "", sweep.state ?? ""];
    const said = this.#saidMs.get(name) ?? new Map<string, number>();
    this.#saidMs.set(name, said);
    const now = this.#clock();
    if (now - (said.get(state) ?? -Infinity) < EVERY_MS) return;
    said.set(state, now);
    // Only now: its hundred trials are JSON each.
    this.#log("info", sweepWords(sweepOf(sweep)), { sweep: name });
  }
}

function sweepWords({ state, counts, planned, objectives, best, etaSeconds }: SweepProgress): string {
  const { running, waiting, done, stopped, failed } = counts;
  const over = done + stopped + failed;
  const [objective] = objectives;
  const [first] = best;
  const value = objective === undefined ? undefined : first?.metrics[objective.metric];
  return [
    `sweep ${state}: ${over}${planned === undefined ? "" : ` of ${planned}`} trials over`,
    `${running} running, ${waiting} waiting, ${failed} failed`,
    ...(value === undefined || first === undefined
      ? []
      : [
          `best ${objective?.metric} ${Number(value.toPrecision(4))} of ${trialName(first.number, first.id)}`,
        ]),
    ...(etaSeconds === undefined || state !== "running" ? [] : [`${Math.round(etaSeconds)} s left`]),
  ].join(", ");
}

function runField(model: string | null | undefined): Record<string, unknown> {
  return model == null || model === "" ? {} : { run: model };
}
