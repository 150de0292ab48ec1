/** `saf reproduce`: what the paper shows, again. */
import { Command } from "commander";
import { theoryCommand } from "./reproduce-theory-command.js";

export function reproduceCommand(): Command {
  return new Command("reproduce")
    .description("measure again what the paper claims")
    .addCommand(theoryCommand());
}
