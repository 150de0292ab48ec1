import assert from "node:assert/strict";
import { trialName } from "../../../shared/trial-name.js";
import { test } from "node:test";
import { limitWords } from "../../../coordinator/sweeps/limit-words.js";
import type { Segment } from "../../../coordinator/sweeps/segment.js";
import { type TrialRow, ownSamples } from "../../../shared/records/sweep-line.js";
import { ASHA, BATCH, Played, failure, listOf, outcomeOf, replayed, spaceFrom } from "./support.js";

/** The higher its number, the better a trial. */
const byNumber = (segment: Segment) => outcomeOf(segment, { clean: segment.number / 100 });
const states = (rows: readonly TrialRow[]) => rows.map(({ state }) => state);

test("without early stopping each trial has one rung, and is done behind it", () => {
  const played = new Played(spaceFrom(listOf(4)));
  played.toTheEnd(byNumber);
  assert.deepEqual(
    played.segments.map(({ number, attempt, rung, last }) => [number, attempt, rung, last]),
    [
      [0, 1, 0, true],
      [1, 1, 0, true],
      [2, 1, 0, true],
      [3, 1, 0, true],
    ],
  );
  assert.deepEqual(states(played.book.rows()), ["done", "done", "done", "done"]);
  assert.deepEqual(
    played.book.best(2).map(({ number }) => number),
    [3, 2],
  );
  assert.deepEqual(
    played.lines.map(({ kind }) => kind),
    ["opened", ...Array<string[]>(4).fill(["trial", "result"]).flat()],
  );
});

test("with successive halving the best trials go on to the end, and each stop has its reason", () => {
  const played = new Played(spaceFrom({ ...listOf(9), stopping: ASHA }));
  // Trial 2 is the best, then 0, 4, 6.
  const qualities = [0.8, 0.1, 0.9, 0.2, 0.7, 0.3, 0.6, 0.4, 0.5];
  played.toTheEnd((segment) => outcomeOf(segment, { clean: qualities[segment.number] ?? 0 }));
  const rows = played.book.rows();
  assert.deepEqual(
    rows.filter(({ state }) => state === "done").map(({ number }) => number),
    [2],
  );
  assert.equal(played.book.counts().stopped, 8);
  assert.ok(
    rows.every(({ state, reason }) => state === "done" || /at rung \d/.test(reason ?? "")),
    "reasons",
  );
  const trained = played.book.summary().samplesSeen;
  assert.ok(trained < (9 * 270 * 64) / 4, `${trained} samples`);
  const settings = played.segments.map(({ config, rung }) => [rung, config.train.max_steps]);
  assert.ok(
    settings.every(([rung = 0, steps]) => steps === 10 * 3 ** rung),
    JSON.stringify(settings),
  );
  assert.deepEqual(played.book.rungCounts(), [
    { rung: 0, samples: 640, count: 6 },
    { rung: 1, samples: 1920, count: 2 },
    { rung: 2, samples: 5760, count: 0 },
    { rung: 3, samples: 17_280, count: 1 },
  ]);
});

test("promotions come before new trials, and what was interrupted before both", () => {
  const played = new Played(spaceFrom({ ...listOf(20), stopping: ASHA }));
  const first = [played.take(), played.take(), played.take(), played.take()] as Segment[];
  for (const segment of first.slice(0, 3)) played.end(segment, byNumber(segment));
  played.book.returned(first[3] as Segment);
  assert.deepEqual([played.take()?.number, played.take()?.number, played.take()?.number], [3, 2, 4]);
});

