/** Entry of the probe's child process: `node probe-engine.js <engine>` prints one line of JSON and exits. */
import { REAL_ENGINES, type RealEngine } from "../../shared/engine.js";
import { startEngine } from "../../worker/engine/eager/backend.js";
import { runSelfTest } from "../../worker/engine/eager/self-test.js";
import { measureSpeed } from "../../worker/engine/eager/speed-probe.js";
import type { ProbeReport } from "./probe.js";

function isRealEngine(name: string | undefined): name is RealEngine {
  return REAL_ENGINES.some((known) => known === name);
}

async function probe(name: RealEngine): Promise<ProbeReport | { error: string }> {
  try {
    const { tf, info } = await startEngine(name);
    const selfTest = runSelfTest(tf);
    const samplesPerSecond = selfTest.passed ? Math.round(measureSpeed(tf).samplesPerSecond) : 0;
    return { info, selfTest, samplesPerSecond };
  } catch (error) {
    return { error: (error instanceof Error ? error.message : String(error)).replaceAll("\n", " ") };
  }
}

const name = process.argv[2];
const answer = isRealEngine(name) ? await probe(name) : { error: `there is no engine "${name ?? ""}"` };
// A failed check has the error Infinity, which JSON writes as null.
process.stdout.write(`${JSON.stringify(answer)}\n`, () => process.exit(0));
