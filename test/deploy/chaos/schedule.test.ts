import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  COORDINATOR,
  FAULT_KINDS,
  type FaultKind,
  NATS_SERVER,
  RUN_DIRECTORY,
  type ScheduleSetting,
  drawSchedule,
} from "../../../deploy/chaos/core/schedule.js";

const setting: ScheduleSetting = {
  seed: 7,
  faults: 16,
  kinds: FAULT_KINDS,
  workers: ["worker-1", "worker-2", "worker-3"],
  steps: 200,
  longestMs: 5000,
};

const anySetting: fc.Arbitrary<ScheduleSetting> = fc.record({
  seed: fc.nat({ max: 4_294_967_295 }),
  faults: fc.integer({ min: 1, max: 200 }),
  kinds: fc.subarray([...FAULT_KINDS], { minLength: 1 }),
  workers: fc
    .integer({ min: 1, max: 8 })
    .map((count) => Array.from({ length: count }, (_, i) => `worker-${i + 1}`)),
  steps: fc.integer({ min: 1, max: 10_000 }),
  longestMs: fc.integer({ min: 100, max: 60_000 }),
});

test("the schedule follows from the seed alone, and another seed draws another one", () => {
  assert.deepEqual(drawSchedule(setting), drawSchedule({ ...setting }));
  assert.notDeepEqual(drawSchedule(setting), drawSchedule({ ...setting, seed: 8 }));
});

test("a schedule has as many faults as it should, in order, early enough to show that all is well again", () => {
  fc.assert(
    fc.property(anySetting, (drawn) => {
      const faults = drawSchedule(drawn);
      assert.equal(faults.length, drawn.faults);
      const last = Math.max(1, Math.floor(0.85 * drawn.steps));
      faults.forEach(({ atStep }, i) => {
        assert.ok(atStep >= 1 && atStep <= last);
        assert.ok(i === 0 || atStep >= (faults[i - 1]?.atStep ?? 0));
      });
    }),
  );
});

test("a fault fits its target and has the size of its kind", () => {
  fc.assert(
    fc.property(anySetting, (drawn) => {
      const processes = [...drawn.workers, COORDINATOR];
      for (const { kind, target, lastsMs, messages, phaseMs } of drawSchedule(drawn)) {
        if (kind === "disk-full") assert.equal(target, RUN_DIRECTORY);
        else if (kind === "kill" || kind === "stall") assert.ok([...processes, NATS_SERVER].includes(target));
        else assert.ok(processes.includes(target), `${kind} ${target}`);
        const lasting: readonly FaultKind[] = ["stall", "cut", "disk-full"];
        if (lasting.includes(kind)) assert.ok(lastsMs >= 100 && lastsMs <= drawn.longestMs);
        else assert.equal(lastsMs, 0);
        const counted: readonly FaultKind[] = ["drop", "duplicate", "corrupt"];
        assert.equal(messages > 0, counted.includes(kind));
        assert.ok(phaseMs >= 0 && phaseMs < 200);
      }
    }),
  );
});

test("every kind that was asked for comes before one comes twice, and no other does", () => {
  for (const kinds of [FAULT_KINDS, ["cut"], ["stall", "drop", "corrupt"]] as const) {
    const drawn = drawSchedule({ ...setting, kinds, faults: kinds.length });
    assert.deepEqual(drawn.map(({ kind }) => kind).sort(), [...kinds].sort());
  }
  assert.deepEqual(drawSchedule({ ...setting, kinds: [] }), []);
});

test("no process is killed so often that it is given up, however many kills are asked for", () => {
  fc.assert(
    fc.property(anySetting, (drawn) => {
      const kills = new Map<string, number>();
      for (const { kind, target } of drawSchedule({ ...drawn, kinds: ["kill"] }))
        if (kind === "kill") kills.set(target, (kills.get(target) ?? 0) + 1);
      assert.ok([...kills.values()].every((count) => count <= 4));
    }),
  );
});