test("a trial that fails is tried again, and after its last attempt has failed with the reason", () => {
  const played = new Played(spaceFrom({ ...listOf(2), trial: { attempts: 2 } }));
  const [first, second] = [played.take(), played.take()] as [Segment, Segment];
  assert.deepEqual(
    played.end(first, failure()).map((line) => line.kind === "failed" && line.final),
    [false],
  );
  assert.equal(played.book.row(first.trial)?.reason, "the worker is gone");
  const again = played.take() as Segment;
  assert.deepEqual([again.number, again.attempt], [0, 2]);
  assert.deepEqual(played.end(first, byNumber(first)), [], "the first attempt's late result counts nothing");
  played.end(again, failure("timeout"));
  assert.deepEqual(states(played.book.rows()), ["failed", "running"]);
  assert.equal(played.take(), undefined);
  played.end(second, byNumber(second));
  assert.deepEqual(states(played.book.rows()), ["failed", "done"]);
  assert.equal(played.book.take(2000).kind, "none");
});

test("what would fail again in the same way is not tried again by itself", () => {
  const played = new Played(spaceFrom({ ...listOf(1), trial: { attempts: 5 } }));
  played.end(played.take() as Segment, failure("diverged"));
  assert.deepEqual(states(played.book.rows()), ["failed"]);
});

test("failed trials that are told to try again get new attempts", () => {
  const played = new Played(spaceFrom({ ...listOf(3), trial: { attempts: 1 } }));
  played.toTheEnd((segment) => (segment.number === 1 ? failure() : byNumber(segment)));
  assert.deepEqual(states(played.book.rows()), ["done", "failed", "done"]);
  const lines = played.book.retry("failed", 3000);
  assert.deepEqual(
    lines.map(({ kind }) => kind),
    ["retry"],
  );
  assert.deepEqual(played.book.retry("failed", 3000), []);
  const again = played.take() as Segment;
  assert.deepEqual([again.number, again.attempt], [1, 2]);
  played.end(again, byNumber(again));
  assert.deepEqual(states(played.book.rows()), ["done", "done", "done"]);
  assert.equal(
    replayed(spaceFrom(listOf(3)), played.lines).refused.length,
    1,
    "the retry was not in the journal",
  );
  assert.deepEqual(
    replayed(spaceFrom(listOf(3)), [...played.lines.slice(0, -1), ...lines, ...played.lines.slice(-1)])
      .refused,
    [],
  );
});

test("a trial that fails at a high rung takes nobody's place", () => {
  const played = new Played(spaceFrom({ ...listOf(9), stopping: ASHA, trial: { attempts: 1 } }));
  played.toTheEnd((segment) => (segment.number === 8 && segment.rung === 1 ? failure() : byNumber(segment)));
  const rows = played.book.rows();
  assert.equal(rows[8]?.state, "failed");
  assert.equal(rows[7]?.state, "done");
});

test("a result counts once: other attempts, other rungs and unknown trials are refused", () => {
  const space = spaceFrom({ ...listOf(3), stopping: ASHA });
  const played = new Played(space);
  const segment = played.take() as Segment;
  const [result] = played.end(segment, byNumber(segment));
  assert.ok(result?.kind === "result");
  const { book } = replayed(space, played.lines);
  assert.match(book.apply(result) ?? "", /is waiting, not running/);
  assert.match(book.apply({ ...result, trial: "nobody" }) ?? "", /there is no trial nobody/);
  const running = replayed(space, played.lines.slice(0, 2)).book;
  assert.match(running.apply({ ...result, attempt: 2 }) ?? "", /is at attempt 1, not 2/);
  assert.match(running.apply({ ...result, rung: 1 }) ?? "", /is before rung 0, not 1/);
  assert.equal(running.summary().samplesSeen, 0, "what is refused changes nothing");
  assert.equal(running.apply(result), undefined);
});

test("a metric that is no number loses, and is not written", () => {
  const played = new Played(spaceFrom({ ...listOf(6), stopping: ASHA }));
  played.toTheEnd((segment) =>
    segment.number === 5 ? outcomeOf(segment, { clean: NaN }) : byNumber(segment),
  );
  const row = played.book.rows()[5];
  assert.deepEqual([row?.state, row?.metrics], ["stopped", {}]);
  assert.equal(played.book.rows()[4]?.state, "done");
});

