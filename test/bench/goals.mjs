// What the figures have to show, as ratios within one run.

const peers = ['lightning-pool', 'pg-pool', 'generic-pool', 'effect', 'tarn'];
const isPeer = entry => peers.includes(entry.split('/')[0]);
const givesPromises = entry => isPeer(entry) && !entry.endsWith('/callback');
export const isOurs = entry => entry.startsWith('rxpool/');

/** `results`: a Map from scenario to a Map from variant to a Map from entry to its outcome. */
export class Results {
  constructor(results = new Map()) {
    this.results = results;
  }

  value(scenario, entry, metric = 'nanos', variant = '') {
    const outcome = this.results.get(scenario)?.get(variant)?.get(entry);
    return outcome?.figures?.[metric]?.value;
  }

  /** The peer with the smallest figure. */
  best(scenario, metric = 'nanos', variant = '', among = isPeer) {
    const outcomes = this.results.get(scenario)?.get(variant) ?? new Map();
    let best;
    for (const entry of outcomes.keys()) {
      const value = this.value(scenario, entry, metric, variant);
      if (value === undefined || !among(entry)) continue;
      if (best === undefined || value < best.value) best = { entry, value };
    }
    return best;
  }
}

const queueFloor = 'floor/Observable with a queue';

/** The figure that is compared, in words; `most` or `least` is the limit, if it has one. */
const goals = [
  ...['acquire, unsubscribe', 'acquire, release', 'lease'].map(form => ({
    title: `\`${form}\`: times faster than the fastest peer`,
    least: 2,
    ratio: all => all.best('idle')?.value / all.value('idle', `rxpool/${form}`),
  })),
  {
    title: '`lease`: times faster than the fastest peer that gives promises',
    least: 2,
    ratio: all =>
      all.best('idle', 'nanos', '', givesPromises)?.value / all.value('idle', 'rxpool/lease'),
  },
  ...['acquire, unsubscribe', 'acquire, release'].map(form => ({
    title: `To compare: \`${form}\`: times faster than the fastest peer that gives promises`,
    ratio: all =>
      all.best('idle', 'nanos', '', givesPromises)?.value / all.value('idle', `rxpool/${form}`),
  })),
  ...['acquire, unsubscribe', 'acquire, release'].map(form => ({
    title: `\`${form}\`: times the bare Observable`,
    most: 2.5,
    ratio: all => all.value('idle', `rxpool/${form}`) / all.value('idle', 'floor/Observable'),
  })),
  {
    title: '`tryAcquire`: times the bare Observable with two `BehaviorSubject.next`',
    most: 1,
    ratio: all =>
      all.value('idle', 'rxpool/tryAcquire') /
      all.value('idle', 'floor/Observable and two BehaviorSubject.next'),
  },
  ...['acquire', 'use', 'lease'].map(form => ({
    title: `Contended, \`${form}\`: times faster than the fastest peer`,
    least: 1.5,
    ratio: all => all.best('contended')?.value / all.value('contended', `rxpool/${form}`),
  })),
  {
    title: 'To compare: contended, a queue of bare Observables: times faster than the fastest peer',
    ratio: all => all.best('contended')?.value / all.value('contended', queueFloor),
  },
  ...['nanos', 'cold'].map(metric => ({
    title: `Deep queue, 20,000${metric === 'cold' ? ', first time' : ''}: times faster than the fastest peer`,
    least: 5,
    ratio: all =>
      all.best('deep-queue', metric, '20,000')?.value /
      all.value('deep-queue', 'rxpool/acquire', metric, '20,000'),
  })),
  {
    title: 'To compare: deep queue, 20,000: times faster than the fastest peer that gives promises',
    ratio: all =>
      all.best('deep-queue', 'nanos', '20,000', givesPromises)?.value /
      all.value('deep-queue', 'rxpool/acquire', 'nanos', '20,000'),
  },
  ...['nanos', 'cold'].map(metric => ({
    title: `To compare: deep queue${metric === 'cold' ? ', first time' : ''}, bare Observables: times faster than the fastest peer`,
    ratio: all =>
      all.best('deep-queue', metric, '20,000')?.value /
      all.value('deep-queue', queueFloor, metric, '20,000'),
  })),
  ...['20,000', '1,000,000'].map(variant => ({
    title: `Deep queue, ${variant}: bytes per waiter`,
    most: 500,
    ratio: all => all.value('deep-queue', 'rxpool/acquire', 'bytes', variant),
  })),
  {
    title: 'Deep queue: time per waiter at 1,000,000, times that at 20,000',
    most: 2,
    ratio: all =>
      all.value('deep-queue', 'rxpool/acquire', 'nanos', '1,000,000') /
      all.value('deep-queue', 'rxpool/acquire', 'nanos', '20,000'),
  },
  {
    title:
      'Mass cancel: time per waiter at 1,000,000, times that at 20,000 (linear, but for the caches)',
    most: 4,
    ratio: all =>
      all.value('mass-cancel', 'rxpool/acquire', 'nanos', '1,000,000') /
      all.value('mass-cancel', 'rxpool/acquire', 'nanos', '20,000'),
  },
  ...['1 on events', '1 on state'].map(variant => ({
    title: `Watched, ${variant}: times the cycle that nobody watches`,
    most: 2,
    ratio: all =>
      all.value('listeners', 'rxpool/acquire, unsubscribe', 'nanos', variant) /
      all.value('listeners', 'rxpool/acquire, unsubscribe', 'nanos', 'nobody'),
  })),
  ...[
    ['waiters', 1],
    ['resources', 1],
    ['nothing', 0],
  ].map(([metric, most]) => ({
    title: `Timers pending: ${metric}`,
    most,
    ratio: all => all.value('timers', 'rxpool/acquire', metric),
  })),
];

