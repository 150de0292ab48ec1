/** Runs a benchmark's cluster on the first of several machines; prints what it came to. Started by cluster-hosts.ts. */
import { type HostedOrder, runHosted } from "./cluster-hosts.js";

const order = JSON.parse(process.argv[2] ?? "") as HostedOrder;
const { measured } = await runHosted(order);
process.stdout.write(`${JSON.stringify(measured)}\n`);