test("a cancelled sweep begins nothing, until it is resumed", () => {
  const played = new Played(spaceFrom(listOf(3)));
  const segment = played.take() as Segment;
  assert.equal(played.book.cancel(2000).length, 1);
  assert.equal(played.book.take(2001).kind, "wait");
  played.end(segment, byNumber(segment));
  assert.equal(played.book.take(2002).kind, "none");
  assert.equal(played.book.resume(2003).length, 1);
  assert.equal(played.book.take(2004).kind, "begin");
});

test("limits of trials, samples and hours hold for new trials; what has begun goes on", () => {
  const made = (limits: object, spec: object = {}): Played => {
    const played = new Played(spaceFrom({ limits, ...spec }));
    played.toTheEnd(byNumber);
    return played;
  };
  assert.equal(made({ trials: 5 }).book.summary().created, 5);
  assert.equal(made({ trials: 5 }).book.summary().planned, 5);
  // Each trial sees 640 images here.
  assert.equal(made({ trials: 50, samples: 6 * 640 }).book.summary().created, 6);
  // Each trial takes two seconds.
  const { created } = made({ trials: 50, hours: 20 / 3600 }).book.summary();
  assert.ok(created >= 9 && created <= 11, `${created} trials`);
  const halved = made({ trials: 50, samples: 9 * 640 }, { stopping: ASHA });
  assert.equal(halved.book.counts().done, 1, "the best still comes to its end");
});

test("a limit of images counts what trials under way will see, and is named while it holds the search", () => {
  const played = new Played(spaceFrom({ limits: { trials: 50, samples: 5 * 270 * BATCH } }));
  const first = Array.from({ length: 7 }, () => played.take()).filter((segment) => segment !== undefined);
  assert.equal(first.length, 5, "as many at once as one after another");
  assert.equal(played.book.take(2000).kind, "wait");
  for (const [i, segment] of first.entries())
    played.end(segment, i === 0 ? failure("diverged") : outcomeOf(segment, { clean: 0.5 }, 270 * BATCH));
  const instead = played.take();
  assert.ok(instead, "one failed: another may begin");
  played.end(instead, outcomeOf(instead, { clean: 0.5 }, 270 * BATCH));
  assert.equal(played.take(), undefined);
  assert.equal(played.book.heldBy(played.timeS), "samples");
  const { book } = replayed(spaceFrom({ limits: { trials: 50, samples: 5 * 270 * BATCH } }), played.lines);
  assert.equal(book.heldBy(played.timeS), "samples");
});

test("no limit is named where the search has ended by itself", () => {
  const limits = { hours: 1 };
  const played = new Played(spaceFrom({ ...listOf(2), limits }));
  assert.equal(played.book.heldBy(played.timeS + 7200), "hours");
  played.toTheEnd(byNumber);
  assert.equal(played.book.heldBy(played.timeS + 7200), undefined);
  assert.equal(replayed(spaceFrom({ ...listOf(2), limits }), played.lines).book.heldBy(9000), undefined);
  const more = replayed(spaceFrom({ ...listOf(3), limits }), played.lines).book;
  assert.equal(more.heldBy(played.timeS), undefined);
  assert.equal(more.heldBy(played.timeS + 7200), "hours");
  const few = spaceFrom({ limits: { trials: 3 } });
  assert.equal(replayed(few, playedToTheEnd(few)).book.heldBy(9000), "trials");
  assert.equal(
    limitWords("samples", spaceFrom({ limits: { trials: 3, samples: 9000 } })),
    "limits.samples (9,000 images) is reached: no more trials begin",
  );
  assert.equal(
    limitWords("hours", spaceFrom({ limits: { trials: 3, hours: 0.0125 } })),
    "limits.hours (0.0125) is reached: no more trials begin",
  );
  assert.equal(limitWords(undefined, few), undefined);
  assert.equal(limitWords("trials", few), undefined, "so many were planned");
});

