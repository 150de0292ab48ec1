/** NATS lets a worker publish only on its own subjects; here is what happens when the message then names another. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { EvaluationJob, planTasks } from "../../coordinator/evaluation/evaluation-job.js";
import { cleanMeasure } from "../../coordinator/evaluation/plan/procedures.js";
import { PROTOCOL_VERSION, type saf, wire, writeMessage, readMessage } from "../../shared/messages.js";
import { BookDesk } from "../support/book-desk.js";
import { handCoordinator } from "../support/hand-coordinator.js";
import { weightsAfter } from "../support/hand-worker.js";
import { hashOf } from "../../shared/io/hash.js";

const LIMIT = { timeout: 60_000 };
const STEPS = 3;

describe("a worker that speaks for another", () => {
  test(
    "cannot join, beat, give back or end a push in its name, is named once, and changes nothing",
    LIMIT,
    async (t) => {
      const cluster = await handCoordinator(t);
      const { subjects } = cluster;
      const victim = await cluster.joined("worker-1");
      const evil = cluster.bus("evil");
      const lease = await victim.lease();

      const join = writeMessage(wire.JoinRequest, {
        ...{ protocol: PROTOCOL_VERSION, workerId: "worker-1", engineName: "wasm", selfTestPassed: true },
        incarnation: victim.incarnation + 1,
      });
      const answer = readMessage(wire.JoinReply, await evil.request(subjects.join("evil"), join, 10_000));
      assert.deepEqual([answer?.accepted, answer?.reason], [false, 'it is "evil" and spoke for another']);

      const says = { workerId: "worker-1", incarnation: victim.incarnation, term: cluster.term };
      evil.publish(subjects.heartbeat("evil"), writeMessage(wire.Heartbeat, { ...says, leaseId: 999 }));
      for (const [leaving, failed] of [
        [true, false],
        [false, true],
      ] as const) {
        const back = { ...says, leaseId: lease.leaseId, leaving, failed, reason: "forged" };
        evil.publish(subjects.lease("evil"), writeMessage(wire.LeaseReturn, back));
      }
      const end = {
        ...{ workerId: "worker-1", runId: cluster.hand.runId, term: cluster.term, step: lease.step },
        ...{ leaseId: lease.leaseId, node: 1, attempt: lease.attempt },
      };
      evil.publish(subjects.push("evil"), writeMessage(wire.PushEnd, end));
      const result = { ...says, runId: cluster.hand.runId, taskId: "t", leaseId: lease.leaseId };
      evil.publish(subjects.result("evil"), writeMessage(wire.TaskResult, result));
      // Gradients carry no name: they are the subject's, and nothing was leased to that one.
      for (const frame of victim.rightFrames(lease)) evil.publish(subjects.gradient(0, "evil"), frame);
      await evil.flush();

      // The block is summed when its last chunk is there; whether the step is still open at the push's end is chance.
      const { status } = await victim.serve(lease);
      assert.ok([wire.PushReply.Status.OK, wire.PushReply.Status.STALE].includes(status));
      await victim.serveUntil(STEPS);
      await cluster.trained;
      assert.equal(hashOf(cluster.job.snapshot().parameters), hashOf(weightsAfter(cluster.hand, STEPS)));
      assert.deepEqual(await cluster.counted("saf_leases_total"), { done: STEPS });
      const named = cluster.log.filter((line) => line.includes("spoke for another"));
      assert.equal(named.length, 2, named.join("\n")); // at the door, and once for all the rest
      assert.match(named.join("\n"), /Refused worker worker-1: it is "evil"/);
      assert.match(named.join("\n"), /Worker evil spoke for another: .*\.evil named "worker-1"/);
      assert.ok(Object.keys(await cluster.counted("saf_gradients_received_total")).includes("node"));
    },
  );

  test("cannot hand in the result, or the failure, of an evaluation task it was not leased", () => {
    const subject = { checkpoint: "a", dataset: "b", seed: 1, testImages: 10 };
    const tasks = planTasks(subject, [cleanMeasure(10)]);
    const failures: Error[] = [];
    const desk = new BookDesk();
    const job = new EvaluationJob(
      {
        runId: "run",
        spec: {},
        term: 1,
        version: 1,
        parameters: new Float32Array(8),
        tasks,
        outputs: 10,
        image: { height: 1, width: 1, channels: 1 },
        labelOf: () => 0,
      },
      {
        clock: () => 0,
        onRecord: () => assert.fail("it counted"),
        fail: (e) => failures.push(e),
      },
      desk.desk,
    );
    desk.add(job);
    desk.join("worker-1");
    const [lease] = desk.leases;
    assert.ok(lease);
    for (let i = 0; i < 30; i++) {
      const told = { taskId: lease.unit.id, workerId: "evil", error: { message: "forged" } };
      const verdict = job.onResult(told as unknown as saf.v1.TaskResult);
      const { reply, settled } = verdict;
      assert.deepEqual([reply.reason, settled?.outcome], ["this task was not leased to you", "refused"]);
      desk.conclude(job, "evil", verdict);
    }
    assert.equal(desk.leases.length, 1);
    assert.deepEqual(failures, []);
  });
});
