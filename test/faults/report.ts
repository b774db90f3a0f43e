import type { TrialReport } from './trial.js';

/** What one trial showed, in a line. */
export function sentence(report: TrialReport): string {
  const { fault, recoveryMillis, served, failed, longestWaitMillis, mostOnServer } = report;
  return (
    `${fault}: recovered in ${recoveryMillis} ms; ${served} served, ${failed} failed; ` +
    `longest wait ${longestWaitMillis} ms; at most ${mostOnServer} on the server`
  );
}

/** One row for each fault, over all its trials. */
export function table(reports: readonly TrialReport[]): string {
  const names = [...new Set(reports.map(({ fault }) => fault))];
  const rows = names.map(name => rowOf(reports.filter(({ fault }) => fault === name)));
  return [
    '| fault | recovery, ms: median (most) | served | failed | longest wait, ms | most on the server | errors of borrowers |',
    '|---|---|---|---|---|---|---|',
    ...rows,
  ].join('\n');
}

function rowOf(trials: readonly TrialReport[]): string {
  const recoveries = trials.map(({ recoveryMillis }) => recoveryMillis).sort((a, b) => a - b);
  const errors = new Set(trials.flatMap(trial => [...trial.errors.keys()]));
  const cells = [
    trials[0]?.fault,
    `${recoveries[Math.floor(recoveries.length / 2)]} (${recoveries.at(-1)})`,
    sum(trials.map(({ served }) => served)),
    sum(trials.map(({ failed }) => failed)),
    Math.max(...trials.map(({ longestWaitMillis }) => longestWaitMillis)),
    Math.max(...trials.map(({ mostOnServer }) => mostOnServer)),
    [...errors].sort().join(', ') || 'none',
  ];
  return `| ${cells.join(' | ')} |`;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
