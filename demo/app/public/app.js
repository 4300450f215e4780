// What the pages do beyond forms: the parallel requests and their timeline, and the live counters.
'use strict';

const csrf = document.querySelector('meta[name=csrf]').content;
const svg = (name, attributes, text = '') => {
  const element = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.textContent = text;
  return element;
};
const duration = us => us < 1000 ? `${Math.round(us)} µs`
  : us < 1e6 ? `${(us / 1000).toFixed(us < 1e4 ? 2 : 1)} ms` : `${(us / 1e6).toFixed(2)} s`;

// --- Parallel requests ---------------------------------------------------------------------------

const REQUESTS = 50;
const form = document.querySelector('#fire');
const timeline = document.querySelector('#timeline');
// Pixels left free beside the lines, and below them for the axis.
const MARGIN = 8, BOTTOM = 30;

if (form) {
  timeline.append(svg('text', {x: '50%', y: '50%', class: 'idle'}, 'Press the button.'));
  form.addEventListener('submit', event => { event.preventDefault(); fire(); });
}

async function fire() {
  const button = form.querySelector('button');
  const body = new URLSearchParams(new FormData(form));
  const done = [];
  let failed = 0, waiting = false;
  button.disabled = true;
  show('counted', `0 of ${REQUESTS}`, '');
  await Promise.all(Array.from({length: REQUESTS}, async () => {
    try {
      const headers = {'X-CSRF-Token': csrf};
      const response = await fetch('/api/increment', {method: 'POST', headers, body});
      if (!response.ok) throw new Error(response.status);
      done.push(await response.json());
    } catch {
      failed++;
    }
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; draw(done, failed); });
  }));
  button.disabled = false;
}

// Draws all answers so far. The clock is the machine's, the same for all workers; the first arrival
// is 0.
function draw(done, failed) {
  done.sort((a, b) => a.at_us.opened - b.at_us.opened);
  const first = Math.min(...done.map(r => r.at_us.asked));
  const span = Math.max(...done.map(r => r.at_us.closed)) - first;
  const width = timeline.clientWidth, height = timeline.clientHeight - BOTTOM;
  const row = height / REQUESTS;
  const x = us => MARGIN + (width - 2 * MARGIN) * (us - first) / span;
  const name = r => `${r.worker.host} ${r.worker.pid}`;
  const served = new Map();
  for (const r of done) served.set(name(r), (served.get(name(r)) ?? 0) + 1);
  const workers = [...served.keys()].sort();

  timeline.replaceChildren(...axis(span, us => x(first + us), width, height));
  done.forEach((r, index) => {
    const {asked, opened, closed} = r.at_us;
    const group = svg('g', {class: `w${workers.indexOf(name(r)) % 8}`});
    const bar = (kind, from, to) => svg('rect', {
      class: `bar ${kind}`, x: x(from), width: Math.max(x(to) - x(from), 1.5),
      y: index * row + 1, height: row - 2, rx: 2,
    });
    group.append(bar('wait', asked, opened), bar('held', opened, closed),
      svg('title', {}, `count ${r.count}, worker ${name(r)}: `
        + `waited ${duration(opened - asked)}, held ${duration(closed - opened)}`));
    timeline.append(group);
  });

  // Every increment must be there once: distinct counts without a gap.
  const counts = done.map(r => r.count);
  const range = Math.max(...counts) - Math.min(...counts) + 1;
  const right = new Set(counts).size === done.length && range === done.length;
  const complete = done.length === REQUESTS;
  const verdict = failed || (complete && !right) ? 'bad' : complete ? 'good' : '';
  show('counted', `${done.length} of ${REQUESTS}`, verdict);
  const waits = done.map(r => r.cost.lock_wait_us ?? r.at_us.opened - r.at_us.asked)
    .sort((a, b) => a - b);
  show('workers', served.size);
  show('wait-median', duration(waits[waits.length >> 1]));
  show('wait-longest', duration(waits.at(-1)));
  show('elapsed', duration(span));
  document.querySelector('#legend').replaceChildren(...workers.map((worker, index) => {
    const key = document.createElement('span'), swatch = document.createElement('i');
    key.className = 'key';
    swatch.className = `swatch w${index % 8}`;
    key.append(swatch, ` worker ${worker.split(' ').at(-1)}: ${served.get(worker)}`);
    return key;
  }));
}

// Grid lines at a round step, so that their labels have 80 pixels each at least.
function axis(span, x, width, height) {
  const power = 10 ** Math.max(Math.floor(Math.log10(span)), 1);
  const step = [0.1, 0.2, 0.5, 1, 2, 5, 10].map(f => f * power).find(s => span / s <= width / 80);
  const lines = [];
  for (let us = 0; us <= span; us = Math.round(us + step)) {
    const at = x(us);
    const anchor = us === 0 ? 'start' : at > width - 40 ? 'end' : 'middle';
    lines.push(svg('line', {class: 'grid', x1: at, x2: at, y1: 0, y2: height}),
      svg('text', {x: at, y: height + 20, 'text-anchor': anchor}, us ? `${us / 1000} ms` : '0'));
  }
  return lines;
}

function show(id, text, className) {
  const element = document.getElementById(id);
  element.textContent = text;
  if (className !== undefined) element.className = className;
}

// --- Counters ------------------------------------------------------------------------------------

// Once a second while somebody looks. The request reads the session without a lock.
if (document.querySelector('#counters')) {
  setInterval(async () => {
    if (document.hidden) return;
    const response = await fetch('/api/state');
    if (!response.ok) return;
    for (const [name, value] of Object.entries((await response.json()).counters)) {
      const element = document.querySelector(`[data-counter="${CSS.escape(name)}"]`);
      const text = name.endsWith('_us') ? duration(value) : value.toLocaleString('en');
      if (element) element.textContent = text;
    }
  }, 1000);
}
