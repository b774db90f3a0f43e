import { describe, expect, it, vi } from 'vitest';
import { jainIndex } from './fleet-simulation/fairness.js';
import { FleetTime } from './fleet-simulation/fleet-time.js';
import { playFleet, type StoryPlan } from './fleet-simulation/story.js';

vi.setConfig({ testTimeout: 60_000 });

const plan: StoryPlan = {
  title: 'small',
  seed: 3,
  processes: 10,
  limit: 24,
  min: 1,
  turnMillis: 5_000,
  chaosSeconds: 10,
  progress: () => undefined,
};

describe('the simulation of a fleet', () => {
  it('finds every promise kept, and the same again by the same seed', () => {
    const report = playFleet(plan);
    expect(report.violations).toEqual([]);
    expect(report.peak).toBe(24);
    expect(report.jainAfter).toBeGreaterThan(0.95);
    expect(Object.keys(report.faults).length).toBeGreaterThanOrEqual(3);
    expect(playFleet(plan)).toEqual(report);
    expect(playFleet({ ...plan, seed: 4 })).not.toEqual(report);
  });

  it('finds the limit passed where the server forgets its members too early', () => {
    const { violations } = playFleet({
      ...plan,
      tamper: report => ({ ...report, ttlMillis: 1_000 }),
    });
    expect(violations).toContainEqual(expect.stringMatching(/^\d+ connections of 24$/));
  });

  it('finds the unfairness of a server that favours somebody', () => {
    const { violations } = playFleet({
      ...plan,
      tamper: report => ({ ...report, weight: report.member.startsWith('process-1-') ? 20 : 1 }),
    });
    expect(violations).toContainEqual(expect.stringMatching(/^Jain 0\.\d+ before$/));
  });

  it('finds the permits of the dead missing where they live on for too long', () => {
    const { violations } = playFleet({
      ...plan,
      tamper: report => ({ ...report, ttlMillis: 60_000 }),
    });
    expect(violations).toContainEqual(expect.stringMatching(/^not full \d+ ms after the crash/));
  });
});

describe('what the simulation is made of', () => {
  it('does what is due in its order, and nothing that was taken back', () => {
    const time = new FleetTime();
    const done: string[] = [];
    const note = (what: string) => () => done.push(`${what} at ${time.now}`);
    time.at(30, note('last'));
    time.at(10, note('first'));
    time.after(10, note('second'));
    time.at(20, note('never'))();
    time.at(10, () => time.at(5, note('late')));
    time.run(100);
    expect(done).toEqual(['first at 10', 'second at 10', 'late at 10', 'last at 30']);
    expect(time.now).toBe(100);
  });

  it('knows how even shares are', () => {
    expect(jainIndex([3, 3, 3])).toBe(1);
    expect(jainIndex([9, 0, 0])).toBeCloseTo(1 / 3);
    expect(jainIndex([0, 0])).toBe(0);
  });
});
