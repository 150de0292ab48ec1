/** The look of the report: light and dark, wide and narrow, screen and paper. No fonts and no images from outside. */
import { inkVariables } from "./plot-style.js";

export const PAGE_STYLE = `
:root{color-scheme:light dark;--page:#f6f7f9;--card:#fff;--line:#dfe3e8;--text:#1c2128;--muted:#59636e;
--accent:#0b5cad;--right:#1a7f45;--wrong:#c2321f;--warn-back:#fff6e0;--warn-line:#d9a514;--edge:#5a636d66;${inkVariables("light")}}
@media (prefers-color-scheme:dark){:root{--page:#14171b;--card:#1c2026;--line:#333a43;--text:#e6e9ee;--muted:#9aa4b0;
--accent:#7cb7f5;--right:#4cc882;--wrong:#ff8a73;--warn-back:#2c2613;--warn-line:#a5801a;--edge:#0009;${inkVariables("dark")}}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--page);color:var(--text);
font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,Arimo,"Liberation Sans",Arial,sans-serif}
main,header,footer{max-width:1180px;margin:0 auto;padding:0 20px}
header{padding-top:34px}
h1{font-size:1.9rem;line-height:1.2;margin:0 0 6px;overflow-wrap:anywhere}
h2{font-size:1.3rem;line-height:1.3;margin:44px 0 6px}
h3{font-size:1.02rem;margin:0 0 4px;overflow-wrap:anywhere}
p{margin:8px 0;max-width:76ch}
a{color:var(--accent)}
.muted,figcaption,caption{color:var(--muted);font-size:.9rem}
nav ul{list-style:none;display:flex;flex-wrap:wrap;gap:4px 18px;margin:14px 0 0;padding:0;font-size:.95rem}
code,pre{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace;font-size:.88em}
pre{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:12px 14px;margin:8px 0;
white-space:pre-wrap;overflow-wrap:anywhere}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,270px),1fr));gap:14px;margin:22px 0 0}
.card,.panel{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:16px 18px;min-width:0}
.card h2{margin:0;font-size:1.05rem;display:flex;align-items:center;gap:9px;overflow-wrap:anywhere}
.big{font-size:2.3rem;font-weight:650;line-height:1.15;margin:8px 0 0;font-variant-numeric:tabular-nums}
.big small{font-size:1.1rem;font-weight:400}
.card dl{display:grid;grid-template-columns:auto auto;gap:4px 12px;margin:12px 0 0;padding-top:10px;
border-top:1px solid var(--line);font-size:.94rem}
.card dt{color:var(--muted)}
.card dd{margin:0;text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
.reading{padding-left:1.2em;margin:10px 0}
.reading li{margin:6px 0;max-width:86ch}
.warning{background:var(--warn-back);border:1px solid var(--warn-line);border-left-width:5px;border-radius:8px;
padding:12px 16px;margin:16px 0}
.warning p{max-width:none;margin:4px 0}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:6px 24px;margin:12px 0;padding:0}
.legend li{display:flex;align-items:center;gap:8px}
.swatch{flex:none;width:44px;height:14px}
.panels{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,310px),1fr));gap:14px}
figure{margin:0}
figure.panel{padding:14px 14px 12px;width:100%;max-width:660px}
figure .legend{gap:2px 14px;margin:6px 0;font-size:.86rem}
.plot{display:block;width:100%;height:auto;margin:6px auto 4px}
.plot text{font-family:inherit}
.scroll{overflow-x:auto;border:1px solid var(--line);border-radius:10px;margin:14px 0;background-color:var(--card);
background-image:linear-gradient(90deg,var(--card) 40%,transparent),linear-gradient(-90deg,var(--card) 40%,transparent),
linear-gradient(90deg,var(--edge),transparent),linear-gradient(-90deg,var(--edge),transparent);
background-position:0 0,100% 0,0 0,100% 0;background-size:56px 100%,56px 100%,18px 100%,18px 100%;
background-repeat:no-repeat;background-attachment:local,local,scroll,scroll}
.scroll:focus-visible,a:focus-visible,summary:focus-visible{outline:2px solid var(--accent);outline-offset:2px}
table{border-collapse:separate;border-spacing:0;width:100%;font-size:.92rem;font-variant-numeric:tabular-nums}
caption{text-align:left;padding:12px 14px 8px}
table.fit{width:auto;min-width:min(100%,34rem)}
caption span{display:inline-block;position:sticky;left:14px;max-width:calc(100vw - 62px)}
caption strong{color:var(--text);font-size:1rem;margin-right:4px}
th,td{padding:3px 14px;text-align:right;border-top:1px solid var(--line);white-space:nowrap;font-weight:400}
thead th{color:var(--muted);border-top:0;vertical-align:bottom}
thead th[scope=colgroup]{color:var(--text);font-weight:650;text-align:center;border-left:1px solid var(--line)}
tr .edge{border-left:1px solid var(--line)}
th[scope=row]{font-weight:650}
th[scope=row],thead tr:first-child>th:first-child{position:sticky;left:0;background:var(--card);z-index:1}
td.strong{font-weight:650}
.slim td,.slim th{padding:3px 9px}
.dense td,.dense th{padding:4px 6px}
.dense th:first-child{padding-left:14px}.dense td:last-child,.dense th:last-child{padding-right:14px}
.dense:not(.fit) thead th:not(:first-child){width:7%}
.dense b{display:block;font-weight:650}
.dense small{display:block;color:var(--muted);font-size:.76em;line-height:1.25}
.dense td.left,.dense th.left{text-align:left}
.marked{background:color-mix(in srgb,var(--accent) 9%,var(--card))}
tr.marked>*{background:color-mix(in srgb,var(--accent) 9%,var(--card))}
table.plain th,table.plain td{text-align:left;white-space:normal;overflow-wrap:anywhere;vertical-align:top}
table.plain th{width:30%}
.grids{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,470px),1fr));gap:14px}
.row{margin:14px 0 0}
.row h4{margin:0 0 6px;font-size:.93rem;font-weight:650}
.images{display:grid;grid-template-columns:repeat(auto-fill,minmax(54px,1fr));gap:10px 8px;margin:0;padding:0;list-style:none}
.images figure{text-align:center;min-width:0}
.images img{display:block;width:100%;max-width:84px;margin:0 auto;height:auto;image-rendering:pixelated;border:3px solid;border-radius:4px}
.images figcaption{font-size:.8rem;line-height:1.3;margin-top:4px;color:var(--text)}
.images small{display:block;color:var(--muted);font-size:.95em}
.is-right img{border-color:var(--right)}
.is-wrong img{border-color:var(--wrong);border-style:dashed}
.is-right b{color:var(--right)}
.is-wrong b{color:var(--wrong)}
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
footer{padding:30px 20px 40px}
@media (max-width:600px){body{font-size:15.5px}main,header,footer{padding-left:14px;padding-right:14px}
th,td{padding:5px 9px}.big{font-size:2rem}.images{grid-template-columns:repeat(4,1fr)}.card,.panel{padding:14px}}
@media print{:root{--page:#fff;--card:#fff;--line:#c9ced4;--text:#000;--muted:#444;--warn-back:#fff;${inkVariables("light")}}
body{font-size:10.5pt}th,td{padding:1px 8px;font-size:8.5pt}nav{display:none}main,header,footer{max-width:none;padding:0}
.card,figure,.row,tr,.warning,.scroll,pre{break-inside:avoid}h2,h3,h4{break-after:avoid}.scroll{overflow:visible;background-image:none}th[scope=row],thead tr:first-child>th:first-child{position:static}
.dense th,.dense td{padding:1px 3px;font-size:7.5pt}.images img{max-width:48px}
.panels{grid-template-columns:repeat(2,1fr)}.grids{grid-template-columns:1fr}.images{grid-template-columns:repeat(10,1fr)}
.images img,tr.marked>*{-webkit-print-color-adjust:exact;print-color-adjust:exact}}
@media (max-width:600px){.summary{row-gap:10px}.summary li{grid-template-columns:1fr;gap:0}}
@media print{.summary,.claims>li,.features h4{break-inside:avoid}}
`;
