import type { KillReport } from './run.js';

/** What one trial showed, in a line, and what was wrong with it in further ones. */
export function sentences(report: KillReport): string[] {
  const { trial, borrows, kills, failed, created, destroyed, tookMillis, violations } = report;
  const seconds = (tookMillis / 1_000).toFixed(1);
  const verdict = violations.length === 0 ? 'passed' : 'FAILED';
  return [
    `${trial}: ${verdict}; ${borrows} borrows in ${seconds} s, ${kills} kills, ${failed} failed borrows; ` +
      `${created} created, ${destroyed} destroyed; at most ${report.mostOnServer} of ${report.max} counted`,
    ...violations.map(violation => `  ${violation}`),
  ];
}

/** One row for each trial. */
export function table(reports: readonly KillReport[]): string {
  return [
    '| back end | borrows | kills | failed borrows | created | destroyed | most counted, of max | counted by | s | errors of borrowers |',
    '|---|---|---|---|---|---|---|---|---|---|',
    ...reports.map(rowOf),
  ].join('\n');
}

function rowOf(report: KillReport): string {
  const cells = [
    report.violations.length === 0 ? report.trial : `${report.trial} (FAILED)`,
    report.borrows,
    report.kills,
    report.failed,
    report.created,
    report.destroyed,
    `${report.mostOnServer}, of ${report.max}`,
    report.counts,
    (report.tookMillis / 1_000).toFixed(1),
    [...report.errors.keys()].sort().join(', ').replaceAll('|', '/') || 'none',
  ];
  return `| ${cells.join(' | ')} |`;
}
