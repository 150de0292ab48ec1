/** `saf completion bash | zsh | fish`: a script that completes commands, options and their values. */
import { Argument, Command } from "commander";
import { SHELLS, completionScript, type Shell } from "./completion-scripts.js";
import { commandNodes } from "./completion-tree.js";
import { printResult } from "./output.js";

/** The tree is read when the command runs, so it does not matter what is added to `program` afterwards. */
export function completionCommand(program: Command): Command {
  return new Command("completion")
    .description("print a completion script for a shell")
    .addArgument(new Argument("<shell>", "which shell").choices(SHELLS))
    .addHelpText("after", `\nTry it:  eval "$(${program.name()} completion bash)"`)
    .action(async (shell: Shell) => {
      const { assignableSettings } = await import("./pool-options.js");
      const settings = assignableSettings().map((path) => `${path}=`);
      printResult(completionScript(shell, program.name(), commandNodes(program, { "--set": settings })));
    });
}
