/** Child of engine.test.ts: provisions into argv[2]; progress goes to stderr, the outcome to stdout as one line of JSON. */
import { provisionEngine } from "../../../deploy/setup/engine.js";
import { ClusterError } from "../../../shared/errors.js";

const cacheDir = process.argv[2]!;
const progress = (line: string): void => void process.stderr.write(`${line}\n`);
try {
  process.stdout.write(`${JSON.stringify(await provisionEngine({ cacheDir, progress }))}\n`);
} catch (error) {
  process.stderr.write(`${String(error)}\n`);
  process.exitCode = error instanceof ClusterError ? error.exitCode : 1;
}
