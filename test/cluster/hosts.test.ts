/** Workers that share memory among themselves and not with the coordinator, as on machines of their own. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { startCluster, testConfig } from "../support/cluster.js";
import { CountedRoute } from "../support/counted-route.js";
import { SEED, randomNumbers } from "../support/draws.js";
import { localWeightsSha256 } from "../support/reference-weights.js";

const LIMIT = { timeout: 180_000 };
const STEPS = 30;

test(
  "two hosts of two workers make the weights of one process, though a porter is killed",
  LIMIT,
  async (t) => {
    const below = randomNumbers(SEED);
    const pool = { shared_memory: false, hosts: 2 };
    const cluster = await startCluster(t, { workers: 4, pool });
    const step = 5 + below(15);
    // Only porters push: two of the four.
    await cluster.untilStep(step);
    const pushing = [...cluster.pushes].filter(([, push]) => push.step >= step - 1).map(([worker]) => worker);
    const victim = pushing[below(pushing.length)] as string;
    await cluster.untilPush(victim, step, 1 + below(3));
    t.diagnostic(
      `SAF_TEST_SEED=${SEED}: of ${pushing.join(", ")}, ${victim} is killed in step ${cluster.step}`,
    );
    cluster.signalWorker(victim, "SIGKILL");

    await cluster.trainedAndStopped();

    // A machine that is busy may keep one from its mate for longer than that waits.
    assert.ok(pushing.length < 4, `${pushing.join(", ")} pushed`);
    assert.deepEqual(cluster.checkpoint(), { step: STEPS, sha256: await localWeightsSha256(testConfig()) });
    const slots = cluster.ledger().map(({ blocks }) => blocks.flatMap((block) => block.slots));
    assert.ok(slots.every((each) => Math.min(...each) === 0 && Math.max(...each) === 4));
  },
);

/** What the workers send and receive in a step, once they have all they need. */
async function bytesOfStep(t: TestContext, workers: number): Promise<number> {
  let route: CountedRoute | undefined;
  const names = ["coordinator", ...Array.from({ length: workers }, (_, i) => `worker-${i + 1}`)];
  const cluster = await startCluster(t, {
    ...{ workers, isEmulated: true, pool: { shared_memory: false, hosts: 2, compute_ms: 60 } },
    route: async (serverUrl) => (route = await CountedRoute.to(serverUrl, names)),
  });
  await cluster.untilStep(6);
  const [first, before] = [cluster.step, route?.bytes("worker-") ?? NaN];
  await cluster.untilStep(26);
  const bytes = ((route?.bytes("worker-") ?? NaN) - before) / (cluster.step - first);
  await cluster.stop();
  t.diagnostic(`${workers} workers on 2 hosts: ${Math.round(bytes / 1000)} kB a step`);
  return bytes;
}

test("bytes grow with hosts, not with their workers", LIMIT, async (t) => {
  const single = await bytesOfStep(t, 2);
  const double = await bytesOfStep(t, 4);
  assert.ok(double < 1.1 * single, `two workers a host: ${double} bytes a step, one: ${single}`);
});
