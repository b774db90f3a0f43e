import { describe, expect, it, vi } from 'vitest';
import { leaks } from './load.js';
import { MachineLoad } from './machine-load.js';
import { soak, type SoakReport } from './soak.js';
import { judge, type Sample } from './verdict.js';

vi.setConfig({ testTimeout: 240_000 });

/** As long as it takes to do enough and to measure so many times, on a machine of whatever speed. */
function shortSoak(load: MachineLoad, leastSamples: number): Promise<SoakReport> {
  const enough = new AbortController();
  let samples = 0;
  return soak({
    loads: [load],
    millis: 3_600_000,
    roundMillis: 50,
    warmUpMillis: 0,
    signal: enough.signal,
    onProgress: ({ operations }) => {
      samples += 1;
      if (samples >= leastSamples && operations > samples * 50) enough.abort();
    },
  });
}

function lineAbout(what: string, { lines }: { lines: readonly string[] }): string {
  return lines.find(line => line.includes(what)) ?? '';
}

const markOf = {
  heap: 'heap after warm-up',
  handle: 'handles beside',
  timer: 'timers of the pools',
} satisfies Record<(typeof leaks)[number], string>;

describe('a soak', () => {
  it('finds nothing wrong with a pool under every kind of load for a short while', async () => {
    const load = new MachineLoad();
    const report = await shortSoak(load, 5);
    expect(lineAbout(markOf.handle, report)).toMatch(/^ok/);
    expect(lineAbout(markOf.timer, report)).toMatch(/^ok/);
    expect(load.failures).toEqual([]);
    expect(report.operations).toBeGreaterThan(250);
    expect(report.samples.length).toBeGreaterThanOrEqual(5);
  });

  it.each(leaks)('fails for a leak of the kind "%s", and says so in the right line', async leak => {
    const report = await shortSoak(new MachineLoad(leak), 5);
    expect(report.passed).toBe(false);
    expect(lineAbout(markOf[leak], report)).toMatch(/^FAIL/);
  });

  it('ends early when it is interrupted, with everything closed and a verdict on what there was', async () => {
    const load = new MachineLoad();
    const report = await shortSoak(load, 1);
    expect(report).toMatchObject({ passed: true, heapGrowthBytes: undefined });
    expect(report.samples).toHaveLength(1);
    expect(load).toMatchObject({ timers: 0, ownHandles: 0 });
  });
});

describe('the verdict of a soak', () => {
  const flat = Array.from(
    { length: 40 },
    (_, second): Sample => ({
      atMillis: second * 1_000,
      heapBytes: 8_000_000 + (second % 3) * 10_000,
      handles: 2,
      timers: 1,
    }),
  );
  const conditions = { warmUpMillis: 10_000, pools: 1, failures: [] };
  const changed = (change: (sample: Sample) => Partial<Sample>): Sample[] =>
    flat.map(sample => ({ ...sample, ...change(sample) }));

  it('is good for a flat heap, whatever it was during the warm-up', () => {
    const samples = changed(({ atMillis }) =>
      atMillis < 10_000 ? { heapBytes: 1, handles: 9 } : {},
    );
    expect(judge(samples, conditions)).toMatchObject({ passed: true });
    expect(Math.abs(judge(samples, conditions).heapGrowthBytes!)).toBeLessThan(20_000);
  });

  it('is bad for a heap that has grown by a megabyte after the warm-up, and not for a single spike', () => {
    const growing = changed(({ atMillis }) => ({ heapBytes: 8_000_000 + atMillis * 60 }));
    expect(judge(growing, conditions)).toMatchObject({ passed: false });
    const spike = changed(({ atMillis }) => (atMillis === 39_000 ? { heapBytes: 20_000_000 } : {}));
    expect(judge(spike, conditions)).toMatchObject({ passed: true });
  });

  it.each([
    ['one handle more', { handles: 3 }],
    ['a second timer', { timers: 2 }],
  ])('is bad for %s in one sample only', (_, change) => {
    const samples = changed(({ atMillis }) => (atMillis === 30_000 ? change : {}));
    expect(judge(samples, conditions)).toMatchObject({ passed: false });
  });

  it('is bad for any failure, which it repeats', () => {
    const verdict = judge(flat, { ...conditions, failures: ['a borrower hangs'] });
    expect(verdict.passed).toBe(false);
    expect(verdict.lines.join('\n')).toContain('a borrower hangs');
  });

  it('judges handles and timers of a soak that ended before it was warm', () => {
    const cold = { ...conditions, warmUpMillis: 60_000 };
    const changing = changed(({ atMillis }) => ({ handles: atMillis / 1_000 }));
    expect(judge(flat, cold)).toMatchObject({ passed: true, heapGrowthBytes: undefined });
    expect(judge(changing, cold)).toMatchObject({ passed: false });
  });

  it('leaves the heap out with fewer than four samples, and says so', () => {
    expect(lineAbout('heap', judge(flat.slice(0, 13), conditions))).toContain('not judged');
  });
});
