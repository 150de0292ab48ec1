/** The `saf` program. */
import { CommanderError } from "commander";
import { ClusterError } from "../../shared/errors.js";
import { checkWorkingFolder } from "../local/places.js";
import { outliveReaders, reportError } from "./output.js";
import { createProgram } from "./program.js";
import { keepHangupIgnored } from "./signals.js";

outliveReaders();
keepHangupIgnored();
try {
  checkWorkingFolder();
  await createProgram().parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? 0 : new ClusterError("usage", error.message).exitCode;
  } else
    reportError(error, { debug: process.argv.includes("--debug"), json: process.argv.includes("--json") });
}