function playedToTheEnd(space: ReturnType<typeof spaceFrom>): Played["lines"] {
  const played = new Played(space);
  played.toTheEnd(byNumber);
  return played.lines;
}

test("the same spec again does nothing, and an extended one only adds", () => {
  const first = new Played(spaceFrom(listOf(4)));
  first.toTheEnd(byNumber);
  const again = new Played(spaceFrom(listOf(4)), first.lines);
  assert.equal(again.take(), undefined);
  const extended = new Played(spaceFrom(listOf(7)), first.lines);
  extended.toTheEnd(byNumber);
  assert.deepEqual(
    extended.segments.map(({ config }) => config.train.learning_rate),
    [0.005, 0.006, 0.007],
  );
  assert.deepEqual(
    extended.book.rows().map(({ number }) => number),
    [0, 1, 2, 3, 4, 5, 6],
  );
  assert.deepEqual(extended.book.outside(), []);
});

test("more trials of a random search are the next draws; more values of a grid are added to it", () => {
  const first = new Played(spaceFrom({ limits: { trials: 4 } }));
  first.toTheEnd(byNumber);
  const more = new Played(spaceFrom({ limits: { trials: 6 } }), first.lines);
  more.toTheEnd(byNumber);
  const whole = new Played(spaceFrom({ limits: { trials: 6 } }));
  whole.toTheEnd(byNumber);
  assert.deepEqual(
    more.book.rows().map(({ trial }) => trial),
    whole.book.rows().map(({ trial }) => trial),
  );
  const grid = (rates: number[]) =>
    spaceFrom({
      parameters: { "train.learning_rate": { grid: rates }, model: { grid: ["plain", "mrelu"] } },
    });
  const small = new Played(grid([0.1, 0.3]));
  small.toTheEnd(byNumber);
  const large = new Played(grid([0.1, 0.2, 0.3]), small.lines);
  large.toTheEnd(byNumber);
  assert.deepEqual(
    large.segments.map(({ config }) => config.train.learning_rate),
    [0.2, 0.2],
  );
  assert.equal(large.book.summary().done, 6);
});

test("trials that the spec does not make any more are named, and neither go on nor are ranked", () => {
  const grid = (rates: number[], base?: object) =>
    spaceFrom({ parameters: { "train.learning_rate": { grid: rates } } }, base);
  const first = new Played(grid([0.1, 0.2, 0.3]));
  for (let i = 0; i < 2; i++) {
    const segment = first.take() as Segment;
    first.end(segment, byNumber(segment));
  }
  first.take();
  const fewer = new Played(grid([0.1]), first.lines);
  assert.equal(fewer.take(), undefined);
  assert.deepEqual(
    fewer.book.outside().map(({ outside }) => outside),
    ["train.learning_rate 0.2 is not tried any more", "train.learning_rate 0.3 is not tried any more"],
  );
  assert.deepEqual(
    fewer.book.best(9).map(({ number }) => number),
    [0],
  );
  assert.equal(fewer.book.summary().created, 1);
  assert.equal(fewer.book.isWanted(fewer.book.outside()[1]?.trial ?? ""), false);
  const otherCode = new Played(grid([0.1, 0.2, 0.3]), first.lines, "other code");
  otherCode.toTheEnd(byNumber);
  assert.equal(otherCode.book.outside().length, 3);
  assert.deepEqual(
    otherCode.book.rows().map(({ number, state }) => [number, state]),
    [
      [3, "done"],
      [4, "done"],
      [5, "done"],
    ],
  );
  // Back at the first spec, all of them count again, and the one that had begun goes on.
  const back = new Played(grid([0.1, 0.2, 0.3]), fewer.lines);
  assert.deepEqual(back.book.outside(), []);
  assert.deepEqual([back.take()?.number, back.take()], [2, undefined]);
});

