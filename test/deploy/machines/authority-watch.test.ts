import assert from "node:assert/strict";
import { test } from "node:test";
import { watchAuthority } from "../../../deploy/machines/authority-watch.js";
import { ClusterError } from "../../../shared/errors.js";
import { VirtualClock } from "../../support/virtual-clock.js";

const stranger = new ClusterError("dependency", "Cannot reach the pool", {
  hint: "the pool was begun anew (its token is another now), or somebody else answers there: nothing was said to it",
});
const silence = new ClusterError("dependency", "Cannot reach the pool", {
  hint: "does saf up --listen run there?",
});

test("a pool that was begun anew is told once to the machines that had joined; one that is down tells nothing", async () => {
  const clock = new VirtualClock();
  const notes: string[] = [];
  let answer: ClusterError | undefined;
  let looks = 0;
  const stop = watchAuthority({
    clock,
    onNote: (message) => notes.push(message),
    look() {
      looks++;
      return answer === undefined ? Promise.resolve() : Promise.reject(answer);
    },
  });
  for (const next of [undefined, silence, stranger, stranger, silence, stranger]) {
    answer = next;
    await clock.advance(30_000);
  }
  assert.equal(notes.length, 1);
  assert.match(notes[0] ?? "", /begun anew \(saf up --fresh\)[^]*join with the new token/);
  answer = undefined;
  await clock.advance(30_000);
  answer = stranger;
  await clock.advance(30_000);
  assert.equal(notes.length, 2, "it had come back in between");
  const before = looks;
  stop();
  await clock.advance(90_000);
  assert.equal(looks, before);
});
