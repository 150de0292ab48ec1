/** What a reproduction's page needs beyond the style of every report. */
import { PAGE_STYLE } from "../page-style.js";

export const REPRODUCTION_STYLE = `${PAGE_STYLE}
h3.gap{margin-top:26px}
h4{font-size:.93rem;font-weight:650;margin:14px 0 2px}
.missing{color:var(--muted);font-style:italic}
table.text th,table.text td{text-align:left}
td.wide{white-space:normal;min-width:280px}
caption.hidden{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
tr.unreliable>td.strong{text-decoration:underline dashed 1.5px;text-underline-offset:4px}
.summary{list-style:none;margin:18px 0 0;padding:0;display:grid;gap:4px 18px;
grid-template-columns:repeat(auto-fit,minmax(min(100%,420px),1fr));font-size:.93rem}
.summary li{display:grid;grid-template-columns:10.5em 1fr;gap:8px;align-items:baseline}
.summary a{color:var(--text);text-decoration-color:var(--line)}
.verdict{white-space:nowrap;font-weight:650;border:1.5px solid;border-radius:6px;padding:0 7px;font-size:.86em;
justify-self:start;display:inline-block}
.verdict.holds{color:var(--right)}
.verdict.fails{color:var(--wrong);border-style:dashed}
.verdict.open{color:var(--muted);border-style:dotted}
.claims{padding:0;margin:14px 0;list-style:none;display:grid;gap:12px}
.claims p{margin:4px 0;max-width:none}
.claims .claim{display:flex;flex-wrap:wrap;gap:6px 12px;align-items:baseline}
.claims .scroll{margin:8px 0 0}
.claims th,.claims td{padding:3px 10px}
.claims td.edge .verdict{font-size:.8em}
td.edge{text-align:right}
table:not(.plain):not(.text) thead tr:first-child th:first-child,table:not(.plain):not(.text) th[scope=row]{text-align:left}
.joints{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,300px),1fr));gap:8px 18px;max-width:820px}
.joints .plot{margin:4px 0}
.smalls{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(45%,180px),1fr));gap:8px 14px}
.smalls.wide{grid-template-columns:repeat(auto-fit,minmax(min(100%,240px),1fr))}
.smalls figcaption{text-align:center}
.features{margin:14px 0}
.features>.plot{margin-left:0}
.chip{width:26px;height:12px;border-radius:2px;display:inline-block}
.chip.paper{background:var(--series-0)}
.chip.modern{background:var(--series-1)}
.chip.hollow{border:1.6px dashed var(--series-1)}
@media (max-width:600px){.summary{row-gap:10px}.summary li{grid-template-columns:1fr;gap:0}}
@media print{.summary,.claims>li,.features h4{break-inside:avoid}}
`;
