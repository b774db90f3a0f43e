import { describe, expect, it } from 'vitest';
import { type Claim, targetsOf } from '../src/budget/allocation.js';
import { seededRandom } from '../src/testing/random.js';

let names = 0;
function claim(facts: Partial<Claim>): Claim {
  return {
    member: `member ${(names += 1)}`,
    weight: 1,
    held: 0,
    floorHeld: 0,
    wanted: 0,
    floorWanted: 0,
    lastGrant: 0,
    waitsSince: 0,
    firstTicket: Infinity,
    ...facts,
  };
}

const now = 100_000;
const turnMillis = 1_000;
const targets = (claims: readonly Claim[], limit: number): number[] =>
  targetsOf(claims, limit, now, turnMillis);

describe('how many permits each member of a budget is to have', () => {
  it('is what it wants where there is enough', () => {
    expect(targets([claim({ held: 1, wanted: 2 }), claim({ wanted: 4 })], 7)).toEqual([3, 4]);
  });

  it('is an equal share where there is not, and what one leaves goes to the others', () => {
    const claims = [claim({ wanted: 9 }), claim({ held: 9 }), claim({ wanted: 1 })];
    expect(targets(claims, 9)).toEqual([4, 4, 1]);
  });

  it('goes by weight', () => {
    const claims = [claim({ wanted: 9 }), claim({ weight: 2, wanted: 9 })];
    expect(targets(claims, 6)).toEqual([2, 4]);
  });

  it('is never below a floor', () => {
    const claims = [
      claim({ held: 6, wanted: 9 }),
      claim({ held: 2, floorHeld: 2, wanted: 2, floorWanted: 2 }),
    ];
    expect(targets(claims, 6)).toEqual([2, 4]);
  });

  it('is the floor that one has where the floors alone are too much', () => {
    const claims = [
      claim({ held: 3, floorHeld: 2 }),
      claim({ held: 1, wanted: 4, floorWanted: 4 }),
    ];
    expect(targets(claims, 4)).toEqual([2, 0]);
  });

  it('is what it has for the length of a turn, then what the longest waiter has', () => {
    const holder = { held: 1, wanted: 1 };
    const waiter = { wanted: 1, firstTicket: 1, waitsSince: now - 500 };
    const inTurn = [claim({ ...holder, lastGrant: now - 999 }), claim(waiter)];
    expect(targets(inTurn, 1)).toEqual([1, 0]);
    const over = [claim({ ...holder, lastGrant: now - 1_000 }), claim(waiter)];
    expect(targets(over, 1)).toEqual([0, 1]);
  });

  it('goes to who has waited longest since its last turn, not to who has the oldest request', () => {
    const old = claim({ wanted: 5, firstTicket: 1, waitsSince: now - 100 });
    const late = claim({ wanted: 1, firstTicket: 99, waitsSince: now - 200 });
    expect(targets([old, late], 1)).toEqual([0, 1]);
  });

  it('adds up to the limit where all want more, whatever they have, and to what is wanted where not', () => {
    const random = seededRandom(7);
    const below = (limit: number): number => Math.floor(random() * limit);
    for (let round = 0; round < 400; round += 1) {
      const claims = Array.from({ length: 1 + below(12) }, (_, index) => {
        const held = below(6);
        const wanted = below(6);
        return claim({
          held,
          wanted,
          weight: 0.5 + below(6) / 2,
          floorHeld: Math.min(held, below(2)),
          floorWanted: Math.min(wanted, below(2)),
          lastGrant: now - below(3_000),
          waitsSince: now - below(3_000),
          firstTicket: index,
        });
      });
      const limit = 1 + below(30);
      const given = targets(claims, limit);
      const demand = claims.reduce((sum, { held, wanted }) => sum + held + wanted, 0);
      const floors = claims.reduce((sum, each) => sum + each.floorHeld + each.floorWanted, 0);
      const total = given.reduce((sum, each) => sum + each, 0);
      if (floors < limit) expect(total).toBe(Math.min(limit, demand));
      claims.forEach((each, index) => {
        const target = given[index] ?? NaN;
        expect(target).toBeGreaterThanOrEqual(each.floorHeld);
        expect(target).toBeLessThanOrEqual(each.held + each.wanted);
      });
    }
  });
});
