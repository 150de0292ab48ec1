/** Child of the lock tests: takes a directory's lock, says so, and stays until it is killed. */
import { DirectoryLocks } from "../../../coordinator/io/directory-locks.js";
import { realProcesses } from "../../../coordinator/io/process-mark.js";
import { realClock } from "../../../shared/io/real-clock.js";

const [directory = ""] = process.argv.slice(2);
const onLost = (error: Error): never => {
  throw error;
};
await new DirectoryLocks({ clock: realClock, processes: realProcesses, wallClock: () => 0, onLost }).take(
  directory,
);
process.stdout.write("held\n");