const postgresPairs = [
  ['rxpool/postgres', ['pg-pool', 'postgres.js, unprepared']],
  ['rxpool/postgres, named', ['pg-pool, named', 'postgres.js']],
];

/** `results`: a Map from "<number> callers" to a Map from entry to its outcome. */
export function judgePostgres(results) {
  const rows = [];
  for (const [variant, outcomes] of results) {
    const value = (entry, metric) => outcomes.get(entry)?.figures?.[metric]?.value;
    for (const [ours, others] of postgresPairs) {
      const add = (title, metric, pick, limit, isMet) => {
        const theirs = others.map(entry => value(entry, metric)).filter(Boolean);
        const ratio = value(ours, metric) / pick(...theirs);
        if (theirs.length === 0 || Number.isNaN(ratio)) return;
        rows.push({
          title: `${variant}, ${ours}: ${title}`,
          value: ratio,
          limit,
          met: isMet(ratio),
        });
      };
      add('throughput, of the best', 'throughput', Math.max, '≥ 0.95', ratio => ratio >= 0.95);
      if (!['64 callers', '512 callers'].includes(variant)) continue;
      add('p99, times the best', 'p99', Math.min, '≤ 1.05', ratio => ratio <= 1.05);
      add('spread, times the best', 'spread', Math.min, '≤ 1.05', ratio => ratio <= 1.05);
    }
  }
  return rows;
}

/** Rows for those goals whose scenarios were run. */
export function judge(results) {
  return goals.flatMap(({ title, most, least, ratio }) => {
    const value = ratio(results);
    if (value === undefined || Number.isNaN(value)) return [];
    if (most === undefined && least === undefined) return [{ title, value, limit: '' }];
    const met = most === undefined ? value >= least : value <= most;
    return [{ title, value, limit: most === undefined ? `≥ ${least}` : `≤ ${most}`, met }];
  });
}

/** Every figure in which a peer is better than one of ours. */
export function defeats(scenarios, results) {
  const found = [];
  for (const [name, scenario] of scenarios) {
    for (const [variant, outcomes] of results.results.get(name) ?? []) {
      for (const [metric, unit] of Object.entries(scenario.units)) {
        const best = results.best(name, metric, variant);
        if (best === undefined) continue;
        for (const entry of outcomes.keys()) {
          const value = results.value(name, entry, metric, variant);
          if (!isOurs(entry) || value === undefined || best.value >= value) continue;
          found.push({ name, variant, unit, entry, value, best });
        }
      }
    }
  }
  return found;
}