test("values that cannot go together fail with the reason, and nothing else waits for them", () => {
  // Before a sweep starts, not all trials of a long list are looked at.
  const { list, parameters } = listOf(300);
  list[1] = { ...list[1], "train.slots": 128 };
  const played = new Played(spaceFrom({ list, parameters, limits: { trials: 3 } }));
  played.toTheEnd(byNumber);
  const rows = played.book.rows();
  assert.deepEqual(states(rows), ["done", "failed", "done"]);
  assert.match(rows[1]?.reason ?? "", /train.slots \(128\) must not exceed/);
  assert.deepEqual(
    replayed(spaceFrom({ list, parameters, limits: { trials: 3 } }), played.lines).book.rows(),
    rows,
  );
});

test("a state is wanted while its trial can go on from it", () => {
  const played = new Played(spaceFrom({ ...listOf(9), stopping: ASHA }));
  const segment = played.take() as Segment;
  const { trial } = segment;
  assert.equal(played.book.isWanted(trial), true, "it is being trained");
  played.end(segment, byNumber(segment));
  assert.deepEqual(
    [played.book.isWanted(trial), played.book.isWanted(trial, 0), played.book.isWanted(trial, 1)],
    [true, true, false],
  );
  assert.equal(played.book.isWanted("nobody"), false);
  // Whoever goes on after an interruption begins with what it had on its way to the next rung.
  const begun = played.take() as Segment;
  assert.equal(begun.rung, 0);
  assert.deepEqual(
    [played.book.isWanted(begun.trial, 0), played.book.isWanted(begun.trial, 1)],
    [true, false],
  );
  played.end(begun, byNumber(begun));
  played.toTheEnd(byNumber);
  assert.ok(played.book.rows().every((row) => !played.book.isWanted(row.trial)));
});

test("with median stop the worse half ends early", () => {
  const played = new Played(
    spaceFrom({ ...listOf(10), stopping: { ...ASHA, method: "median", min_trials: 3 } }),
  );
  played.toTheEnd((segment) => outcomeOf(segment, { clean: 1 - segment.number / 100 }));
  assert.deepEqual(states(played.book.rows()), [
    ...Array<string>(3).fill("done"),
    ...Array<string>(7).fill("stopped"),
  ]);
  assert.match(
    played.reasons().at(-1) ?? "",
    /^stop: clean 0.91 at best up to rung 0 .* the median of 9 others' means/,
  );
});

test("in a population the worst are replaced by heirs of the best, from their states", () => {
  const stopping = { method: "population", first_samples: 640, factor: 3, exploit: 0.25 };
  const space = spaceFrom({ limits: { trials: 8 }, stopping });
  const played = new Played(space);
  const all = Array.from({ length: 8 }, () => played.take() as Segment);
  for (const segment of all) played.end(segment, byNumber({ ...segment, number: 8 - segment.number }));
  const heirs = played.book.rows().filter(({ parent }) => parent !== undefined);
  assert.equal(heirs.length, played.book.counts().stopped);
  assert.ok(heirs.length > 0);
  for (const { parent, trial, values, samples } of heirs) {
    const from = played.book.row(parent?.trial ?? "");
    assert.ok(parent !== undefined && from !== undefined);
    assert.deepEqual([parent.rung, parent.weights, samples], [0, `${from.trial}-0`, 0]);
    assert.notEqual(values["train.learning_rate"], from.values["train.learning_rate"]);
    assert.ok(played.book.isWanted(parent.trial, 0), "its state is kept for the heir");
    assert.equal(trial.length, 16);
  }
  const before = played.book.summary().samplesSeen;
  const segment = played.take() as Segment;
  assert.equal(segment.rung, 1);
  played.end(segment, byNumber(segment));
  assert.equal(played.book.summary().samplesSeen - before, 640 * 2, "what the parent saw counts once");
  played.toTheEnd(byNumber);
  const rows = played.book.rows();
  assert.equal(
    rows.filter(({ state }) => state === "done").length,
    8,
    "the population stays as large as it was",
  );
  assert.equal(rows.filter(({ state }) => state === "done" || state === "stopped").length, rows.length);
  assert.deepEqual(replayed(space, played.lines).book.rows(), rows);
  assert.ok(rows.every(({ trial }) => [0, 1, 2].every((rung) => !played.book.isWanted(trial, rung))));
});

