#!/usr/bin/env python3
"""Benchmark peer: what a trial costs Optuna besides the objective, one JSON line on stdout.

    python optuna_trials.py --mode memory|median|journal|tpe --interface ask|optimize --trials 5000 --window 250

memory: RandomSampler, everything in memory. median: the same, and each trial is reported once and may be pruned by the
MedianPruner. journal: RandomSampler with a JournalFileBackend in a fresh temporary folder.
tpe: TPESampler with its defaults, in memory. The objective is a formula over five parameters, as in test/bench/peers.ts.

Written as Optuna's documentation does it, logging turned off: `study.ask` and `study.tell`, as whoever has the trials run
elsewhere, or `study.optimize`, which runs them one after another in this process. CPU time is the whole process's, of the
first and of the last `--window` trials.

Exit status 77, with a one-line reason, where optuna is missing.
"""

import argparse
import json
import math
import os
import sys
import tempfile
import time

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = "1"

try:
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend
except ImportError as error:
    print(f"optuna is not installed: {error}", file=sys.stderr)
    sys.exit(77)


def objective(trial):
    rate = trial.suggest_float("train.learning_rate", 1e-4, 1e-1, log=True)
    momentum = trial.suggest_float("train.momentum", 0.0, 0.95)
    decay = trial.suggest_float("train.weight_decay", 1e-6, 1e-2, log=True)
    batch = trial.suggest_int("train.batch_size", 32, 256, step=32)
    model = trial.suggest_categorical("model", ["plain", "mrelu", "rbf"])
    score = -abs(math.log10(rate) + 2) - abs(momentum - 0.9) - abs(math.log10(decay) + 4) / 4 - batch / 1024
    return score + {"plain": 0.0, "mrelu": 0.25, "rbf": 0.125}[model]


def with_pruning(trial):
    score = objective(trial)
    trial.report(score, 1)
    if trial.should_prune():
        raise optuna.TrialPruned()
    return score


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--mode", choices=["memory", "median", "journal", "tpe"], required=True)
    parser.add_argument("--interface", choices=["ask", "optimize"], required=True)
    parser.add_argument("--trials", type=int, required=True)
    parser.add_argument("--window", type=int, required=True)
    options = parser.parse_args()

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sampler = optuna.samplers.TPESampler(seed=0) if options.mode == "tpe" else optuna.samplers.RandomSampler(seed=0)
    with tempfile.TemporaryDirectory() as folder:
        storage = None
        if options.mode == "journal":
            storage = JournalStorage(JournalFileBackend(os.path.join(folder, "journal.log")))
        study = optuna.create_study(storage=storage, sampler=sampler, direction="maximize")
        run = with_pruning if options.mode == "median" else objective
        marks = [time.process_time()]
        if options.interface == "optimize":
            mark = lambda _study, _trial: marks.append(time.process_time())
            study.optimize(run, n_trials=options.trials, callbacks=[mark])
        else:
            for _ in range(options.trials):
                trial = study.ask()
                try:
                    study.tell(trial, run(trial))
                except optuna.TrialPruned:
                    study.tell(trial, state=optuna.trial.TrialState.PRUNED)
                marks.append(time.process_time())
    each = 1000 / options.window
    print(
        json.dumps(
            {
                "version": optuna.__version__,
                "first_ms": (marks[options.window] - marks[0]) * each,
                "last_ms": (marks[-1] - marks[-1 - options.window]) * each,
                "all_ms": (marks[-1] - marks[0]) * 1000 / options.trials,
            }
        )
    )


if __name__ == "__main__":
    main()
