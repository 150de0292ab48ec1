/** Entry of the probe's child process: `node probe-engine.js <engine>` prints one line of JSON and exits. */
import { REAL_ENGINES, type RealEngine } from "../../shared/engine.js";
import { measureSpeed } from "../../worker/engine/speed-probe.js";
import { startPrograms } from "../../worker/engine/start.js";
import type { ProbeReport } from "./probe.js";

function isRealEngine(name: string | undefined): name is RealEngine {
  return REAL_ENGINES.some((known) => known === name);
}

async function probe(name: RealEngine): Promise<ProbeReport | { error: string }> {
  try {
    const programs = await startPrograms(name);
    const selfTest = programs.selfTest();
    const samplesPerSecond = selfTest.passed ? Math.round(measureSpeed(programs).samplesPerSecond) : 0;
    return { info: programs.info, selfTest, samplesPerSecond };
  } catch (error) {
    return { error: (error instanceof Error ? error.message : String(error)).replaceAll("\n", " ") };
  }
}

const name = process.argv[2];
const answer = isRealEngine(name) ? await probe(name) : { error: `there is no engine "${name ?? ""}"` };
// A failed check has the error Infinity, which JSON writes as null.
process.stdout.write(`${JSON.stringify(answer)}\n`, () => process.exit(0));
