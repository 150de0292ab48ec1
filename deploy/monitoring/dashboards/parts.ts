/**
 * What the dashboards are built of. A panel says what it asks, in which unit and why somebody would look at it; its place
 * follows from its size, row by row. Queries use the variables $datasource, $namespace and $run or $sweep, and $__rate_interval.
 */
import * as common from "@grafana/grafana-foundation-sdk/common";
import * as dashboard from "@grafana/grafana-foundation-sdk/dashboard";
import * as heatmap from "@grafana/grafana-foundation-sdk/heatmap";
import * as prometheus from "@grafana/grafana-foundation-sdk/prometheus";
import * as stat from "@grafana/grafana-foundation-sdk/stat";
import * as table from "@grafana/grafana-foundation-sdk/table";
import * as timeseries from "@grafana/grafana-foundation-sdk/timeseries";
import * as xychart from "@grafana/grafana-foundation-sdk/xychart";

/** Matchers of every query: "all" of a variable also takes series without that label. */
export const HERE = 'namespace=~"$namespace"';
export const RUN = `${HERE},run=~"$run"`;
export const SWEEP = `${HERE},sweep=~"$sweep"`;
/** Our processes, for the metrics of their runtime. */
export const PROCESS = `${HERE},job=~"saf-.+"`;

const COLUMNS = 24;
const DATASOURCE = { type: "prometheus", uid: "${datasource}" };
const OURS = "saf";

export interface Query {
  expr: string;
  legend: string;
  /** Show the traces of samples, where there are any. */
  exemplars?: boolean;
}

interface Common {
  title: string;
  /** What it shows, and what to make of it. */
  description: string;
  /** A Grafana unit: "s", "bytes", "percentunit", "suffix: images/s". */
  unit: string;
  /** Of 24 columns. */
  width: number;
  height?: number;
}

export interface SeriesPanel extends Common {
  queries: readonly Query[];
  stacked?: boolean;
  logarithmic?: boolean;
  min?: number;
  max?: number;
}

type PanelBuilder = {
  build(): dashboard.Panel;
  gridPos(at: dashboard.GridPos): unknown;
  id(id: number): unknown;
};

export interface Placed {
  builder: PanelBuilder;
  width: number;
  height: number;
}

export type Row = { title: string; panels: readonly Placed[] };

/** The two quantiles of a histogram that matter, over the rate interval. */
export function quantiles(metric: string, matchers: string, by: readonly string[] = []): Query[] {
  const labels = ["le", ...by].join(", ");
  const suffix = by.map((label) => ` {{${label}}}`).join("");
  return [0.5, 0.95].map((quantile) => ({
    expr: `histogram_quantile(${quantile}, sum by (${labels}) (rate(${metric}_bucket{${matchers}}[$__rate_interval])))`,
    legend: `p${quantile * 100}${suffix}`,
    exemplars: true,
  }));
}

function target({ expr, legend, exemplars }: Query, at: number): prometheus.DataqueryBuilder {
  const query = new prometheus.DataqueryBuilder()
    .refId(String.fromCharCode("A".charCodeAt(0) + at))
    .expr(expr)
    .legendFormat(legend)
    .datasource(DATASOURCE)
    .range();
  return exemplars === true ? query.exemplar(true) : query;
}

function instant(expr: string, format: prometheus.PromQueryFormat): prometheus.DataqueryBuilder {
  return new prometheus.DataqueryBuilder()
    .refId("A")
    .expr(expr)
    .legendFormat("__auto")
    .datasource(DATASOURCE)
    .instant()
    .format(format);
}

const legend = (): common.VizLegendOptionsBuilder =>
  new common.VizLegendOptionsBuilder()
    .displayMode(common.LegendDisplayMode.List)
    .placement(common.LegendPlacement.Bottom)
    .showLegend(true);

