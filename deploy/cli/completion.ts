/** `saf completion bash | zsh | fish`: a script that completes commands, options and their values. */
import { Argument, Command } from "commander";
import { poolSchema } from "../../shared/config/pool.js";
import { configSchema } from "../../shared/config/run.js";
import { SHELLS, completionScript, type Shell } from "./completion-scripts.js";
import { commandNodes } from "./completion-tree.js";
import { settingPaths } from "./config-schema.js";
import { POOL_PREFIX } from "./misplaced-settings.js";
import { printResult } from "./output.js";

/** The tree is read when the command runs, so it does not matter what is added to `program` afterwards. */
export function completionCommand(program: Command): Command {
  return new Command("completion")
    .description("print a completion script for a shell")
    .addArgument(new Argument("<shell>", "which shell").choices(SHELLS))
    .addHelpText("after", `\nTry it:  eval "$(${program.name()} completion bash)"`)
    .action((shell: Shell) => {
      const paths = [
        ...settingPaths(configSchema),
        ...settingPaths(poolSchema).map((path) => POOL_PREFIX + path),
      ];
      const settings = paths.map((path) => `${path}=`);
      printResult(completionScript(shell, program.name(), commandNodes(program, { "--set": settings })));
    });
}
