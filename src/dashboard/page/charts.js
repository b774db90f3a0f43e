/* global uPlot */
import { byId, duration, rate, setText } from './format.js';

const keptPoints = 300;
const leastSeconds = 60;
const height = 190;
/** Nobody leases half a resource. */
const wholeSteps = [1, 2, 5]
  .flatMap(step => [0, 1, 2, 3, 4, 5, 6, 7].map(power => step * 10 ** power))
  .sort((a, b) => a - b);

/** Which figure of a point is which: see Point in pool-feed.ts. */
const counts = [
  { label: 'Leased', at: 1, color: '--leased', fill: true },
  { label: 'Idle', at: 2, color: '--idle' },
  { label: 'Waiting', at: 3, color: '--waiting' },
  { label: 'Max', at: 4, color: '--muted', dash: [4, 6], silent: true },
];
const rates = [
  { label: 'Leases', at: 5, color: '--leased', fill: true },
  { label: 'Failed', at: 6, color: '--destroying' },
];
const waits = [
  { label: 'p50', at: 7, color: '--idle' },
  { label: 'p95', at: 8, color: '--creating' },
  { label: 'p99', at: 9, color: '--destroying' },
];
const charts = [
  {
    id: 'chart-counts',
    lines: counts,
    show: value => String(Math.round(value * 10) / 10),
    floor: 4,
  },
  { id: 'chart-rates', lines: rates, show: rate, floor: 4 },
  { id: 'chart-waits', lines: waits, show: duration, floor: 20 },
];

/** The last five minutes of a pool, a point a second. */
export class Charts {
  #points = [];
  #drawn = [];
  #width = 0;

  constructor() {
    const observer = new ResizeObserver(() => this.#fit());
    observer.observe(byId('chart-counts'));
  }

  get length() {
    return this.#points.length;
  }

  replace(points) {
    this.#points = points.slice(-keptPoints);
    this.#draw();
  }

  add(points) {
    const newest = this.#points.at(-1)?.[0] ?? 0;
    const fresh = points.filter(([at]) => at > newest);
    if (fresh.length === 0) return;
    this.#points = [...this.#points, ...fresh].slice(-keptPoints);
    this.#draw();
  }

  /** After the theme has changed: a canvas keeps its colours. */
  repaint() {
    for (const chart of this.#drawn) chart.destroy();
    this.#drawn = [];
    this.#draw();
  }

  #draw() {
    if (this.#points.length === 0) {
      for (const chart of this.#drawn) chart.setData([[], ...chart.series.slice(1).map(() => [])]);
      return;
    }
    if (this.#drawn.length === 0) this.#make();
    const last = this.#points.at(-1);
    for (const [index, { id, lines, show }] of charts.entries()) {
      const chart = this.#drawn[index];
      if (chart === undefined) continue;
      chart.setData([
        this.#points.map(point => point[0] / 1000),
        ...lines.map(({ at }) => this.#points.map(point => point[at])),
      ]);
      const figures = lines
        .filter(({ at }) => last[at] !== null)
        .map(({ label, at }) => `${label} ${show(last[at])}`);
      byId(id).setAttribute('aria-label', figures.join(', ') || 'Nothing to measure now');
      this.#drawKey(index);
    }
  }

  /** The figures of the moment that is pointed at, else the newest. */
  #drawKey(index) {
    const { id, lines: all, show } = charts[index];
    const lines = all.filter(({ silent }) => silent !== true);
    const { idx } = this.#drawn[index].cursor;
    const point = this.#points[idx ?? -1] ?? this.#points.at(-1);
    const key = byId(id).previousElementSibling.lastElementChild;
    while (key.childElementCount < lines.length) key.append(newEntry(lines[key.childElementCount]));
    for (const [place, { at }] of lines.entries()) {
      const value = point?.[at];
      setText(
        key.children[place].lastElementChild,
        value === null || value === undefined ? '–' : show(value),
      );
    }
  }

  #make() {
    const style = getComputedStyle(document.documentElement);
    const color = name => style.getPropertyValue(name).trim();
    this.#width = byId('chart-counts').clientWidth;
    if (this.#width === 0) return;
    this.#drawn = charts.map(({ id, lines, show, floor }, index) => {
      const element = byId(id);
      element.setAttribute('role', 'img');
      element.setAttribute('aria-label', 'Nothing to measure yet');
      const axis = {
        stroke: color('--muted'),
        grid: { stroke: color('--line'), width: 1 },
        ticks: { show: false },
        font: '11px system-ui',
      };
      return new uPlot(
        {
          width: element.clientWidth,
          height,
          padding: [8, 22, 0, 0],
          cursor: { y: false, sync: { key: 'pool' }, points: { size: 6 } },
          legend: { show: false },
          hooks: { setCursor: [() => this.#drawn.length > index && this.#drawKey(index)] },
          scales: {
            x: {
              time: true,
              range: (_, first, last) => [Math.min(first, last - leastSeconds), last],
            },
            y: { range: (_, __, most) => [0, Math.max(floor, most ?? 0) * 1.08] },
          },
          axes: [
            {
              ...axis,
              space: 80,
              size: 30,
              values: (_, splits, __, ___, step) =>
                splits.map(at => new Date(at * 1000).toTimeString().slice(0, step < 60 ? 8 : 5)),
            },
            {
              ...axis,
              size: 54,
              incrs: wholeSteps,
              values: (_, splits) => splits.map(value => (value === 0 ? '0' : show(value))),
            },
          ],
          series: [
            {},
            ...lines.map(line => ({
              label: line.label,
              stroke: color(line.color),
              width: line.dash === undefined ? 1.75 : 1,
              dash: line.dash,
              fill: line.fill ? `${color(line.color)}2e` : undefined,
              points: { show: false },
            })),
          ],
        },
        [[], ...lines.map(() => [])],
        element,
      );
    });
  }

  #fit() {
    if (this.#drawn.length === 0) {
      this.#draw();
      return;
    }
    for (const [index, { id }] of charts.entries()) {
      const width = byId(id).clientWidth;
      if (width > 0 && width !== this.#drawn[index].width)
        this.#drawn[index].setSize({ width, height });
    }
  }
}

function newEntry({ label, color }) {
  const entry = document.createElement('span');
  const mark = document.createElement('i');
  const value = document.createElement('b');
  mark.style.background = `var(${color})`;
  entry.append(mark, label, value);
  return entry;
}