export function series(panel: SeriesPanel): Placed {
  const { title, description, unit, width, height = 8, queries } = panel;
  const builder = new timeseries.PanelBuilder()
    .title(title)
    .description(description)
    .unit(unit)
    .datasource(DATASOURCE)
    .targets(queries.map(target))
    .legend(legend())
    .tooltip(
      new common.VizTooltipOptionsBuilder()
        .mode(common.TooltipDisplayMode.Multi)
        .sort(common.SortOrder.Descending),
    )
    .fillOpacity(panel.stacked === true ? 40 : 8)
    .spanNulls(false);
  if (panel.stacked === true)
    builder.stacking(new common.StackingConfigBuilder().mode(common.StackingMode.Normal).group("A"));
  if (panel.logarithmic === true)
    builder.scaleDistribution(
      new common.ScaleDistributionConfigBuilder().type(common.ScaleDistribution.Log).log(10),
    );
  if (panel.min !== undefined) builder.min(panel.min);
  if (panel.max !== undefined) builder.max(panel.max);
  return { builder, width, height };
}

/** The newest value in large figures. */
export function figure(panel: Common & { queries: readonly Query[] }): Placed {
  const { title, description, unit, width, height = 4, queries } = panel;
  const builder = new stat.PanelBuilder()
    .title(title)
    .description(description)
    .unit(unit)
    .datasource(DATASOURCE)
    .targets(queries.map(target))
    .textMode(common.BigValueTextMode.Auto)
    .graphMode(common.BigValueGraphMode.Area)
    .reduceOptions(new common.ReduceDataOptionsBuilder().calcs(["lastNotNull"]).values(false));
  return { builder, width, height };
}

export function list(panel: Common & { expr: string; hide?: readonly string[] }): Placed {
  const { title, description, unit, width, height = 8, expr, hide = [] } = panel;
  const builder = new table.PanelBuilder()
    .title(title)
    .description(description)
    .unit(unit)
    .datasource(DATASOURCE)
    .withTarget(instant(expr, prometheus.PromQueryFormat.Table))
    .withTransformation({
      id: "organize",
      options: { excludeByName: Object.fromEntries(["Time", ...hide].map((name) => [name, true])) },
    });
  return { builder, width, height };
}

export function heat(panel: Common & { expr: string }): Placed {
  const { title, description, unit, width, height = 8, expr } = panel;
  const builder = new heatmap.PanelBuilder()
    .title(title)
    .description(description)
    .unit(unit)
    .datasource(DATASOURCE)
    .withTarget(target({ expr, legend: "{{le}}" }, 0).format(prometheus.PromQueryFormat.Heatmap))
    .calculate(false)
    .showLegend();
  return { builder, width, height };
}

/** One curve for each set of `by`, `x` across: labels become columns, the strength a number. */
export function curve(
  panel: Common & { expr: string; x: string; xTitle: string; by: readonly string[] },
): Placed {
  const { title, description, unit, width, height = 12, expr, x, xTitle, by } = panel;
  const builder = new xychart.PanelBuilder()
    .title(title)
    .description(description)
    .unit(unit)
    .min(0)
    .max(1)
    .datasource(DATASOURCE)
    .withTarget(instant(expr, prometheus.PromQueryFormat.Table))
    .transformations([
      { id: "convertFieldType", options: { conversions: [{ targetField: x, destinationType: "number" }] } },
      { id: "organize", options: { excludeByName: { Time: true } } },
      { id: "sortBy", options: { sort: [{ field: x, desc: false }] } },
      {
        id: "partitionByValues",
        options: { fields: [...by], keepFields: false, naming: { asLabels: true } },
      },
    ])
    .mapping(xychart.SeriesMapping.Auto)
    .show(xychart.XYShowMode.PointsAndLines)
    .overrideByName(x, [
      { id: "unit", value: "none" },
      { id: "custom.axisLabel", value: xTitle },
    ])
    .legend(legend())
    .tooltip(new common.VizTooltipOptionsBuilder().mode(common.TooltipDisplayMode.Single));
  return { builder, width, height };
}

