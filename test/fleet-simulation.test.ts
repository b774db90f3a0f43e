import { describe, expect, it, vi } from 'vitest';
import { jainIndex } from './fleet-simulation/fairness.js';
import { FleetTime } from './fleet-simulation/fleet-time.js';
import { Fleet } from './fleet-simulation/fleet.js';
import { playFleet, type StoryPlan } from './fleet-simulation/story.js';
import { Draw } from './simulation/draw.js';

vi.setConfig({ testTimeout: 240_000 });

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

describe('the bound that the simulation looks at', () => {
  /** One of four is cut off for 20 s, and stands still meanwhile. */
  function cutOff(freezes: readonly [afterMillis: number, millis: number][]) {
    const process = { limit: 8, ttlMillis: 5_000, turnMillis: 5_000, min: 1, max: 5, borrowers: 6 };
    const fleet = new Fleet(4, { ...process, whenAway: 'none' }, new Draw(1));
    fleet.time.run(20_000);
    const [victim] = fleet.processes;
    if (victim === undefined) throw new Error('no process has started');
    fleet.partition(victim, 20_000, 'both');
    for (const [after, millis] of freezes) {
      fleet.time.run(20_000 + after);
      fleet.freeze(victim, millis);
    }
    fleet.time.run(50_000);
    return fleet.database;
  }

  it('holds for all where one that is cut off gives up in time', () => {
    for (const freezes of [[], [[1_000, 1_000]]] as [number, number][][]) {
      const { peak, peakOfAll } = cutOff(freezes);
      expect([peak, peakOfAll]).toEqual([8, 8]);
    }
  });

  it('leaves out who stood still, however shortly, when it should have given up (seeds 13, 18 and 34)', () => {
    const shorter = cutOff([[3_000, 3_000]]);
    expect(shorter.peakOfAll).toBeGreaterThan(8);
    expect(shorter.peak).toBe(8);
    // The end of the first is not the end of the second.
    const twice = cutOff([
      [1_000, 3_200],
      [3_500, 6_000],
    ]);
    expect(twice.peakOfAll).toBeGreaterThan(8);
    expect(twice.peak).toBe(8);
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
