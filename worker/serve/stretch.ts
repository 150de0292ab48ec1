/** A stretch: many steps by ourselves, then the state. */
import { isShort } from "../../shared/core/chunk.js";
import { TAIL } from "../../shared/core/layout.js";
import { stepSamples } from "../../shared/core/schedule.js";
import { stateParts, stateSize } from "../../shared/core/stretch.js";
import { type saf, wire } from "../../shared/messages.js";
import type { Answer } from "../engine-desk.js";
import { CONTROL, type Measuring } from "../engine/messages.js";
import { framesAround } from "../frame-sender.js";
import type { LeaseInHand } from "../lease.js";
import type { PreparedRun } from "../run-setup.js";
import { type StateIdentity, broughtVector, pullVector } from "../state-pull.js";
import { measuresOf, resultOf } from "../task-messages.js";
import { type Serve, type ServeContext, chunkIdentity, pushEnd } from "./context.js";

interface StretchState {
  parameters: SharedArrayBuffer;
  velocity: SharedArrayBuffer;
}

export const serveStretch: Serve<saf.v1.ExclusiveLease> = async (context, run, lease, hand) => {
  const { clock, metrics } = context;
  const { step, term } = lease;
  const waited = clock.now();
  const measures = measuresOf(lease);
  await run.loadImages("train");
  if (measures.length > 0) await run.loadImages("test");
  const goesOn = run.held?.term === term && run.held.step === step;
  const start = goesOn ? undefined : (broughtState(run, lease, hand) ?? (await pullState(run, lease)));
  if (!goesOn && start === undefined) return "the step is over";
  // One is enough: an exclusive lease ends with the epoch.
  const anchor = await run.takeAnchor(step, term);
  const waitSeconds = (clock.now() - waited) / 1000;
  metrics.phase("wait", waitSeconds);

  run.held = undefined;
  const done = await compute(context, run, lease, hand, { start, anchor, measures });
  const { state, steps } = done;
  const pushFrom = clock.now();
  const status = await pushState(context, run, lease, state, {
    stepCount: steps,
    computeSeconds: done.seconds - (done.measured?.seconds ?? 0),
    waitSeconds,
    measured: measuredIn(done, measures),
  });
  if (status === wire.PushReply.Status.OK) {
    run.held = { term, step: step + steps };
    // What is measured next are these weights, as a rule.
    run.keptWeights().keep(step + steps, term, stateParts(run.layout, new Float32Array(state)).parameters);
  }
  metrics.phase("push", (clock.now() - pushFrom) / 1000);
  return undefined;
};

async function compute(
  { engine }: ServeContext,
  run: PreparedRun,
  lease: saf.v1.ExclusiveLease,
  hand: LeaseInHand,
  from: {
    start: StretchState | undefined;
    anchor: Awaited<ReturnType<PreparedRun["takeAnchor"]>>;
    measures: Measuring[];
  },
): Promise<Answer<"stretch"> & { state: SharedArrayBuffer }> {
  const { leaseId, term, step, stepCount, patienceMs } = lease;
  const state = run.memory.of("state", 4 * stateSize(run.layout, stepCount));
  const control = new Int32Array(run.memory.of("control", 4 * CONTROL.length)).fill(0);
  hand.onHalt(() => Atomics.store(control, CONTROL.halt, 1));
  hand.progress = () => progressOf(run, lease, state, Atomics.load(control, CONTROL.stepsDone));
  try {
    const done = await engine.compute(
      {
        ...{ type: "stretch", runId: run.runId, leaseId, term, step, count: stepCount },
        rule: run.run.train,
        ...from,
        state,
        control: control.buffer,
      },
      { patienceMs, progress: () => Atomics.load(control, CONTROL.stepsDone) },
    );
    return { ...done, state };
  } finally {
    hand.progress = () => undefined;
  }
}

function pushState(
  { push }: ServeContext,
  run: PreparedRun,
  lease: saf.v1.ExclusiveLease,
  state: SharedArrayBuffer,
  done: Pick<saf.v1.PushEnd.$Properties, "computeSeconds" | "waitSeconds" | "measured"> & {
    stepCount: number;
  },
): Promise<saf.v1.PushReply.Status | undefined> {
  const totalBytes = 4 * stateSize(run.layout, done.stepCount);
  const sender = push.begin({
    frames: framesAround(state, totalBytes),
    identity: { ...chunkIdentity(run, lease), kind: "state", node: done.stepCount, totalBytes },
  });
  const end = { ...pushEnd(lease), ...done };
  if (lease.takesFrames && isShort(totalBytes)) return push.deliver(end, sender);
  sender.sendAll();
  return push.finish(end, sender);
}

/** What was measured behind the steps, as results. */
function measuredIn(
  { measured: { findings, seconds } = { findings: [], seconds: 0 } }: Answer<"stretch">,
  measures: readonly Measuring[],
): saf.v1.TaskResult.$Properties[] {
  const computeSeconds = seconds / findings.length;
  return findings.map((found, i) => ({ ...resultOf(found, measures[i]?.firstImage ?? 0), computeSeconds }));
}

async function pullState(run: PreparedRun, lease: saf.v1.ExclusiveLease): Promise<StretchState | undefined> {
  const { identity, places } = startOf(run, lease);
  const [parameters, velocity] = await Promise.all([
    pullVector(run.vectors, "parameters", identity, places.parameters),
    pullVector(run.vectors, "velocity", identity, places.velocity),
  ]);
  return parameters === undefined || velocity === undefined ? undefined : { parameters, velocity };
}

/** The state, where it came with the lease. */
function broughtState(
  run: PreparedRun,
  lease: saf.v1.ExclusiveLease,
  { frames }: LeaseInHand,
): StretchState | undefined {
  if (frames.length === 0) return undefined;
  const { identity, places } = startOf(run, lease);
  const parameters = broughtVector(frames, "parameters", identity, places.parameters);
  const velocity = broughtVector(frames, "velocity", identity, places.velocity);
  return parameters === undefined || velocity === undefined ? undefined : { parameters, velocity };
}

/** Which state a lease begins with, and where it is to lie. */
function startOf(
  { runId, runHash, layout, memory }: PreparedRun,
  { step, term }: saf.v1.ExclusiveLease,
): { identity: StateIdentity; places: StretchState } {
  const byteLength = 4 * layout.size;
  return {
    identity: { runId, runHash, term, version: step, size: layout.size },
    places: {
      parameters: memory.of("pulled parameters", byteLength),
      velocity: memory.of("pulled velocity", byteLength),
    },
  };
}

/** How far a stretch is, from the scalars that the engine writes as it goes. */
function progressOf(
  { layout, plan }: PreparedRun,
  { step }: saf.v1.ExclusiveLease,
  state: SharedArrayBuffer,
  done: number,
): saf.v1.StretchProgress.$Properties | undefined {
  if (done === 0) return undefined;
  const { tails } = stateParts(layout, new Float32Array(state));
  const at = (done - 1) * TAIL.length;
  const samples = stepSamples(plan, step + done - 1);
  return {
    steps: done,
    loss: (tails[at + TAIL.loss] as number) / samples,
    accuracy: (tails[at + TAIL.hits] as number) / samples,
  };
}