export interface DashboardSpec {
  uid: string;
  title: string;
  description: string;
  /** What is chosen among; runs where nothing is said. */
  choice?: Choice;
  rows: readonly Row[];
}

type Choice = "run" | "sweep";

/** Throws RangeError when a row's panels do not fit side by side as wide as they say. */
export function build({ uid, title, description, choice = "run", rows }: DashboardSpec): dashboard.Dashboard {
  const builder = new dashboard.DashboardBuilder(title)
    .uid(uid)
    .description(description)
    .tags([OURS])
    .timezone("browser")
    .refresh("10s")
    .time({ from: "now-1h", to: "now" })
    .tooltip(dashboard.DashboardCursorSync.Crosshair)
    .editable()
    .variables(variables(choice))
    .annotations(annotations(choice))
    .link(
      new dashboard.DashboardLinkBuilder("Dashboards of saf")
        .type(dashboard.DashboardLinkType.Dashboards)
        .tags([OURS])
        .asDropdown(true)
        .includeVars(true)
        .keepTime(true),
    );
  let id = 1;
  let y = 0;
  for (const row of rows) {
    const heading = new dashboard.RowBuilder(row.title).id(id++).gridPos({ x: 0, y: y++, w: COLUMNS, h: 1 });
    builder.withRow(heading);
    let x = 0;
    let tallest = 0;
    for (const { builder: panel, width, height } of row.panels) {
      if (x + width > COLUMNS) {
        y += tallest;
        [x, tallest] = [0, 0];
      }
      if (width > COLUMNS) throw new RangeError(`${title}: a panel is ${width} columns wide`);
      panel.gridPos({ x, y, w: width, h: height });
      panel.id(id++);
      builder.withPanel(panel);
      x += width;
      tallest = Math.max(tallest, height);
    }
    y += tallest;
  }
  return builder.build();
}

function variables(of: Choice): (dashboard.DatasourceVariableBuilder | dashboard.QueryVariableBuilder)[] {
  const choice = (name: string, label: string, query: string): dashboard.QueryVariableBuilder =>
    new dashboard.QueryVariableBuilder(name)
      .label(label)
      .datasource(DATASOURCE)
      .query({ query, refId: name })
      .definition(query)
      .refresh(dashboard.VariableRefresh.OnTimeRangeChanged)
      .sort(dashboard.VariableSort.AlphabeticalAsc)
      .multi(true)
      .includeAll(true)
      .allValue(".*")
      .current({ selected: true, text: "All", value: "$__all" });
  return [
    new dashboard.DatasourceVariableBuilder("datasource").label("Prometheus").type("prometheus"),
    choice("namespace", "Namespace", "label_values(saf_build_info, namespace)"),
    of === "run"
      ? choice("run", "Run", `label_values(saf_run_info{${HERE}}, run)`)
      : choice("sweep", "Sweep", `label_values(saf_sweep_trials{${HERE}}, sweep)`),
  ];
}

function annotations(choice: Choice): dashboard.AnnotationQueryBuilder[] {
  const of = (name: string, color: string, expr: string, text: string): dashboard.AnnotationQueryBuilder =>
    new dashboard.AnnotationQueryBuilder()
      .name(name)
      .datasource(DATASOURCE)
      .enable(true)
      .iconColor(color)
      .expr(expr)
      .step("15s")
      .titleFormat(name)
      .textFormat(text);
  const checkpoints = of(
    "Checkpoints",
    "blue",
    `saf_checkpoint_last_success_timestamp_seconds{${RUN}} * 1000`,
    "{{run}}",
  ).useValueForTime(true);
  return [
    ...(choice === "run" ? [checkpoints] : []),
    of(
      "Workers that joined",
      "green",
      `sum(saf_workers{${HERE}}) > sum(saf_workers{${HERE}} offset 15s)`,
      "",
    ),
    of("Workers that left", "orange", `sum(saf_workers{${HERE}}) < sum(saf_workers{${HERE}} offset 15s)`, ""),
  ];
}
