/**
 * A sweep for TensorBoard's HParams plugin: one event file tells of the experiment, what is tried and what is measured; one
 * folder a trial has its settings, its metrics by images seen, and how it ended. Source: tensorboard/plugins/hparams.
 */
import type { SettingValue } from "../../../../shared/config/sweep.js";
import { tensorboard } from "../../../../shared/proto/generated/tensorboard.js";
import type { TrialRow, TrialState } from "../../../../shared/records/sweep-line.js";
import type { FolderContent } from "../export-format.js";
import type { CellType } from "../rows.js";
import { EVENT_FILE, type Event, eventFileName, eventFileOf, scalars } from "../tensorboard-events.js";
import { type ExportedSweep, endOf, inOrder, isFinal, metricNames, startOf } from "./exported-sweep.js";
import { type SweptSetting, cellOf, settingsOf } from "./settings.js";
import type { SweepFormat } from "./sweep-format.js";

export const hyperparametersFormat: SweepFormat = {
  makes: "folder",
  name: "tensorboard",
  suffix: "-tensorboard",
  owns: EVENT_FILE,
  render: eventFiles,
};

type PluginData = Omit<tensorboard.HParamsPluginData.$Properties, "version">;
type Value = tensorboard.Value.$Properties;

const PLUGIN = "hparams";
const PLUGIN_VERSION = 0;
const TYPES = { text: 1, boolean: 2, number: 3, integer: 3 } as const satisfies Record<CellType, number>;
/** A trial that was stopped ended neither well nor badly: TensorBoard hides or shows each status by itself. */
const STATUSES: Readonly<Record<TrialState, number>> = {
  running: 3,
  waiting: 3,
  done: 1,
  stopped: 0,
  failed: 2,
};
/** More values than these are a range, or are not listed. */
const MOST_CHOICES = 50;

function eventFiles(sweep: ExportedSweep): FolderContent {
  // Sessions of a group have one set of hyperparameters: what is repeated is none.
  const settings = settingsOf(sweep).filter(({ isRepeated }) => !isRepeated);
  const rows = inOrder(sweep);
  const digits = String(rows.at(-1)?.number ?? 0).length;
  const folders = rows.map((row): [string, Buffer] => {
    const folder = `${String(row.number).padStart(digits, "0")}-${row.trial}`;
    const begun = startOf(row, sweep);
    return [`${folder}/${eventFileName(begun)}`, eventFileOf(begun, sessionEvents(row, sweep, settings))];
  });
  const experiment = eventFileOf(sweep.began, [experimentEvent(sweep, settings)]);
  return { [eventFileName(sweep.began)]: experiment, ...Object.fromEntries(folders) };
}

function experimentEvent(sweep: ExportedSweep, settings: readonly SweptSetting[]): Event {
  const { spec, objectives, began } = sweep;
  const wanted = new Map(objectives.map(({ metric, goal }) => [metric, `objective: ${goal}`]));
  const metrics = new Set([...wanted.keys(), ...metricNames(sweep.rows.flatMap(({ rungs }) => rungs))]);
  return pluginEvent(began, "experiment", {
    experiment: {
      name: spec.name,
      description: spec.title ?? "",
      timeCreatedSecs: began,
      hparamInfos: settings.map(settingInfo),
      metricInfos: [...metrics].map((tag) => ({ name: { tag }, description: wanted.get(tag) ?? "" })),
    },
  });
}

function settingInfo({ path, type, domain }: SweptSetting): tensorboard.HParamInfo.$Properties {
  const info = { name: path, type: TYPES[type] };
  if (domain.kind === "range") {
    const { low, high } = domain;
    return { ...info, domainInterval: { minValue: low, maxValue: high }, differs: high > low };
  }
  const values = domain.choices.flatMap((choice) => valueOf(choice, type));
  const differs = values.length > 1;
  if (values.length > 0 && values.length <= MOST_CHOICES)
    return { ...info, domainDiscrete: { values }, differs };
  const numbers = values.flatMap(({ numberValue }) => numberValue ?? []).sort((a, b) => a - b);
  const [minValue, maxValue] = [numbers[0], numbers.at(-1)];
  return minValue === undefined || maxValue === undefined
    ? { ...info, differs }
    : { ...info, domainInterval: { minValue, maxValue }, differs };
}

/** None for `null`. */
function valueOf(value: SettingValue | undefined, type: CellType): Value[] {
  const cell = cellOf(value, type);
  switch (typeof cell) {
    case "number":
      return [{ numberValue: cell }];
    case "boolean":
      return [{ boolValue: cell }];
    case "string":
      return [{ stringValue: cell }];
    default:
      return [];
  }
}

/** A setting whose condition did not hold is left out. */
function sessionEvents(row: TrialRow, sweep: ExportedSweep, settings: readonly SweptSetting[]): Event[] {
  const hparams = settings.flatMap(({ path, type }) =>
    valueOf(row.values[path], type).map((value): [string, Value] => [path, value]),
  );
  const begun = startOf(row, sweep);
  const start = { hparams: Object.fromEntries(hparams), groupName: row.group, startTimeSecs: begun };
  const end = { status: STATUSES[row.state], endTimeSecs: endOf(row, sweep) };
  return [
    pluginEvent(begun, "session_start_info", { sessionStartInfo: start }),
    ...row.rungs.map(({ time, samples, metrics }) => scalars(time, samples, metrics)),
    ...(isFinal(row) ? [pluginEvent(end.endTimeSecs, "session_end_info", { sessionEndInfo: end })] : []),
  ];
}

/** What the plugin reads stands in the summary's metadata; an empty tensor makes it a summary. */
function pluginEvent(wallTime: number, name: string, data: PluginData): Event {
  const content = tensorboard.HParamsPluginData.encode({ version: PLUGIN_VERSION, ...data }).finish();
  return {
    wallTime,
    step: 0,
    summary: {
      value: [
        {
          tag: `_hparams_/${name}`,
          metadata: { pluginData: { pluginName: PLUGIN, content } },
          tensor: { dtype: 1, tensorShape: { dim: [{ size: 0 }] } },
        },
      ],
    },
  };
}
