/** A stretch: many steps by ourselves, then the state. */
import { TAIL } from "../../shared/core/layout.js";
import { stepSamples } from "../../shared/core/schedule.js";
import { stateParts, stateSize } from "../../shared/core/stretch.js";
import { type saf, wire } from "../../shared/messages.js";
import { CONTROL } from "../engine/messages.js";
import { framesAround } from "../frame-sender.js";
import type { LeaseInHand } from "../lease.js";
import type { PreparedRun } from "../run-setup.js";
import { pullVector } from "../state-pull.js";
import { type Serve, type ServeContext, chunkIdentity, pushEnd } from "./context.js";

interface StretchState {
  parameters: SharedArrayBuffer;
  velocity: SharedArrayBuffer;
}

export const serveStretch: Serve<saf.v1.ExclusiveLease> = async (context, run, lease, hand) => {
  const { clock, metrics } = context;
  const { step, term } = lease;
  const waited = clock.now();
  await run.loadImages("train");
  const goesOn = run.held?.term === term && run.held.step === step;
  const start = goesOn ? undefined : await pullState(run, lease);
  if (!goesOn && start === undefined) return "the step is over";
  // One is enough: an exclusive lease ends with the epoch.
  const anchor = await run.takeAnchor(step, term);
  const waitSeconds = (clock.now() - waited) / 1000;
  metrics.phase("wait", waitSeconds);

  run.held = undefined;
  const { state, steps, seconds } = await compute(context, run, lease, hand, { start, anchor });
  const pushFrom = clock.now();
  const status = await pushState(context, run, lease, state, {
    stepCount: steps,
    computeSeconds: seconds,
    waitSeconds,
  });
  if (status === wire.PushReply.Status.OK) {
    run.held = { term, step: step + steps };
    // What is measured next are these weights, as a rule.
    run.parameters.keep(step + steps, term, stateParts(run.layout, new Float32Array(state)).parameters);
  }
  metrics.phase("push", (clock.now() - pushFrom) / 1000);
  return undefined;
};

async function compute(
  { engine }: ServeContext,
  run: PreparedRun,
  lease: saf.v1.ExclusiveLease,
  hand: LeaseInHand,
  from: { start: StretchState | undefined; anchor: Awaited<ReturnType<PreparedRun["takeAnchor"]>> },
): Promise<{ state: SharedArrayBuffer; steps: number; seconds: number }> {
  const { leaseId, term, step, stepCount, patienceMs } = lease;
  const state = run.memory.of("state", 4 * stateSize(run.layout, stepCount));
  const control = new Int32Array(run.memory.of("control", 4 * CONTROL.length)).fill(0);
  hand.onHalt(() => Atomics.store(control, CONTROL.halt, 1));
  hand.progress = () => progressOf(run, lease, state, Atomics.load(control, CONTROL.stepsDone));
  try {
    const { steps, seconds } = await engine.compute(
      {
        ...{ type: "stretch", runId: run.runId, leaseId, term, step, count: stepCount },
        rule: run.run.train,
        ...from,
        state,
        control: control.buffer,
      },
      { patienceMs, progress: () => Atomics.load(control, CONTROL.stepsDone) },
    );
    return { state, steps, seconds };
  } finally {
    hand.progress = () => undefined;
  }
}

function pushState(
  { push }: ServeContext,
  run: PreparedRun,
  lease: saf.v1.ExclusiveLease,
  state: SharedArrayBuffer,
  done: { stepCount: number; computeSeconds: number; waitSeconds: number },
): Promise<saf.v1.PushReply.Status | undefined> {
  const totalBytes = 4 * stateSize(run.layout, done.stepCount);
  const sender = push.begin({
    frames: framesAround(state, totalBytes),
    identity: { ...chunkIdentity(run, lease), kind: "state", node: done.stepCount, totalBytes },
  });
  sender.sendAll();
  return push.finish({ ...pushEnd(lease), ...done }, sender);
}

async function pullState(
  { runId, runHash, layout, vectors, memory }: PreparedRun,
  { step, term }: saf.v1.ExclusiveLease,
): Promise<StretchState | undefined> {
  const identity = { runId, runHash, term, version: step, size: layout.size };
  const [parameters, velocity] = await Promise.all([
    pullVector(vectors, "parameters", identity, memory.of("pulled parameters", 4 * layout.size)),
    pullVector(vectors, "velocity", identity, memory.of("pulled velocity", 4 * layout.size)),
  ]);
  return parameters === undefined || velocity === undefined ? undefined : { parameters, velocity };
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