test("images, trials to come and reasons of a population count and name its heirs", () => {
  const stopping = { method: "population", first_samples: 640, factor: 3, exploit: 0.25 };
  const played = new Played(spaceFrom({ limits: { trials: 8 }, stopping }));
  const all = Array.from({ length: 8 }, () => played.take() as Segment);
  for (const segment of all) played.end(segment, byNumber({ ...segment, number: 8 - segment.number }));
  played.toTheEnd(byNumber);
  const rows = played.book.rows();
  const { planned = 0, done, stopped, created, samplesSeen } = played.book.summary();
  assert.ok(created > 8);
  assert.deepEqual([planned, done + stopped], [created, created], "no more are over than there are to be");
  const own = rows.reduce((sum, row) => sum + ownSamples(row), 0);
  assert.equal(own, samplesSeen, "what a parent has seen counts once in the results too");
  const heirs = rows.filter(({ parent }) => parent !== undefined);
  assert.ok(heirs.length > 0);
  for (const { number, trial, parent } of heirs) {
    const from = played.book.row(parent?.trial ?? "");
    assert.ok(from !== undefined);
    const [heir, source] = [trialName(number, trial), trialName(from.number, from.trial)];
    const said = `; new ${heir} takes its place, from the weights of ${source} with clean `;
    assert.ok(
      played.reasons().some((reason) => reason.includes(said)),
      `${heir} of ${source}: ${played.reasons().join("\n")}`,
    );
  }
});

test("the state that a trial reached is wanted before it is measured, whatever becomes of others", () => {
  const stopping = { method: "population", first_samples: 640, factor: 3, exploit: 0.5 };
  const played = new Played(spaceFrom({ limits: { trials: 4 }, stopping }));
  const [first, second] = [played.take() as Segment, played.take() as Segment];
  played.end(first, byNumber(first));
  assert.ok(played.book.isWanted(second.trial, 0), "its first stretch");
  played.end(second, byNumber(second));
  const next = played.take() as Segment;
  assert.equal(next.rung, 1);
  assert.ok(played.book.isWanted(next.trial, 1), "the stretch to its next rung");
});

test("when the rungs are others, trials that had not come to their end go through the new ones", () => {
  const first = new Played(spaceFrom({ ...listOf(9), stopping: ASHA }));
  first.toTheEnd(byNumber);
  const best = first.book.rows().filter(({ state }) => state === "done");
  const whole = new Played(spaceFrom(listOf(9)), first.lines);
  whole.toTheEnd(byNumber);
  assert.equal(whole.book.counts().done, 9);
  assert.equal(whole.segments.length, 9 - best.length, "who was done is not trained again");
  const longer = new Played(
    spaceFrom({ ...listOf(9), stopping: { ...ASHA, first_samples: 1280 } }),
    first.lines,
  );
  longer.toTheEnd(byNumber);
  assert.ok(longer.segments.every(({ number }) => best.every((done) => done.number !== number)));
  assert.deepEqual(new Set(longer.segments.map(({ rung }) => rung)).has(0), true);
  assert.equal(longer.book.counts().running + longer.book.counts().waiting, 0);
  assert.deepEqual(
    replayed(
      spaceFrom({ ...listOf(9), stopping: { ...ASHA, first_samples: 1280 } }),
      longer.lines,
    ).book.rows(),
    longer.book.rows(),
  );
});
