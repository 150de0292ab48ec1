/** `saf status`: what goes on: who is slow, what is waited for, why leases were taken away. */
import { Command, Option } from "commander";
import type { StatusFlags } from "./status.js";

export function statusCommand(): Command {
  return new Command("status")
    .description("show what goes on: who is slow, what is waited for, why leases were taken away")
    .argument("[run]", "run directory (default: all that go on in --runs)")
    .option("--runs <folder>", "where run directories are", "runs")
    .addOption(new Option("--url <address>", "ask the coordinator whose live page is here").conflicts("runs"))
    .addOption(
      new Option("--http-token-file <file>", "file with the token that the live page asks for").env(
        "SAF_HTTP_TOKEN_FILE",
      ),
    )
    .option("--watch", "draw it again every second, until the runs have ended")
    .addOption(
      new Option("--json", "print what the coordinators say as one JSON document").conflicts("watch"),
    )
    .action(async (run: string | undefined, options: StatusFlags) => {
      const { status } = await import("./status.js");
      const { orSweepIn } = await import("./sweep-place.js");
      await status(run === undefined ? undefined : orSweepIn(options.runs, run), options);
    });
}
