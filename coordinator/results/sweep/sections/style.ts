/** What a sweep's page needs beyond the look of all pages. */
export const SWEEP_STYLE = `
.card code,code.hash{overflow-wrap:anywhere}
.card .plain{margin:0;font-size:.9rem}
.board td,.board th{vertical-align:top}
.slim td.left,.slim th.left{text-align:left;white-space:normal}
.board tr.behind>*{color:var(--muted)}.board tr.behind b{font-weight:400}
.board td.set{color:var(--muted)}
.board td.id code{font-size:.86em}
.heats{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,440px),1fr));gap:0 14px;align-items:start}
.heats .scroll{min-width:0}
.heat td[style]{background:color-mix(in srgb,var(--series-0) calc(var(--v)*.5%),var(--card))}
.bars td.bar{width:60%;min-width:100px;text-align:left}
.bars th[scope=row]{white-space:normal;overflow-wrap:anywhere;min-width:110px}
.bars td.bar span{display:block;height:12px;border-radius:2px;background:var(--series-0);min-width:1px}
.smalls.slices{grid-template-columns:repeat(auto-fit,minmax(min(100%,290px),1fr))}
.slices figcaption{color:var(--text);font-weight:650;text-align:left;overflow-wrap:anywhere}
.wide-plot{padding:12px 14px}
.wide-plot .plot{min-width:760px}
.tones{font-size:.9rem}
.dot{width:11px;height:11px;border-radius:50%;display:inline-block;flex:none}
.dot.best{background:var(--series-1)}.dot.done{background:var(--series-0)}.dot.early{background:var(--ink-axis)}
.winner pre{margin:6px 0}
.winner p{margin:4px 0}
td.reason,th.reason{text-align:left;white-space:normal;min-width:300px}
@media print{.wide-plot{overflow:visible}.wide-plot .plot{min-width:0}}
`;
