/** Runs a benchmark's cluster on the first of several machines; prints what it came to. Started by cluster-hosts.ts. */
import { exitCodeOf, wordsOf } from "../../shared/errors.js";
import { type HostedOrder, runHosted } from "./cluster-hosts.js";

const order = JSON.parse(process.argv[2] ?? "") as HostedOrder;
try {
  const { measured } = await runHosted(order);
  process.stdout.write(`${JSON.stringify(measured)}\n`);
} catch (error) {
  process.stderr.write(`${wordsOf(error)}\n`);
  process.exitCode = exitCodeOf(error);
}
