// Shows live.json, which the load generator replaces twice a second, until the count is done.
'use strict';

const POLL_MS = 500;
// Sessions above which their squares are drawn smaller.
const MANY = 1000;
// Bars of the chart at least, so that the first ones are not as wide as the page; pixels left free
// around them.
const BARS = 40, LEFT = 44, TOP = 10, BOTTOM = 22;

const make = (tag, attributes = {}, ...children) => {
  const element = document.createElement(tag);
  Object.assign(element, attributes);
  element.append(...children);
  return element;
};
const svg = (tag, attributes, text = '') => {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.textContent = text;
  return element;
};
const show = (id, text) => { document.getElementById(id).textContent = text; };
const number = n => n.toLocaleString('en');
const duration = us => us === null ? '–' : us < 1000 ? `${Math.round(us)} µs`
  : us < 1e6 ? `${(us / 1000).toFixed(1)} ms` : `${(us / 1e6).toFixed(2)} s`;
const size = bytes => bytes < 1e6 ? `${(bytes / 1000).toFixed(1)} KB`
  : `${(bytes / 1e6).toFixed(1)} MB`;

// The squares by node and session, and what the sessions' counters were when they were drawn last.
const squares = new Map();
let counters = [];

async function poll() {
  let live = null;
  try {
    const response = await fetch('/live.json');
    if (response.ok) live = await response.json();
  } catch {
    show('phase', 'the demo has ended');
    return;
  }
  if (live) draw(live);
  if (live?.phase !== 'done') setTimeout(poll, POLL_MS);
}

function draw(live) {
  const [, one = 0, two = 0] = live.history.at(-1) ?? [];
  show('handler', live.handler);
  show('phase', live.phase === 'counting'
    ? `${live.elapsed_s.toFixed(0)} s of ${live.seconds}` : live.phase);
  show('total', number(live.total));
  // The mean when all is done, what it is now before.
  show('rate', number(live.phase === 'done' ? Math.round(live.total / live.elapsed_s) : one + two));
  show('refused', number(live.refused));
  document.getElementById('refused').className = live.refused ? 'bad' : '';
  show('contended', number(live.contended));
  show('start-median', duration(live.start_us.median));
  show('start-most', duration(live.start_us.most));
  show('start-longest', duration(live.start_us.longest));
  drawRates(live);
  drawServers(live);
  drawNodes(live);
  document.getElementById('errors').replaceChildren(...Object.entries(live.errors).map(
    ([error, count]) => make('li', {}, `${number(count)} times: ${error}`)));
  if (live.exact !== null) drawVerdict(live);
}

function drawRates(live) {
  const chart = document.getElementById('rates');
  const width = chart.clientWidth - LEFT, height = chart.clientHeight - BOTTOM;
  const sums = live.history.map(([, ...counts]) => counts.reduce((sum, count) => sum + count));
  const step = roundStep(Math.max(...sums, 1) / 3);
  const top = step * Math.ceil(Math.max(...sums, 1) / step);
  const y = count => TOP + (height - TOP) * (1 - count / top);
  const bar = width / Math.max(live.history.length, BARS);
  const marks = [];
  for (let count = 0; count <= top; count += step) {
    marks.push(svg('line', {class: 'grid', x1: LEFT, x2: LEFT + width, y1: y(count), y2: y(count)}),
      svg('text', {x: LEFT - 6, y: y(count) + 4, 'text-anchor': 'end'}, number(count)));
  }
  const first = live.history[0]?.[0] ?? 0, last = live.history.at(-1)?.[0] ?? 0;
  const label = roundStep((last - first) / 10);
  let labelled = Math.floor(first / label);
  live.history.forEach(([s, ...counts], index) => {
    let below = 0;
    ['web1', 'web2', 'lost'].forEach((name, i) => {
      marks.push(svg('rect', {
        class: name, x: LEFT + index * bar, width: Math.max(bar - 1, .5),
        y: y(below + counts[i]), height: y(below) - y(below + counts[i]),
      }));
      below += counts[i];
    });
    if (Math.floor(s / label) > labelled) {
      labelled = Math.floor(s / label);
      marks.push(svg('text', {
        x: LEFT + (index + 1) * bar, y: height + 18, 'text-anchor': 'end',
      }, `${labelled * label} s`));
    }
  });
  chart.replaceChildren(...marks);
}

// The smallest of 1, 2, 5, 10, 20, ... that is not below.
function roundStep(least) {
  const power = 10 ** Math.floor(Math.log10(Math.max(least, 1)));
  return [1, 2, 5, 10].map(factor => factor * power).find(step => step >= least);
}

function drawServers(live) {
  document.getElementById('servers').replaceChildren(...live.servers.map((server, i) => {
    const share = make('i');
    share.style.width = `${100 * server.answers / Math.max(live.total, 1)}%`;
    return make('section', {className: 'card'},
      make('h2', {}, `web ${i + 1}`, make('b', {}, number(server.answers))),
      make('div', {className: `share web${i + 1}`}, share),
      make('p', {}, `increments by ${server.workers} php-fpm workers`
        + (server.waits === null ? '' : `; ${server.waits}`)));
  }));
}

function drawNodes(live) {
  const many = live.acknowledged.length > MANY ? 'sessions many' : 'sessions';
  document.getElementById('nodes').replaceChildren(...live.nodes.map(node => {
    const facts = node.up
      ? [['items', number(node.items)], ['hits', number(node.hits)],
        ['misses', number(node.misses)], ['stores', number(node.stores)],
        ['in use', size(node.bytes)]]
        .flatMap(([name, value]) => [make('b', {}, value), ` ${name}  `])
      : ['does not answer'];
    return make('section', {className: node.up ? 'card' : 'card down'},
      make('h2', {}, node.name,
        make('span', {}, make('b', {}, number(node.sessions.length)), ' sessions')),
      make('div', {className: many}, ...[...node.sessions].sort((a, b) => a - b).map(
        session => square(node.name, session, live))),
      make('p', {}, ...facts));
  }));
  // The squares that have grown fade from now on: the browser has to see them lit before.
  document.body.offsetWidth;
  for (const element of squares.values()) element.classList.remove('grown');
  counters = live.acknowledged;
}

function square(node, session, live) {
  const key = `${node} ${session}`;
  if (!squares.has(key)) squares.set(key, make('i'));
  const element = squares.get(key);
  const count = live.acknowledged[session], busy = live.under_way[session];
  element.className = (count > (counters[session] ?? count) ? 'grown ' : '') + (busy ? 'busy' : '');
  element.title = `session ${session}: ${number(count)} increments, ${busy} under way`;
  return element;
}

function drawVerdict(live) {
  const verdict = document.getElementById('verdict');
  verdict.hidden = false;
  verdict.classList.toggle('bad', !live.exact);
  show('verdict-text', live.exact
    ? 'Exact: every acknowledged increment is in its session, and nothing else.'
    : 'Not everything held.');
  document.getElementById('results').replaceChildren(...live.results.map(row => make('div', {},
    make('dt', {}, row.what), make('dd', {}, row.result),
    ...row.broken.map(sentence =>
      make('dd', {className: 'broken'}, `does not hold: ${sentence}`)))));
}

poll();
