/**
 * For each alert, series under which it must fire and others under which it must not, in promtool's notation: "a+bx n"
 * begins with a and adds b in each of n intervals of 30 seconds.
 */

export interface AlertCase {
  series: [metric: string, values: string][];
  /** When it is looked at. */
  minutes: number;
  /** Alerts that fire; 1 where nothing is said. */
  firing?: number;
}

const COORDINATOR = 'job="saf-coordinator",instance="c:9464"';
const WORKER = 'job="saf-worker",instance="w:9464"';

const up = (values: string): [string, string] => [`up{${COORDINATOR}}`, values];
const state = (name: string, values = "1x200"): [string, string] => [
  `saf_run_state{${COORDINATOR},run="a",state="${name}"}`,
  values,
];
const workers = (name: string, values: string): [string, string] => [
  `saf_workers{${COORDINATOR},state="${name}"}`,
  values,
];
const own = (metric: string, labels: string, values: string): [string, string] => [
  `${metric}{${[COORDINATOR, labels].filter((part) => part !== "").join(",")}}`,
  values,
];
const ofWorker = (metric: string, labels: string, values: string): [string, string] => [
  `${metric}{${[WORKER, labels].filter((part) => part !== "").join(",")}}`,
  values,
];
const steps = (values: string): [string, string] => own("saf_optimizer_steps_total", 'run="a"', values);
/** Four workers, the last one as slow as it says. */
const stepTimes = (slow: string): [string, string][] =>
  ["1x60", "1x60", "1.1x60", slow].map((values, i) =>
    own("saf_worker_step_seconds", `worker="w${i}"`, values),
  );
const stale = (fresh: string, all: string): [string, string][] => [
  own("saf_gradient_staleness_steps_bucket", 'run="a",le="0"', fresh),
  own("saf_gradient_staleness_steps_bucket", 'run="a",le="1"', fresh),
  own("saf_gradient_staleness_steps_bucket", 'run="a",le="2"', all),
  own("saf_gradient_staleness_steps_bucket", 'run="a",le="+Inf"', all),
];
const tasks = (pending: string): [string, string] =>
  own("saf_evaluation_tasks", 'run="a",state="pending"', pending);
const done = (values: string): [string, string] =>
  own("saf_evaluation_task_duration_seconds_count", 'attack="pgd-40"', values);
const trials = (name: string, values: string): [string, string] =>
  own("saf_sweep_trials", `sweep="s",state="${name}"`, values);
const leasesDone = (values: string): [string, string] => own("saf_leases_total", 'outcome="done"', values);
const trialFailures = (code: string, values: string): [string, string] =>
  own("saf_sweep_trial_failures_total", `sweep="s",code="${code}"`, values);
const trialResults = (values: string): [string, string] =>
  own("saf_sweep_trial_seconds_count", 'sweep="s"', values);
const GPU_POD = 'namespace="ml",pod="saf-worker-0"';
const gpuWorker: [string, string] = [
  `saf_worker_backend_info{job="saf-worker",${GPU_POD},backend="tensorflow-gpu"}`,
  "1x200",
];
const gpuRun: [string, string] = [
  'saf_run_state{job="saf-coordinator",namespace="ml",run="a",state="training"}',
  "1x200",
];
/** As a scraper stores it that keeps its own labels, and one that honours the exporter's. */
const dcgm = (metric: string, values: string): [string, string] => [
  `${metric}{job="dcgm",namespace="gpu-operator",pod="dcgm-1",exported_namespace="ml",exported_pod="saf-worker-0",gpu="0"}`,
  values,
];

export const ALERT_CASES: Record<
  string,
  { fires: Record<string, AlertCase>; quiet: Record<string, AlertCase> }
