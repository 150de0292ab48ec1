/** The live state as this page has it: a snapshot, and the deltas since put into it. No DOM here. */

const MOST_EVENTS = 200;

export class Store {
  cluster = undefined;
  /** For how long the coordinator's main thread has said nothing. */
  silentMs = 0;
  runs = new Map();
  curves = new Map();
  series = new Map();
  /** By name; another object whenever something happened in it. */
  sweeps = new Map();
  workers = [];
  waits = [];
  /** The newest first. */
  taken = [];
  /** Oldest first. */
  events = [];

  get isEmpty() {
    return this.cluster === undefined;
  }

  /** Takes a message of the server in; returns the events that are new. */
  take(message) {
    this.silentMs = message.type === "beat" ? message.silent_ms : 0;
    if (message.type === "snapshot") return this.#start(message);
    return message.type === "delta" && !this.isEmpty ? this.#change(message) : [];
  }

  #start({ cluster, runs, curves, series, sweeps, workers, waits, taken, events }) {
    const isSame = this.cluster?.started === cluster.started;
    const known = isSame ? (this.events.at(-1)?.seq ?? -1) : -1;
    const isFirst = this.isEmpty;
    this.cluster = cluster;
    this.runs = new Map(runs.map((run) => [run.name, run]));
    this.curves = new Map(Object.entries(curves));
    this.series = new Map(
      Object.entries(series).map(([name, all]) => [name, new Map(all.map((one) => [keyOf(one), one]))]),
    );
    this.sweeps = new Map(sweeps.map((sweep) => [sweep.name, sweep]));
    Object.assign(this, { workers, waits, taken });
    this.events = events;
    return isFirst ? [] : events.filter(({ seq }) => seq > known);
  }

  #change({ cluster, workers, waits, taken, events, ...change }) {
    if (cluster !== undefined) this.cluster = cluster;
    this.#changeRuns(change);
    this.#changeSweeps(change);
    if (workers !== undefined) Object.assign(this, { workers, waits, taken });
    const last = this.events.at(-1)?.seq ?? -1;
    const fresh = (events ?? []).filter(({ seq }) => seq > last);
    if (fresh.length > 0) this.events = [...this.events, ...fresh].slice(-MOST_EVENTS);
    return fresh;
  }

  #changeRuns({ runs, gone, curves, cleared, series }) {
    for (const name of gone ?? []) {
      for (const map of [this.runs, this.curves, this.series]) map.delete(name);
    }
    for (const run of runs ?? []) this.runs.set(run.name, run);
    for (const [name, change] of Object.entries(curves ?? {})) this.#changeCurve(name, change);
    for (const name of cleared ?? []) this.series.set(name, new Map());
    for (const [name, changed] of Object.entries(series ?? {})) {
      const own = this.series.get(name) ?? new Map();
      for (const one of changed) own.set(keyOf(one), one);
      this.series.set(name, own);
    }
  }

  /** What is not told is as it was: the table of the best. */
  #changeSweeps({ sweeps, gone_sweeps: gone }) {
    for (const name of gone ?? []) this.sweeps.delete(name);
    for (const sweep of sweeps ?? [])
      this.sweeps.set(sweep.name, { ...this.sweeps.get(sweep.name), ...sweep });
  }

  #changeCurve(name, { generation, from, step, loss, accuracy, test }) {
    const curve = this.curves.get(name) ?? { step: [], loss: [], accuracy: [], test: [] };
    const put = (column, fresh) => {
      column.length = Math.min(column.length, from);
      column.push(...fresh);
    };
    put(curve.step, step);
    put(curve.loss, loss);
    put(curve.accuracy, accuracy);
    if (test !== undefined) curve.test = test;
    curve.generation = generation;
    this.curves.set(name, curve);
  }
}

export function keyOf({ protocol, kind, attack, norm }) {
  return [protocol, kind, attack, norm ?? ""].join("/");
}
