"""How the explorer's page looks, and what its keys and pointer do."""

STYLE = """
:root{color-scheme:light dark;--ground:#fff;--ink:#111;--quiet:#595959;--line:#bbb}
@media(prefers-color-scheme:dark){
:root{--ground:#161616;--ink:#e8e8e8;--quiet:#a8a8a8;--line:#444}}
body{margin:0 auto;max-width:1200px;padding:12px 16px;background:var(--ground);color:var(--ink);
font:15px/1.5 system-ui,sans-serif;overflow-wrap:anywhere}
h1{font-size:16px;margin:0}h2{font-size:17px}h3,h4{font-size:14px;margin:6px 0}
header p,figcaption,footer,.maps p{color:var(--quiet);font-size:12px;margin:2px 0}
nav{display:flex;gap:8px;margin:8px 0}
nav button,nav select{font:inherit;padding:4px 12px;color:inherit;background:transparent;
border:1px solid var(--line);border-radius:4px;max-width:60vw}
nav select option{background:var(--ground)}
button:focus-visible,select:focus-visible{outline:2px solid #1f77d0}
article>div{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,420px),1fr));gap:24px}
section{background:#fff;color:#111;border:1px solid #bbb;border-radius:4px;padding:8px 12px;
color-scheme:light}
section figcaption,.maps p{color:#595959}
.maps{display:flex;flex-wrap:wrap;gap:8px}
.maps p{flex-basis:100%}figure{margin:0;flex:1 1 90px;max-width:320px}
img{width:100%;display:block;border:1px solid #bbb;cursor:crosshair}
.row{display:grid;grid-template-columns:minmax(0,2fr) minmax(0,3fr) 72px;gap:8px;
align-items:center;font-size:13px}
.row>:first-child,.row>:last-child{text-align:right}.row:hover{background:#f0f0f0}
.strips{display:block}.strip{grid-template-columns:minmax(5em,1fr) minmax(0,5fr) 72px;margin:2px 0}
.strip img{height:22px;image-rendering:pixelated;cursor:default}
.bar{position:relative;height:14px;background:linear-gradient(#999,#999) center/1px 100% no-repeat}
.bar i{position:absolute;top:0;bottom:0}
footer{position:sticky;bottom:0;background:var(--ground);padding:6px 0;min-height:1.5em}
footer .trulens-legend,footer .trulens-legend span{color:inherit!important}
""".replace("\n", "")

SCRIPT = """
const records = [...document.querySelectorAll('article')];
const chosen = document.getElementById('chosen');
const value = document.getElementById('value');
records.forEach((r, i) => chosen.add(new Option(r.getAttribute('aria-label'), i)));
const show = (i) => {
  const at = Math.max(0, Math.min(records.length - 1, i));
  records.forEach((r, j) => { r.hidden = j !== at; });
  chosen.value = at;
  value.textContent = '';
};
const step = (by) => show(Number(chosen.value) + by);
document.getElementById('back').onclick = () => step(-1);
document.getElementById('on').onclick = () => step(1);
chosen.onchange = () => show(Number(chosen.value));
document.onkeydown = (e) => {
  if (e.target === chosen || e.ctrlKey || e.metaKey || e.altKey) return;
  const by = {ArrowLeft: -1, ArrowRight: 1, Home: -1e9, End: 1e9}[e.key];
  if (by) { step(by); e.preventDefault(); }
};
document.querySelectorAll('.maps[data-values]').forEach((maps) => {
  let numbers = null;
  const width = Number(maps.dataset.width), height = Number(maps.dataset.height);
  maps.onmousemove = (e) => {
    if (e.target.tagName !== 'IMG') return;
    if (!numbers) {
      const bytes = Uint8Array.from(atob(maps.dataset.values), (c) => c.charCodeAt(0));
      numbers = new Int16Array(bytes.buffer);
    }
    const box = e.target.getBoundingClientRect();
    const at = (p, size, n) => Math.max(0, Math.min(n - 1, Math.floor(p / size * n)));
    const column = at(e.clientX - box.left, box.width, width);
    const row = at(e.clientY - box.top, box.height, height);
    const part = numbers[row * width + column] / 16383;
    const more = Math.abs(part) >= 2 ? ' or more' : '';
    value.textContent = 'row ' + row + ', column ' + column + ': ' +
      (part * Number(maps.dataset.limit)).toPrecision(3) + more;
  };
  maps.onmouseleave = () => { value.textContent = ''; };
});
show(0);
"""
