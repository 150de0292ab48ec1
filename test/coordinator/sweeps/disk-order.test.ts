import assert from "node:assert/strict";
import { test } from "node:test";
import { DiskOrder } from "../../../coordinator/sweeps/disk-order.js";
import type { SweepLine } from "../../../shared/records/sweep-line.js";

const line = (trial: string): SweepLine => ({ kind: "retry", trial, time: 0 });

/** A disk that writes down what reaches it, in its order. */
class Disk {
  readonly events: string[] = [];
  refusal: unknown;
  /** Takes part in the next flush. */
  isFull = false;
  readonly order = new DiskOrder({
    append: (lines) => this.events.push(...lines.map((each) => ("trial" in each ? each.trial : each.kind))),
    flush: () => {
      this.events.push("flush");
      return this.isFull ? Promise.reject(new Error("ENOSPC")) : Promise.resolve();
    },
    onRefused: (error) => (this.refusal = error),
  });

  doing(what: string): () => Promise<void> {
    return () => {
      this.events.push(what);
      return Promise.resolve();
    };
  }
}

test("what a line speaks of is safe before the line, and no later line overtakes it", async () => {
  const disk = new Disk();
  const { order, events } = disk;
  let release = (): void => undefined;
  const held = new Promise<void>((resolve) => (release = resolve));
  order.write([line("before")]);
  order.write([line("done")], async () => {
    await held;
    events.push("weights of done");
  });
  order.write([line("behind")]);
  await Promise.resolve();
  assert.deepEqual(events, ["before"], "nothing is said while the weights are not safe");
  release();
  await order.settled();
  order.write([line("later")]);
  assert.deepEqual(events, ["before", "weights of done", "done", "behind", "later"]);
  assert.equal(disk.refusal, undefined);
});

test("what is wanted no more goes when the lines that say so are safe; many at once cost one flush", async () => {
  const disk = new Disk();
  disk.order.write([line("a")], disk.doing("weights of a"));
  disk.order.remove(disk.doing("- state of a"));
  disk.order.write([line("b")]);
  disk.order.remove(disk.doing("- state of b"));
  disk.order.remove(disk.doing("- state of c"));
  await disk.order.settled();
  const { events } = disk;
  for (const trial of ["a", "b"]) {
    const flushed = events.indexOf("flush", events.indexOf(trial));
    assert.ok(events.includes(trial) && flushed >= 0, events.join());
    assert.ok(events.indexOf(`- state of ${trial}`) > flushed, events.join());
  }
  assert.ok(events.indexOf("- state of c") > events.indexOf("- state of b"), events.join());
  assert.equal(events.filter((event) => event === "flush").length, 2, events.join());
});

test("a disk that refuses the weights gets neither the line that speaks of them nor any behind it", async () => {
  const disk = new Disk();
  disk.order.write([line("a")], () => Promise.reject(new Error("ENOSPC")));
  disk.order.write([line("b")]);
  disk.order.remove(disk.doing("- state of a"));
  await disk.order.settled();
  disk.order.write([line("c")]);
  await disk.order.settled();
  assert.deepEqual(disk.events, []);
  assert.match(String(disk.refusal), /ENOSPC/);
});

test("a journal that cannot be written keeps what its lines would have let go", async () => {
  const disk = new Disk();
  disk.isFull = true;
  disk.order.write([line("a")]);
  disk.order.remove(disk.doing("- state of a"));
  await disk.order.settled();
  disk.order.write([line("b")]);
  assert.deepEqual(disk.events, ["a", "flush"]);
  assert.match(String(disk.refusal), /ENOSPC/);
});
