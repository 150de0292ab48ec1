/**
 * A sweep as a journal of Optuna's JournalFileBackend: `optuna.load_study` and `optuna-dashboard` open it. A line creates
 * the study, a few tell of it, then one line a trial with all that is known of it. Source: optuna/storages/journal of 4.x.
 */
import type { Constraint } from "../../../../shared/config/objectives.js";
import type { SettingValue } from "../../../../shared/config/sweep.js";
import type { TrialRow, TrialState } from "../../../../shared/records/sweep-line.js";
import { VERSION } from "../../../../shared/version.js";
import { type ExportedSweep, endOf, inOrder, isFinal, startOf } from "./exported-sweep.js";
import { type SweptSetting, settingsOf, textOf } from "./settings.js";
import type { SweepFormat } from "./sweep-format.js";

export const optunaFormat: SweepFormat = {
  makes: "file",
  name: "optuna",
  suffix: "-optuna.log",
  render: journalOf,
};

/** Optuna's numbers of operations, directions and states. */
const OPERATION = { createStudy: 0, setStudyUserAttribute: 2, setStudySystemAttribute: 3, createTrial: 4 };
const DIRECTION = { minimize: 1, maximize: 2 };
const STATE = { running: 0, complete: 1, pruned: 2, fail: 3, waiting: 4 };

type Json = Record<string, unknown>;

export function journalOf(sweep: ExportedSweep): string {
  const parameters = settingsOf(sweep).map(parameterOf);
  const lines = [
    { op_code: OPERATION.createStudy, study_name: sweep.spec.name, directions: directionsOf(sweep) },
    ...studyAttributes(sweep),
    ...inOrder(sweep).map((row) => ({
      op_code: OPERATION.createTrial,
      study_id: 0,
      ...trialOf(row, sweep, parameters),
    })),
  ];
  return lines.map((line) => `${JSON.stringify({ worker_id: "saf", ...line })}\n`).join("");
}

function directionsOf({ objectives }: ExportedSweep): number[] {
  return objectives.map(({ goal }) => DIRECTION[goal]);
}

/** Optuna takes one attribute a line. */
function studyAttributes({ name, code, objectives, compared, spec, constraints }: ExportedSweep): Json[] {
  const user: Json = {
    sweep: name,
    code,
    saf_version: VERSION,
    ...(spec.title === undefined ? {} : { title: spec.title }),
    ...(spec.stopping === undefined ? {} : { stopping: spec.stopping.method }),
    intermediate_values: compared.metric,
    constraints: constraints.map(({ text }) => text),
  };
  const names = objectives.map(({ metric }) => metric);
  return [
    ...Object.entries(user).map(([key, value]) => ({
      op_code: OPERATION.setStudyUserAttribute,
      study_id: 0,
      user_attr: { [key]: value },
    })),
    {
      op_code: OPERATION.setStudySystemAttribute,
      study_id: 0,
      system_attr: { "study:metric_names": names },
    },
  ];
}

/** A setting as Optuna knows parameters: values are numbers inside, of a choice its place. */
interface OptunaParameter {
  path: string;
  distribution: string;
  internal(value: SettingValue): number | undefined;
}

function parameterOf({ path, domain }: SweptSetting): OptunaParameter {
  if (domain.kind === "choice") {
    const choices = domain.choices.map(choiceOf);
    const places = new Map(domain.choices.map((choice, i) => [JSON.stringify(choice), i]));
    return {
      path,
      distribution: distributionOf("CategoricalDistribution", { choices }),
      internal: (value) => places.get(JSON.stringify(value)),
    };
  }
  const { type, low, high, isLog, step } = domain;
  const shared = { log: isLog, low, high };
  return {
    path,
    distribution:
      type === "int"
        ? distributionOf("IntDistribution", { ...shared, step: step ?? 1 })
        : distributionOf("FloatDistribution", { ...shared, step: step ?? null }),
    internal: (value) => (typeof value === "number" ? value : undefined),
  };
}

function distributionOf(name: string, attributes: Json): string {
  return JSON.stringify({ name, attributes });
}

