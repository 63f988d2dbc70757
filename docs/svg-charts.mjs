// Charts as plain SVG, in the colours of the reader's system: bars for who is compared, lines for what changes with time.
// Every axis begins at zero and names its unit.

const WIDTH = 760;
const FONT = 13;
const TOP = 64;
const ROW = 30;
const BAR = 18;
const LABELS = 190;
/** Room for the value behind a bar, and for whoever ends a line. */
const RIGHT = 90;
const TICKS = 5;
/** The width of one, at most on average: a file cannot measure its text. */
const LETTER = 7.5;

/** Of the kinds of things drawn: light, dark. */
const COLOURS = {
  ours: ['#1f6feb', '#6ea8fe'],
  peer: ['#8c959f', '#8b949e'],
  database: ['#d4761c', '#f0a95b'],
  process: ['#1f6feb', '#6ea8fe'],
  limit: ['#c93c37', '#ff7b72'],
};

/**
 * Bars from the left, one a row: `{label, kind, value, min, max}`, or `{label, parts: [{kind, value, name}]}` where
 * each is made of several. `limit`: `{value, name}`, a line through all of them.
 */
export function barChart({ title, unit, rows, limit }) {
  const totals = rows.map((row) => row.value ?? row.parts.reduce((sum, part) => sum + part.value, 0));
  const most = Math.max(...totals, ...rows.map(({ max }) => max ?? 0), limit?.value ?? 0);
  const { ticks, end } = ticksUpTo(most);
  const [left, right] = [LABELS, WIDTH - RIGHT];
  const x = (value) => left + (value / end) * (right - left);
  const bottom = TOP + rows.length * ROW;
  const grid = ticks.map(
    (tick) =>
      `<line class="grid" x1="${px(x(tick))}" y1="${TOP - 6}" x2="${px(x(tick))}" y2="${bottom}"/>` +
      `<text class="tick" x="${px(x(tick))}" y="${bottom + 17}" text-anchor="middle">${short(tick)}</text>`,
  );
  const bars = rows.map((row, index) => {
    const middle = TOP + index * ROW + ROW / 2 - 3;
    let from = 0;
    const parts = (row.parts ?? [{ kind: row.kind, value: row.value }]).map(({ kind, value, name }) => {
      const box =
        `<rect class="${kind}" x="${px(x(from))}" y="${middle - BAR / 2}" width="${px(x(value) - x(0))}" height="${BAR}">` +
        `<title>${escaped(`${row.label}${name ? `, ${name}` : ''}: ${short(value)} ${unit}`)}</title></rect>`;
      from += value;
      return box;
    });
    const spread =
      row.min !== undefined && row.max > row.min
        ? `<path class="spread" d="M${px(x(row.min))} ${middle - 4}v8m0-4H${px(x(row.max))}m0-4v8"/>`
        : '';
    const end = Math.max(x(totals[index]), spread ? x(row.max) : 0);
    return (
      `<text x="${left - 8}" y="${middle + 4}" text-anchor="end">${escaped(row.label)}</text>${parts.join('')}${spread}` +
      `<text class="value" x="${px(end + 6)}" y="${middle + 4}">${short(totals[index])}</text>`
    );
  });
  const bound = limit
    ? `<line class="limit" x1="${px(x(limit.value))}" y1="${TOP - 10}" x2="${px(x(limit.value))}" y2="${bottom}"/>` +
      `<text class="limit-name" x="${px(x(limit.value))}" y="${TOP - 14}" text-anchor="middle">${escaped(limit.name)}</text>`
    : '';
  const axis = `<text class="axis" x="${px((left + right) / 2)}" y="${bottom + 38}" text-anchor="middle">${escaped(unit)}</text>`;
  return drawing(title, bottom + 50, [...grid, ...bars, bound, axis, legendOf(rows)]);
}

/**
 * Lines over time or amount: `series` is `[{name, kind, points: [{x, value, min, max}]}]`, the spread of rounds is
 * drawn behind the line. `limit`: `{value, name}`, a level that it should not fall below.
 */
