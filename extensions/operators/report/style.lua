--- The style sheet of the page: one column, light and dark, nothing loaded from anywhere.

return [[
:root{--bg:#f7f7f5;--card:#fff;--ink:#1d1f23;--soft:#646a73;--line:#e4e4df;--accent:#3b5bdb;--good:#2b7a4b;
--bad:#b3261e;
--warn:#8a5a00;--info:#44546a;--good-bg:#e6f4ea;--bad-bg:#fbe9e7;--warn-bg:#fdf3dc;--info-bg:#eceff4;--code:#f1f1ed}
@media (prefers-color-scheme:dark){:root{--bg:#15171b;--card:#1d2026;--ink:#e7e8ea;--soft:#9aa1ab;
--line:#2d323a;--accent:#91a7ff;
--good:#7bd49c;--bad:#ff9a90;--warn:#f3c467;--info:#b4c2d6;--good-bg:#173224;--bad-bg:#3c1e1c;
--warn-bg:#37290e;--info-bg:#252c36;--code:#262a31}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);
font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif}
main{max-width:60rem;margin:0 auto;padding:2.5rem 1.25rem 4rem}
header{margin-bottom:1.75rem}
h1{font-size:1.9rem;line-height:1.2;letter-spacing:-.01em;margin:0 0 .35rem}
h2{font-size:1.05rem;margin:0 0 .9rem;display:flex;align-items:baseline;gap:.6rem}
h2 small{font-weight:400;color:var(--soft);font-size:.875rem}
h3{font-size:.95rem;margin:1.2rem 0 .4rem}
p{margin:.4rem 0}
.sub{color:var(--soft);font-size:1.05rem}
.note{border-left:3px solid var(--accent);padding:.15rem 0 .15rem .8rem;margin:1rem 0 0;color:var(--soft)}
section{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:1.25rem 1.4rem;
margin:0 0 1.1rem}
.tiles{display:flex;flex-wrap:wrap;gap:2rem;margin:0 0 1rem}
.tiles div{min-width:4.5rem}
.tiles b{display:block;font-size:1.6rem;line-height:1.15;font-variant-numeric:tabular-nums}
.tiles span{color:var(--soft);font-size:.875rem}
.plus{color:var(--good)}.minus{color:var(--bad)}
.chips{display:flex;flex-wrap:wrap;gap:.5rem;margin:0;padding:0;list-style:none}
.chip{border-radius:99px;padding:.15rem .7rem;font-size:.875rem;font-weight:500;white-space:nowrap}
.good{background:var(--good-bg);color:var(--good)}.bad{background:var(--bad-bg);color:var(--bad)}
.warn{background:var(--warn-bg);color:var(--warn)}.info{background:var(--info-bg);color:var(--info)}
code,.place{font:.86em/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace}
code{background:var(--code);border-radius:4px;padding:.08em .32em;overflow-wrap:anywhere}
.rows{list-style:none;margin:0;padding:0}
.rows li{padding:.55rem 0;border-top:1px solid var(--line);display:grid;grid-template-columns:6.5rem minmax(0,1fr);
gap:.2rem .9rem;align-items:baseline}
.rows li:first-child{border-top:0;padding-top:0}
.rows li:last-child{padding-bottom:0}
.rows .chip{justify-self:start;font-size:.78rem;padding:.05rem .55rem}
.place{color:var(--soft);overflow-wrap:anywhere}
.what{overflow-wrap:anywhere}
.rows pre{margin:.35rem 0 0;padding:.45rem .65rem;background:var(--code);border-radius:6px;overflow-x:auto;
font:.82rem/1.45 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
.text ul{margin:.5rem 0;padding-left:1.2rem}.text li{margin:.25rem 0}
table{width:100%;border-collapse:collapse;font-size:.93rem}
th{text-align:left;color:var(--soft);font-weight:500;font-size:.82rem;padding:0 .6rem .5rem 0}
td{border-top:1px solid var(--line);padding:.42rem .6rem .42rem 0;vertical-align:baseline}
td.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap;width:1%}
td.bar{width:7rem;padding-right:0}
td.s{color:var(--soft);white-space:nowrap;width:1%}
.bar i{display:inline-block;height:.55rem;vertical-align:middle}
.bar .a{background:var(--good);border-radius:2px 0 0 2px}.bar .r{background:var(--bad);border-radius:0 2px 2px 0}
.quiet{color:var(--soft)}
details summary{cursor:pointer;color:var(--soft);font-size:.875rem;margin-top:.9rem}
footer{color:var(--soft);font-size:.82rem;text-align:center;margin-top:1.5rem}
@media (max-width:36rem){.rows li{grid-template-columns:minmax(0,1fr)}
.tiles{gap:.8rem}.tiles div{min-width:3.4rem}td.bar,th.bar{display:none}
section{padding:1rem}}
@media print{body{background:#fff}section{break-inside:avoid;border-color:#ccc}}
]]
