import type { PoolState } from '../../src/index.js';
import type { ServerCount } from './database.js';
import type { Done } from './load.js';
import type { Measurement } from './measure.js';

/** Everything that one picture shows. */
export interface Frame {
  readonly title: string;
  readonly elapsedMillis: number;
  readonly seconds: number;
  readonly state: PoolState;
  /** Undefined while the server does not answer. */
  readonly server: ServerCount | undefined;
  readonly measured: Measurement;
  readonly tally: Readonly<Record<Done['kind'], number>>;
  readonly lastError: unknown;
}

export interface View {
  readonly everyMillis: number;
  show(frame: Frame): void;
  say(words: string): void;
  /** Leaves the terminal as it was. */
  end(): void;
}

const escape = '\u001b[';
const hideCursor = `${escape}?25l`;
const showCursor = `${escape}?25h`;
const bold = (text: string): string => `${escape}1m${text}${escape}22m`;
const dim = (text: string): string => `${escape}2m${text}${escape}22m`;
const width = 76;

/** A picture that is redrawn in place on a terminal, a line each time elsewhere. */
export function createView(output: NodeJS.WriteStream): View {
  const isLive = output.isTTY && process.env['CI'] === undefined && output.columns > width;
  return isLive ? liveView(output) : plainView(output);
}

function plainView(output: NodeJS.WriteStream): View {
  let isFirst = true;
  return {
    everyMillis: 1_000,
    say: words => void output.write(`${words}\n`),
    show(frame) {
      if (isFirst) output.write(`${frame.title}\n`);
      isFirst = false;
      output.write(`${plainLine(frame)}\n`);
    },
    end: () => undefined,
  };
}

function liveView(output: NodeJS.WriteStream): View {
  let lines = 0;
  return {
    everyMillis: 250,
    say: words => void output.write(`  ${words}${escape}K\n`),
    show(frame) {
      const picture = draw(frame);
      const back = lines === 0 ? hideCursor : `${escape}${lines}A`;
      output.write(back + picture.map(line => `${line}${escape}K\n`).join(''));
      lines = picture.length;
    },
    end() {
      output.write(showCursor);
    },
  };
}

function plainLine({ elapsedMillis, state, server, measured, tally }: Frame): string {
  const { wait } = measured;
  return [
    `${(elapsedMillis / 1_000).toFixed(0).padStart(4)} s`,
    `pool ${counts(state)}, ${state.waiting} waiting`,
    `server ${serverWords(server)}`,
    `${whole(measured.leasesPerSecond)} leases/s`,
    `wait p50 ${wait.p50} p95 ${wait.p95} p99 ${wait.p99} max ${wait.max} ms`,
    ...(tally.failed > 0 ? [`${whole(tally.failed)} failed`] : []),
  ].join(' | ');
}

function draw(frame: Frame): string[] {
  const { title, state, server, measured, tally, lastError } = frame;
  const { wait } = measured;
  return [
    '',
    `  ${bold('rxpool')}  ${title}${time(frame).padStart(width - 10 - title.length)}`,
    '',
    row('pool', `${bar(state)}  ${counts(state)}`),
    row('', `${' '.repeat(state.max)}  ${state.waiting} waiting ${'▪'.repeat(state.waiting)}`),
    row('server', `${serverWords(server)}${agreement(state, server)}`),
    '',
    row(
      'leases',
      `${`${whole(measured.leasesPerSecond)}/s`.padEnd(10)}  ${graph(measured.history)}`,
    ),
    row(
      'wait',
      `p50 ${wait.p50} ms   p95 ${wait.p95} ms   p99 ${wait.p99} ms   max ${wait.max} ms`,
    ),
    '',
    row('done', list(tally, 'lookup', 'report', 'transfer')),
    row(
      '',
      `${list(tally, 'slow', 'cancelled', 'failed')}${tally.failed > 0 ? `: ${words(lastError)}` : ''}`,
    ),
    '',
    dim('  Ctrl-C drains the pool and ends.'),
  ];
}

function row(name: string, words: string): string {
  return `  ${dim(name.padEnd(8))} ${words.slice(0, width - 11)}`;
}

function time({ elapsedMillis, seconds }: Frame): string {
  const elapsed = `${Math.floor(elapsedMillis / 1_000)} s`;
  return seconds === Infinity ? elapsed : `${elapsed} of ${seconds} s`;
}

/** One cell per connection that may be: what it is doing. */
function bar(state: PoolState): string {
  const { idle, leased, creating, destroying, max } = state;
  const between = state.resetting + state.validating;
  const cells =
    '█'.repeat(leased) +
    '▓'.repeat(between) +
    '░'.repeat(idle) +
    '+'.repeat(creating) +
    '-'.repeat(destroying);
  return cells.padEnd(max, '·');
}

function counts({
  idle,
  leased,
  creating,
  resetting,
  validating,
  destroying,
  size,
  max,
}: PoolState) {
  const passing = { creating, resetting, validating, destroying };
  const others = Object.entries(passing).filter(([, count]) => count > 0);
  const all = [['leased', leased], ['idle', idle], ...others] as const;
  return `${size}/${max}: ${all.map(([name, count]) => `${count} ${name}`).join(', ')}`;
}

function serverWords(server: ServerCount | undefined): string {
  if (server === undefined) return 'no answer';
  return `${server.connections} connections, ${server.busy} busy`;
}

function agreement({ size, creating }: PoolState, server: ServerCount | undefined): string {
  if (server === undefined) return '';
  return server.connections === size && creating === 0 ? ', as many as the pool counts' : '';
}

function graph(history: readonly number[]): string {
  const most = Math.max(1, ...history);
  return history.map(value => '▁▂▃▄▅▆▇█'[Math.round((value / most) * 7)]).join('');
}

function list(tally: Frame['tally'], ...kinds: readonly Done['kind'][]): string {
  return kinds.map(kind => `${whole(tally[kind])} ${kind}`).join(' · ');
}

function words(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

export function whole(value: number): string {
  return Math.round(value).toLocaleString('en-GB');
}