export function lineChart({ title, unit, along, series, limit }) {
  const points = series.flatMap((one) => one.points);
  const up = ticksUpTo(Math.max(...points.map(({ max }) => max), limit?.value ?? 0));
  const across = ticksUpTo(Math.max(...points.map((point) => point.x)));
  const [left, right, bottom] = [84, WIDTH - RIGHT, TOP + 240];
  const x = (value) => left + (value / across.end) * (right - left);
  const y = (value) => bottom - (value / up.end) * (bottom - TOP);
  const grid = [
    ...up.ticks.map(
      (tick) =>
        `<line class="grid" x1="${left}" y1="${px(y(tick))}" x2="${right}" y2="${px(y(tick))}"/>` +
        `<text class="tick" x="${left - 8}" y="${px(y(tick) + 4)}" text-anchor="end">${short(tick)}</text>`,
    ),
    ...across.ticks.map(
      (tick) =>
        `<text class="tick" x="${px(x(tick))}" y="${bottom + 17}" text-anchor="middle">${short(tick)}</text>`,
    ),
  ];
  const lines = series.map(({ name, kind, points: own }) => {
    const there = own.map((point) => `${px(x(point.x))} ${px(y(point.max))}`);
    const back = [...own].reverse().map((point) => `${px(x(point.x))} ${px(y(point.min))}`);
    const last = own.at(-1);
    return (
      `<path class="${kind} between" d="M${[...there, ...back].join('L')}Z"/>` +
      `<path class="${kind} line" d="M${own.map((point) => `${px(x(point.x))} ${px(y(point.value))}`).join('L')}"/>` +
      own
        .map(
          (point) =>
            `<circle class="${kind}" cx="${px(x(point.x))}" cy="${px(y(point.value))}" r="3">` +
            `<title>${escaped(`${name}, ${short(point.x)}: ${short(point.value)} ${unit}`)}</title></circle>`,
        )
        .join('') +
      `<text class="value" x="${px(x(last.x) + 8)}" y="${px(y(last.value) + 4)}">${short(last.value)}</text>`
    );
  });
  const bound = limit
    ? `<line class="limit" x1="${left}" y1="${px(y(limit.value))}" x2="${right}" y2="${px(y(limit.value))}"/>` +
      `<text class="limit-name" x="${left + 6}" y="${px(y(limit.value) + 16)}">${escaped(limit.name)}</text>`
    : '';
  const axes =
    `<text class="axis" x="${(left + right) / 2}" y="${bottom + 38}" text-anchor="middle">${escaped(along)}</text>` +
    `<text class="axis" transform="rotate(-90)" x="${-(TOP + bottom) / 2}" y="20" text-anchor="middle">${escaped(unit)}</text>`;
  return drawing(title, bottom + 50, [...grid, ...lines, bound, axes]);
}

function drawing(title, height, parts) {
  const rules = (shade) =>
    Object.entries(COLOURS)
      .map(([kind, colours]) => `.${kind}{fill:${colours[shade]};stroke:${colours[shade]}}`)
      .join('');
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${escaped(title)}">
<title>${escaped(title)}</title>
<style>
text{font:${FONT}px system-ui,sans-serif;fill:#1f2328}
.back{fill:#fff}.head{font-size:15px;font-weight:600}.tick,.axis{fill:#59636e;font-size:12px}.value{font-weight:600}
.grid{stroke:#d1d9e0}.spread{fill:none;stroke:#1f2328}
${rules(0)}
rect,circle{stroke:none!important}.line{fill:none!important;stroke-width:2}.between{stroke:none!important;opacity:.2}
.limit{stroke-width:1.5;stroke-dasharray:6 4}.limit-name{fill:#c93c37;font-size:12px}
@media(prefers-color-scheme:dark){
text{fill:#f0f6fc}.back{fill:#0d1117}.tick,.axis{fill:#9198a1}.grid{stroke:#3d444d}.spread{stroke:#f0f6fc}
${rules(1)}.limit-name{fill:#ff7b72}}
</style>
<rect class="back" width="${WIDTH}" height="${height}"/>
<text class="head" x="16" y="24">${escaped(title)}</text>
${parts.filter(Boolean).join('\n')}
</svg>
`;
}

/** What the parts of bars are, where they have parts. */
function legendOf(rows) {
  const named = new Map(
    rows.flatMap(({ parts = [] }) => parts).flatMap(({ kind, name }) => (name ? [[name, kind]] : [])),
  );
  let from = LABELS;
  return [...named]
    .map(([name, kind]) => {
      const entry =
        `<rect class="${kind}" x="${from}" y="34" width="12" height="12"/>` +
        `<text x="${from + 18}" y="44">${escaped(name)}</text>`;
      from += 44 + Math.ceil(name.length * LETTER);
      return entry;
    })
    .join('');
}

/** Round steps of 1, 2 or 5 times a power of ten. */
function ticksUpTo(most) {
  const rough = (most > 0 ? most : 1) / TICKS;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((times) => times * power).find((one) => one >= rough * 0.999);
  const count = Math.ceil(most / step - 1e-9) || 1;
  return { ticks: Array.from({ length: count + 1 }, (_, k) => k * step), end: count * step };
}

function short(value) {
  if (value === 0) return '0';
  return value >= 100 ? Math.round(value).toLocaleString('en') : String(Number(value.toPrecision(3)));
}

function px(value) {
  return Number(value.toFixed(1));
}

function escaped(text) {
  return text.replace(/[&<>"]/g, (char) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[char]);
}
