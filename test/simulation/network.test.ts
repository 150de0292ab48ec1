/** The simulated broker passes what every bus must, with its clock tied to the real one and no faults. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { busContract, type World } from "../contract/bus.contract.js";
import { Draws } from "./draws.js";
import { FaultCounts, type MessageFault } from "./faults.js";
import { SimulatedBroker } from "./network.js";
import { type Owner, Scheduler } from "./scheduler.js";

function brokerOf(isSlow: boolean): { broker: SimulatedBroker; scheduler: Scheduler; owner: Owner } {
  const scheduler = new Scheduler(new Draws(1, "schedule"));
  const broker = new SimulatedBroker({
    ...{ scheduler, draws: new Draws(1, "network"), counts: new FaultCounts(), isSlow },
  });
  return { broker, scheduler, owner: { name: "process", alive: true, frozenUntilMs: 0 } };
}

const { broker, scheduler, owner } = brokerOf(true);
const began = performance.now();
let isOver = false;
const untilOver = async (): Promise<void> => {
  while (!isOver) {
    await scheduler.run(performance.now() - began, () => isOver);
    await new Promise((resolve) => setImmediate(resolve));
  }
};
const driven = untilOver();
after(async () => {
  isOver = true;
  await driven;
});

const world: World = {
  connect: () => Promise.resolve(broker.connect(owner)),
  interrupt: () => Promise.resolve(broker.interrupt()),
  restore: () => Promise.resolve(broker.restore()),
};
busContract("simulated", () => world, "");

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

async function deliveredUnder(faults: MessageFault[], count = 200): Promise<string[]> {
  const simulated = brokerOf(true);
  simulated.broker.faults = faults;
  const [sender, receiver] = [
    simulated.broker.connect(simulated.owner),
    simulated.broker.connect(simulated.owner),
  ];
  const found: string[] = [];
  receiver.subscribe("saf.v1.pool.grad.0.w", ({ data }) => found.push(new TextDecoder().decode(data)));
  await simulated.scheduler.run(10, () => false);
  for (let i = 0; i < count; i++) sender.publish("saf.v1.pool.grad.0.w", encode(String(i)));
  await simulated.scheduler.run(10_000, () => false);
  return found;
}

const fault = (kind: MessageFault["kind"], probability: number): MessageFault => ({
  ...{ kind, probability, who: "*", traffic: "all", fromMs: 0, untilMs: 10_000, maxMs: 50 },
});
const inOrder = Array.from({ length: 200 }, (_, i) => String(i));

test("without faults, and under delays, everything arrives once and in order", async () => {
  assert.deepEqual(await deliveredUnder([]), inOrder);
  assert.deepEqual(await deliveredUnder([fault("delay", 0.5)]), inOrder);
});

test("drops lose, duplicates double, reorders mix, corruption spoils", async () => {
  const dropped = await deliveredUnder([fault("drop", 0.2)]);
  assert.ok(dropped.length > 50 && dropped.length < 200, `${dropped.length}`);
  const doubled = await deliveredUnder([fault("duplicate", 0.2)]);
  assert.ok(doubled.length > 200 && new Set(doubled).size === 200, `${doubled.length}`);
  const mixed = await deliveredUnder([fault("reorder", 0.2)]);
  assert.notDeepEqual(mixed, inOrder);
  assert.deepEqual(new Set(mixed), new Set(inOrder));
  const spoilt = await deliveredUnder([fault("corrupt", 0.2)]);
  assert.equal(spoilt.length, 200);
  assert.notDeepEqual(spoilt, inOrder);
});

test("a seed decides everything", async () => {
  const faults = [fault("drop", 0.1), fault("reorder", 0.3), fault("duplicate", 0.1)];
  assert.deepEqual(await deliveredUnder(faults), await deliveredUnder(faults));
});
