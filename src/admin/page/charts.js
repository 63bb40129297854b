// The two charts of the overview, on Chart.js: what came and went, and how well it was protected.
import { levelOrder, levels } from './words.js';

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

const flows = [['accepted', 'accepted', '--flow-accepted'], ['delivered', 'delivered', '--flow-delivered'],
  ['deferred', 'deferred', '--flow-deferred'], ['bounced', 'bounced', '--flow-bounced']];

function clock(ms) {
  return new Date(ms).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
}

function options(stacked, seconds) {
  const ink = css('--ink-soft'), line = css('--line');
  return {
    animation: false, responsive: true, maintainAspectRatio: false, normalized: true,
    interaction: { mode: 'index', intersect: false },
    plugins: {
      legend: { position: 'bottom', align: 'start', labels: { filter: (item) => !item.hidden, color: ink, boxWidth: 10, boxHeight: 10, useBorderRadius: true, borderRadius: 3, padding: 14, font: { size: 12 } } },
      tooltip: {
        filter: (item) => item.raw !== 0 || !stacked,
        callbacks: { title: (items) => (items.length ? clock(items[0].parsed.x) : ''), label: (item) => ` ${item.dataset.label}: ${rate(item.parsed.y)}` },
      },
    },
    elements: { point: { radius: 0, hitRadius: 8 }, line: { borderWidth: 1.75, tension: 0.25 } },
    scales: {
      x: { type: 'linear', grid: { display: false }, border: { color: line }, ticks: { color: ink, maxTicksLimit: 7, maxRotation: 0, callback: (v) => clock(v), stepSize: seconds * 1000 } },
      y: { beginAtZero: true, stacked, suggestedMax: stacked ? undefined : 1, grid: { color: line }, border: { display: false }, ticks: { color: ink, maxTicksLimit: 5, callback: (v) => (Number.isInteger(v) ? v : v.toFixed(1)) } },
    },
  };
}

// Steps are shown as a rate of a minute: five seconds and five minutes then read alike.
let perMinute = 1;
const rate = (n) => `${n >= 10 ? Math.round(n) : Math.round(n * 10) / 10} a minute`;

export class Charts {
  constructor(flowCanvas, levelCanvas) {
    this.canvases = [flowCanvas, levelCanvas];
    this.charts = [];
    this.theme = matchMedia('(prefers-color-scheme: dark)');
    this.repaint = () => { this.close(); if (this.last) this.draw(this.last); };
    this.theme.addEventListener('change', this.repaint);
  }

  build(step) {
    const line = ([, label, colour]) => ({ label, data: [], borderColor: css(colour), backgroundColor: css(colour) });
    const area = (level) => {
      const colour = css(`--level-${level}`);
      return { label: levels[level], data: [], borderColor: colour, backgroundColor: colour, fill: true, borderWidth: 0 };
    };
    const seconds = step <= 5 ? 180 : 14400;
    this.charts = [
      new Chart(this.canvases[0], { type: 'line', data: { datasets: flows.map(line) }, options: options(false, seconds) }),
      new Chart(this.canvases[1], { type: 'line', data: { datasets: [...levelOrder].reverse().map(area) }, options: options(true, seconds) }),
    ];
    this.step = step;
  }

  draw(history) {
    this.last = history;
    if (this.charts.length === 0 || this.step !== history.step_s) { this.destroyCharts(); this.build(history.step_s); }
    perMinute = 60 / history.step_s;
    const first = Date.parse(history.first_at), step = history.step_s * 1000;
    // The last step is not over: it would always show a fall.
    const points = (column) => column.slice(0, -1).map((n, i) => ({ x: first + i * step, y: n * perMinute }));
    const all = levelOrder.map((l) => history.delivered[l]);
    const delivered = all[0].map((_, i) => all.reduce((sum, column) => sum + column[i], 0));
    const columns = { accepted: history.accepted, delivered, deferred: history.deferred, bounced: history.bounced };
    const [flow, level] = this.charts;
    flows.forEach(([name], i) => { flow.data.datasets[i].data = points(columns[name]); });
    [...levelOrder].reverse().forEach((l, i) => {
      level.data.datasets[i].data = points(history.delivered[l]);
      level.data.datasets[i].hidden = history.delivered[l].every((n) => n === 0);
    });
    const end = first + (history.accepted.length - 2) * step;
    for (const chart of this.charts) {
      Object.assign(chart.options.scales.x, { min: first, max: end });
      chart.update('none');
    }
  }

  destroyCharts() {
    this.charts.forEach((chart) => chart.destroy());
    this.charts = [];
  }

  close() { this.destroyCharts(); }
  end() {
    this.close();
    this.theme.removeEventListener('change', this.repaint);
  }
}
