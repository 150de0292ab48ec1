/** Options that every command with a local cluster shares. */
import { type Command, InvalidArgumentError, Option } from "commander";
import { ENGINE_NAMES, type EngineName } from "../../shared/engine.js";
import { httpPort } from "./http-options.js";
import { type ListenPlace, listenOption } from "./listen-option.js";
import { addPoolOptions } from "./config-options.js";

const PROGRESS_MODES = ["auto", "bar", "plain", "json", "none"] as const;
export type ProgressMode = (typeof PROGRESS_MODES)[number];

/** What a local cluster is started with. */
export interface ClusterOptions {
  engine?: EngineName;
  computeMs?: string;
  natsServer?: string;
  workers?: number | "auto";
  poolFile?: string;
  listen?: ListenPlace;
  alone?: true;
}

export interface RunOptions extends ClusterOptions {
  json?: true;
  progress: ProgressMode;
  httpPort?: number;
  runs: string;
}

export function addRunOptions(command: Command): Command {
  return addClusterOptions(command)
    .option("--json", "print the results as one JSON document")
    .addOption(progressOption())
    .addOption(httpPort())
    .option("--runs <folder>", "where run directories are made", "runs");
}

export const progressOption = (): Option =>
  new Option("--progress <mode>", "how progress is shown").choices([...PROGRESS_MODES]).default("auto");

export function addClusterOptions(command: Command): Command {
  return addPoolOptions(command)
    .addOption(
      new Option("--engine <name>", "this engine or an error (also SAF_ENGINE)").choices([...ENGINE_NAMES]),
    )
    .option("--compute-ms <milliseconds>", "emulated engine: time that a slot takes; sets pool.compute_ms")
    .option("--nats-server <path>", "this nats-server program")
    .addOption(
      new Option("-w, --workers <count>", "worker processes, or auto: one per core").argParser(workerCount),
    )
    .addOption(listenOption("let other machines join this run here, and print the token").conflicts("alone"))
    .option("--alone", "use this machine only, even where saf up leads a pool of several");
}

export function workerCount(text: string): number | "auto" {
  if (text === "auto") return "auto";
  const count = Number(text);
  if (Number.isInteger(count) && count >= 1 && count <= 256) return count;
  throw new InvalidArgumentError("Expected a whole number from 1 to 256, or auto.");
}

/** A whole number from 1 on, as the value of an option. */
export function wholeNumber(text: string): number {
  const count = Number(text);
  if (Number.isInteger(count) && count >= 1) return count;
  throw new InvalidArgumentError("Expected a whole number, 1 or more.");
}