> = {
  SafCoordinatorDown: {
    fires: {
      "the process is gone": { series: [up("1x4 0x20")], minutes: 10 },
      "nobody is even looked for": { series: [[`up{${WORKER}}`, "1x40"]], minutes: 10 },
    },
    quiet: {
      "it answers": { series: [up("1x40")], minutes: 10 },
      "one scrape failed": { series: [up("1x10 0 0 1x20")], minutes: 7 },
    },
  },
  SafTrainingStalled: {
    fires: {
      "workers, but no steps": {
        series: [state("training"), workers("straggling", "2x60"), steps("0+5x10 50x60")],
        minutes: 20,
      },
    },
    quiet: {
      "steps are committed": {
        series: [state("training"), workers("busy", "2x60"), steps("0+1x60")],
        minutes: 20,
      },
      "it evaluates": {
        series: [state("training", "0x60"), state("evaluating"), workers("busy", "2x60"), steps("50x60")],
        minutes: 20,
      },
      "there are no workers: that is another alert": {
        series: [state("training"), workers("busy", "0x60"), steps("50x60")],
        minutes: 20,
      },
    },
  },
  SafNoWorkers: {
    fires: {
      "a run waits": {
        series: [state("waiting_for_workers"), workers("idle", "0x60"), workers("busy", "0x60")],
        minutes: 10,
      },
      "they all left in the middle": {
        series: [state("training"), workers("busy", "4x10 0x60")],
        minutes: 20,
      },
      "a sweep waits": { series: [trials("running", "2x60"), workers("idle", "0x60")], minutes: 10 },
    },
    quiet: {
      "there is one": { series: [state("training"), workers("busy", "1x60")], minutes: 20 },
      "the sweep is done": {
        series: [trials("running", "0x60"), trials("done", "9x60"), workers("idle", "0x60")],
        minutes: 20,
      },
      "there is no work": { series: [state("finished"), workers("idle", "0x60")], minutes: 20 },
    },
  },
  SafRunFailed: {
    fires: {
      "one failed": { series: [own("saf_runs_ended_total", 'outcome="failed"', "0x10 1x20")], minutes: 10 },
    },
    quiet: {
      "it finished": {
        series: [
          own("saf_runs_ended_total", 'outcome="failed"', "0x40"),
          own("saf_runs_ended_total", 'outcome="finished"', "0x10 1x30"),
        ],
        minutes: 10,
      },
      "it is long ago": { series: [own("saf_runs_ended_total", 'outcome="failed"', "1x60")], minutes: 25 },
    },
  },
  SafLossNonFinite: {
    fires: {
      "a gradient has NaN": {
        series: [own("saf_nonfinite_total", 'run="a",where="gradient"', "0x10 3x10")],
        minutes: 8,
      },
    },
    quiet: {
      "none has": { series: [own("saf_nonfinite_total", 'run="a",where="gradient"', "0x20")], minutes: 8 },
    },
  },
  SafLossDiverging: {
    fires: {
      "it grows": { series: [own("saf_train_loss", 'run="a"', "2-0.1x15 0.6+0.1x40")], minutes: 25 },
    },
    quiet: {
      "it falls": { series: [own("saf_train_loss", 'run="a"', "2-0.03x60")], minutes: 25 },
      "it is next to nothing, and noisy": {
        series: [own("saf_train_loss", 'run="a"', "0.01 0.03 0.01 0.03 0.01 0.03x50")],
        minutes: 25,
      },
    },
  },
  SafStragglerPersistent: {
    fires: {
      "one takes four times as long": { series: [state("training"), ...stepTimes("4.2x60")], minutes: 20 },
    },
    quiet: {
      "all are alike": { series: [state("training"), ...stepTimes("1.3x60")], minutes: 20 },
      "it was slow for a moment": { series: [state("training"), ...stepTimes("4x10 1x50")], minutes: 20 },
      "training is over": {
        series: [state("training", "1x6 0x60"), ...stepTimes("4.2x60")],
        minutes: 20,
      },
    },
  },
  SafStalenessHigh: {
    fires: { "a tenth is two versions old": { series: stale("0+9x60", "0+10x60"), minutes: 20 } },
    quiet: { "all are fresh": { series: stale("0+10x60", "0+10x60"), minutes: 20 } },
  },
  SafGradientsRejectedHigh: {
    fires: {
      "a tenth is damaged": {
        series: [
          own("saf_gradients_received_total", 'outcome="accepted"', "0+90x60"),
          own("saf_gradients_received_total", 'outcome="checksum"', "0+10x60"),
        ],
        minutes: 20,
      },
    },
    quiet: {
      "many are only late": {
        series: [
          own("saf_gradients_received_total", 'outcome="accepted"', "0+90x60"),
          own("saf_gradients_received_total", 'outcome="stale"', "0+50x60"),
          own("saf_gradients_received_total", 'outcome="duplicate"', "0+50x60"),
          own("saf_gradients_received_total", 'outcome="checksum"', "0x60"),
        ],
        minutes: 20,
      },
      "nothing comes at all": {
        series: [own("saf_gradients_received_total", 'outcome="accepted"', "5x60")],
        minutes: 20,
      },
    },
  },
  SafCheckpointStale: {
    fires: {
      "the last one is old": {
        series: [
          state("training"),
          own("saf_checkpoint_last_success_timestamp_seconds", 'run="a"', "60x200"),
        ],
        minutes: 35,
      },
      "there was never one": { series: [state("training")], minutes: 20 },
    },
    quiet: {
      "they come": {
        series: [
          state("training"),
          own("saf_checkpoint_last_success_timestamp_seconds", 'run="a"', "0+30x200"),
        ],
        minutes: 60,
      },
      "it does not train any more": {
        series: [
          state("training", "0x200"),
          own("saf_checkpoint_last_success_timestamp_seconds", 'run="a"', "60x200"),
        ],
        minutes: 60,
      },
    },
  },
  SafCheckpointFailed: {
    fires: {
      "the disk is full": {
        series: [own("saf_checkpoints_total", 'outcome="failed"', "0x10 1x20")],
        minutes: 10,
      },
    },
    quiet: {
      "they are written": {
        series: [
          own("saf_checkpoints_total", 'outcome="failed"', "0x40"),
          own("saf_checkpoints_total", 'outcome="written"', "0+1x40"),
        ],
        minutes: 10,
      },
    },
  },
  SafEvaluationStuck: {
    fires: {
      "nothing is finished": {
        series: [state("evaluating"), tasks("50x100"), done("0+1x20 20x100")],
        minutes: 45,
      },
    },
    quiet: {
      "it moves": { series: [state("evaluating"), tasks("50x100"), done("0+1x100")], minutes: 45 },
      "nothing is left": { series: [state("evaluating"), tasks("0x100"), done("20x100")], minutes: 45 },
      "the run trains again": {
        series: [state("training"), state("evaluating", "0x100"), tasks("5x100"), done("20x100")],
        minutes: 45,
      },
    },
  },
  SafEvaluationTasksFailing: {
    fires: {
      "one after another": {
        series: [own("saf_evaluation_task_retries_total", 'reason="failed"', "0+1x60")],
        minutes: 10,
      },
    },
    quiet: {
      "one, and workers that were lost": {
        series: [
          own("saf_evaluation_task_retries_total", 'reason="failed"', "0x5 1x60"),
          own("saf_evaluation_task_retries_total", 'reason="given_back"', "0+1x60"),
        ],
        minutes: 10,
      },
    },
  },
  SafSweepStuck: {
    fires: {
      "no lease is finished": {
        series: [trials("running", "2x120"), workers("straggling", "2x120"), leasesDone("0+1x20 20x100")],
        minutes: 45,
      },
    },
    quiet: {
      "a long trial has no result yet, and its leases come": {
        series: [trials("running", "1x120"), workers("busy", "2x120"), leasesDone("0+1x120")],
        minutes: 45,
      },
      "the sweep is done": {
        series: [trials("running", "0x120"), workers("idle", "2x120"), leasesDone("20x120")],
        minutes: 45,
      },
      "there are no workers: that is another alert": {
        series: [trials("running", "2x120"), workers("idle", "0x120"), leasesDone("20x120")],
        minutes: 45,
      },
    },
  },
  SafSweepTrialsFailing: {
    fires: {
      "every other one diverges": {
        series: [trialFailures("diverged", "0+1x60"), trialResults("0+1x60")],
        minutes: 10,
      },
      "all do, each in another way": {
        series: [
          trialFailures("worker", "0+0.5x60"),
          trialFailures("timeout", "0+0.5x60"),
          trialResults("0x60"),
        ],
        minutes: 10,
      },
    },
    quiet: {
      "one in a hundred": {
        series: [trialFailures("diverged", "0+1x60"), trialResults("0+100x60")],
        minutes: 20,
      },
      "two, and no result yet": {
        series: [trialFailures("worker", "0x5 2x60"), trialResults("0x60")],
        minutes: 10,
      },
    },
  },
  SafWorkersLost: {
    fires: {
      "five in ten minutes": { series: [own("saf_workers_lost_total", "", "0x4 5x40")], minutes: 10 },
    },
    quiet: { "one now and then": { series: [own("saf_workers_lost_total", "", "0x10 1x60")], minutes: 10 } },
  },
  SafWorkersRefused: {
    fires: {
      "wrong gradients": {
        series: [own("saf_workers_refused_total", 'reason="self_test"', "0x10 1x20")],
        minutes: 10,
      },
    },
    quiet: {
      "all are taken in": {
        series: [own("saf_workers_refused_total", 'reason="self_test"', "0x30")],
        minutes: 10,
      },
    },
  },
  SafNatsReconnectStorm: {
    fires: {
      "every minute": { series: [ofWorker("saf_nats_reconnects_total", "", "0+0.5x60")], minutes: 20 },
    },
    quiet: {
      "the server was restarted once": {
        series: [ofWorker("saf_nats_reconnects_total", "", "0x10 2x60")],
        minutes: 12,
      },
    },
  },
  SafNatsPermissionDenied: {
    fires: {
      "a worker asks for another one's subject": {
        series: [ofWorker("saf_nats_permission_errors_total", "", "0x4 1x20")],
        minutes: 5,
      },
    },
    quiet: {
      "all keep to their own": {
        series: [ofWorker("saf_nats_permission_errors_total", "", "0x30")],
        minutes: 5,
      },
    },
  },
  SafMessagesUnheard: {
    fires: {
      "an answer is wanted in another's inbox": {
        series: [own("saf_messages_unheard_total", 'reason="inbox"', "0x4 1x20")],
        minutes: 5,
      },
    },
    quiet: {
      "all is heard": {
        series: [own("saf_messages_unheard_total", 'reason="inbox"', "0x30")],
        minutes: 5,
      },
    },
  },
  SafSlowConsumer: {
    fires: {
      "bytes pile up": { series: [own("saf_nats_pending_bytes", "", "1e8x20")], minutes: 5 },
      "the server cut one off": {
        series: [['nats_varz_slow_consumers{job="nats",instance="n:7777"}', "0x4 1x20"]],
        minutes: 5,
      },
    },
    quiet: {
      "it keeps up": { series: [own("saf_nats_pending_bytes", "", "1e6x20")], minutes: 5 },
      "for one moment it did not": {
        series: [own("saf_nats_pending_bytes", "", "0x5 1e8 0x20")],
        minutes: 6,
      },
    },
  },
  SafEventLoopLagHigh: {
    fires: {
      "a second": { series: [own("nodejs_eventloop_lag_p99_seconds", "", "1x40")], minutes: 10 },
    },
    quiet: {
      "ten milliseconds": { series: [own("nodejs_eventloop_lag_p99_seconds", "", "0.01x40")], minutes: 10 },
      "somebody else's": {
        series: [['nodejs_eventloop_lag_p99_seconds{job="shop",instance="s:80"}', "1x40"]],
        minutes: 10,
      },
    },
  },
  SafTensorLeak: {
    fires: { "ten a minute": { series: [ofWorker("saf_worker_tensors", "", "100+5x100")], minutes: 40 } },
    quiet: {
      "another run was loaded": {
        series: [ofWorker("saf_worker_tensors", "", "100x10 160x90")],
        minutes: 40,
      },
      "as many as ever": { series: [ofWorker("saf_worker_tensors", "", "100x100")], minutes: 40 },
    },
  },
  SafGpuIdleWhileTraining: {
    fires: {
      "its engine idles": {
        series: [gpuRun, gpuWorker, dcgm("DCGM_FI_PROF_GR_ENGINE_ACTIVE", "0.01x100")],
        minutes: 30,
      },
      "an old card idles, and the exporter's labels are honoured": {
        series: [gpuRun, gpuWorker, [`DCGM_FI_DEV_GPU_UTIL{job="dcgm",${GPU_POD},gpu="0"}`, "1x100"]],
        minutes: 30,
      },
    },
    quiet: {
      "it is busy": {
        series: [gpuRun, gpuWorker, dcgm("DCGM_FI_PROF_GR_ENGINE_ACTIVE", "0.8x100")],
        minutes: 30,
      },
      "nothing is trained": {
        series: [gpuWorker, dcgm("DCGM_FI_PROF_GR_ENGINE_ACTIVE", "0.01x100")],
        minutes: 30,
      },
      "the pod is not ours": {
        series: [gpuRun, dcgm("DCGM_FI_PROF_GR_ENGINE_ACTIVE", "0.01x100")],
        minutes: 30,
      },
    },
  },
};