/** Optuna's choices are null, booleans, numbers and texts; lists stand there as JSON. */
function choiceOf(value: SettingValue): SettingValue {
  return typeof value === "object" && value !== null ? textOf(value) : value;
}

/** A parameter whose condition did not hold is left out, as Optuna's own conditional spaces do. */
function trialOf(row: TrialRow, sweep: ExportedSweep, parameters: readonly OptunaParameter[]): Json {
  const used = parameters.flatMap(({ path, distribution, internal }) => {
    const value = row.values[path];
    const inside = value === undefined ? undefined : internal(value);
    return inside === undefined ? [] : [{ path, distribution, inside }];
  });
  const values = valuesOf(row, sweep);
  const [only = null] = values ?? [];
  const isSingle = sweep.objectives.length === 1;
  return {
    datetime_start: localTime(startOf(row, sweep)),
    ...(isFinal(row) ? { datetime_complete: localTime(endOf(row, sweep)) } : {}),
    state: stateOf(row, values !== undefined),
    value: isSingle ? only : null,
    values: isSingle ? null : (values ?? null),
    distributions: Object.fromEntries(used.map(({ path, distribution }) => [path, distribution])),
    params: Object.fromEntries(used.map(({ path, inside }) => [path, inside])),
    intermediate_values: intermediateValues(row, sweep.compared.metric),
    user_attrs: userAttributes(row),
    system_attrs: systemAttributes(row, sweep.constraints),
  };
}

/** Of the newest rung, of trials that are done or were stopped: no other may have any. Absent unless all were measured. */
function valuesOf(row: TrialRow, { objectives }: ExportedSweep): number[] | undefined {
  if (row.state !== "done" && row.state !== "stopped") return undefined;
  const values = objectives.flatMap(({ metric }) => row.metrics[metric] ?? []);
  return values.length === objectives.length ? values : undefined;
}

const STATES: Readonly<Record<Exclude<TrialState, "waiting">, number>> = {
  running: STATE.running,
  done: STATE.complete,
  stopped: STATE.pruned,
  failed: STATE.fail,
};

/**
 * WAITING is a trial that somebody may take and begin: at a rung ours is under way, whatever decides on it. COMPLETE must
 * have all its values.
 */
function stateOf({ state, rungs }: TrialRow, hasValues: boolean): number {
  if (state === "waiting") return rungs.length === 0 ? STATE.waiting : STATE.running;
  return state === "done" && !hasValues ? STATE.fail : STATES[state];
}

/** By training images seen. */
function intermediateValues({ rungs }: TrialRow, metric: string): Record<string, number> {
  return Object.fromEntries(
    rungs.flatMap(({ samples, metrics }) => {
      const value = metrics[metric];
      return value === undefined ? [] : [[String(samples), value]];
    }),
  );
}

function userAttributes(row: TrialRow): Json {
  const { trial, group, attempt, samples, seconds, weights, unreliable, reason, parent, metrics } = row;
  return {
    ...{ trial, group, attempt, samples, seconds },
    ...(weights === undefined ? {} : { weights_sha256: weights }),
    ...(unreliable === undefined ? {} : { unreliable: [...unreliable] }),
    ...(reason === undefined ? {} : { reason }),
    ...(parent === undefined ? {} : { parent: parent.trial, parent_rung: parent.rung }),
    ...metrics,
  };
}

/** Optuna keeps constraints there: at most 0 where one is met. Without a measurement they are not known. */
function systemAttributes({ metrics }: TrialRow, constraints: readonly Constraint[]): Json {
  const violations = constraints.flatMap(({ metric, relation, bound }) => {
    const value = metrics[metric];
    if (value === undefined) return [];
    return [relation.startsWith(">") ? bound - value : value - bound];
  });
  return constraints.length > 0 && violations.length === constraints.length
    ? { constraints: violations }
    : {};
}

/** As Optuna writes it: the wall clock of this machine, without a zone. */
function localTime(seconds: number): string {
  const date = new Date(seconds * 1000);
  const shifted = new Date(date.getTime() - date.getTimezoneOffset() * 60_000);
  return shifted.toISOString().replace("Z", "000");
}
