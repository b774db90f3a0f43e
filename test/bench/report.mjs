import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, release, totalmem, type } from 'node:os';
import { join } from 'node:path';
import { root } from './arena.mjs';
import { defeats, judge, judgePostgres } from './goals.mjs';

export const plain = value =>
  Number.isInteger(value) || Math.abs(value) >= 10
    ? Math.round(value).toLocaleString('en')
    : value.toFixed(1);
const ratio = value => (value < 10 ? value.toFixed(2) : Math.round(value).toLocaleString('en'));

/** Lines of a Markdown table whose columns line up; all but the first are figures. */
export function grid(rows, textColumns = 1) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map(row => row[column].length)));
  const line = row =>
    `| ${row
      .map((cell, column) =>
        column < textColumns ? cell.padEnd(widths[column]) : cell.padStart(widths[column]),
      )
      .join(' | ')} |`;
  const rule = `|${widths
    .map((width, column) =>
      column < textColumns ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`,
    )
    .join('|')}|`;
  return [line(rows[0]), rule, ...rows.slice(1).map(line)];
}

/** One scenario as Markdown: figures, and how many times ours (or its own first column) they are. */
export function table(scenario, results) {
  const columns = [...results].flatMap(([variant, outcomes]) =>
    Object.entries(scenario.units).map(([metric, unit]) => ({ variant, metric, unit, outcomes })),
  );
  const entries = [...new Set(columns.flatMap(({ outcomes }) => [...outcomes.keys()]))];
  const { againstItself, reference, title, notes = [], missing = {} } = scenario;
  const heading = againstItself === undefined ? '× ours' : `× ${againstItself}`;
  const rows = [
    [
      'contestant',
      ...columns.flatMap(({ variant, unit }) => [
        [variant, unit].filter(Boolean).join(': '),
        heading,
      ]),
    ],
    ...entries.map(entry => [
      entry === reference ? `**${entry}**` : entry,
      ...columns.flatMap(({ metric, outcomes }) => {
        const outcome = outcomes.get(entry);
        const value = outcome?.figures?.[metric]?.value;
        if (value === undefined) return [outcome?.failed ?? 'n/a', ''];
        const other =
          againstItself === undefined
            ? outcomes.get(reference)
            : results.get(againstItself)?.get(entry);
        const base = other?.figures?.[metric]?.value;
        return [plain(value), base > 0 ? ratio(value / base) : ''];
      }),
    ]),
  ];
  const absent = Object.entries(missing).map(([who, why]) => `- ${who}: n/a, ${why}.`);
  const remarks = notes.map(note => `- ${note}`);
  return [`### ${title}`, '', ...grid(rows), '', ...absent, ...remarks].join('\n').trimEnd();
}

export function machine() {
  const [processor] = cpus();
  const version = name =>
    JSON.parse(readFileSync(join(root, 'node_modules', name, 'package.json'), 'utf8')).version;
  const gigabytes = Math.round(totalmem() / 2 ** 30);
  return {
    version,
    text: `${cpus().length} × ${processor.model.trim()}, ${gigabytes} GB, ${type()} ${release()}, Node ${process.version}`,
  };
}

export const goalTable = results => verdicts(judge(results));

export const postgresGoalTable = results => verdicts(judgePostgres(results));

function verdicts(goals) {
  const rows = goals.map(({ title, value, limit, met }) => [
    title,
    ratio(value),
    limit,
    met === undefined ? '' : met ? 'yes' : '**no**',
  ]);
  return rows.length === 0 ? [] : grid([['goal', 'measured', 'limit', 'met'], ...rows]);
}

export function defeatTable(scenarios, results) {
  const rows = defeats(scenarios, results).map(({ name, variant, unit, entry, value, best }) => [
    [name, variant].filter(Boolean).join(', '),
    entry.replace('rxpool/', ''),
    best.entry,
    unit,
    plain(value),
    plain(best.value),
  ]);
  if (rows.length === 0) return ['In no figure of this run.'];
  return grid([['scenario', 'ours', 'best peer', 'unit', 'ours', 'theirs'], ...rows], 4);
}

/** Replaces one part of docs/benchmarks.md and leaves the others as they are. */
export function writeSection(name, lines) {
  const file = join(root, 'docs', 'benchmarks.md');
  const [begin, end] = [`<!-- begin ${name} -->`, `<!-- end ${name} -->`];
  const section = `${begin}\n\n${lines.join('\n').trim()}\n\n${end}`;
  const before = existsSync(file) ? readFileSync(file, 'utf8') : '# Benchmarks\n';
  const start = before.indexOf(begin);
  const after = before.indexOf(end);
  mkdirSync(join(root, 'docs'), { recursive: true });
  writeFileSync(
    file,
    start === -1 || after === -1
      ? `${before.trimEnd()}\n\n${section}\n`
      : `${before.slice(0, start)}${section}${before.slice(after + end.length)}`,
  );
}
