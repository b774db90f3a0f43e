/** What one member of a budget has and wants. */
export interface Claim {
  readonly member: string;
  readonly weight: number;
  readonly held: number;
  /** Of those held, for the floor of its pools. */
  readonly floorHeld: number;
  readonly wanted: number;
  /** Of those wanted, for the floor. */
  readonly floorWanted: number;
  /** When it was last given a permit. */
  readonly lastGrant: number;
  /** Since when it has waited and was given nothing. */
  readonly waitsSince: number;
  /** Of its oldest request; Infinity where it has none. */
  readonly firstTicket: number;
}

/** Shares are computed in floating point: what is this near to a whole number is one. */
const TOLERANCE = 1e-6;
/** How exact the sum of all shares has to be. */
const EXACT = 1e-9;
const MOST_STEPS = 60;

/**
 * How many permits each member is to have: its floor, and of the rest as much of a fair share by weight as it wants.
 * What a share has behind the point goes round: who has it keeps it for a turn, as long as its fraction is large.
 */
export function targetsOf(
  claims: readonly Claim[],
  limit: number,
  now: number,
  turnMillis: number,
): number[] {
  const demands = claims.map(({ held, wanted }) => held + wanted);
  if (sum(demands) <= limit) return demands;
  const floors = claims.map(({ floorHeld, floorWanted }) => floorHeld + floorWanted);
  // The floors alone are too much: requests for them are served in their order, and all else is to come back.
  if (sum(floors) >= limit) return claims.map(({ floorHeld }) => floorHeld);

  const level = levelOf(claims, demands, floors, limit);
  const shares = claims.map((claim, index) => share(claim, demands, floors, index, level));
  const targets = shares.map(each => Math.floor(each + TOLERANCE));
  const left = limit - sum(targets);
  const contenders = shares
    .map((each, index) => ({ index, fraction: each - (targets[index] ?? 0) }))
    .filter(({ fraction }) => fraction > TOLERANCE)
    .map(({ index, fraction }) => {
      const claim = claims[index] as Claim;
      const turn = turnMillis * fraction;
      return { index, fraction, turn, claim, hasIt: claim.held > (targets[index] ?? 0) };
    });
  const usualFraction = left / Math.max(1, contenders.length);
  const ranked = contenders
    .map(({ index, turn, claim, hasIt }) => {
      const isInTurn = now - claim.lastGrant < turn / usualFraction;
      const rank = !hasIt ? 1 : isInTurn ? 0 : 2;
      // Not by tickets: who had its turn with one of many old requests is not before all who came later.
      const order = rank === 1 ? claim.waitsSince : -claim.lastGrant;
      return { index, rank, order, ticket: claim.firstTicket, member: claim.member };
    })
    .sort(
      (one, other) =>
        one.rank - other.rank ||
        one.order - other.order ||
        (one.rank === 1 ? one.ticket - other.ticket : one.member < other.member ? -1 : 1),
    );
  for (const { index } of ranked.slice(0, left)) targets[index] = (targets[index] ?? 0) + 1;
  return targets;
}

/**
 * The share of a member of weight 1 at which the whole budget is given out. What is given grows with it in straight
 * pieces: a step along the piece that one is on is the answer, or brings it nearer.
 */
function levelOf(
  claims: readonly Claim[],
  demands: readonly number[],
  floors: readonly number[],
  limit: number,
): number {
  let low = 0;
  let high = Math.max(...claims.map(({ weight }, index) => (demands[index] ?? 0) / weight));
  let level = limit / claims.reduce((total, { weight }) => total + weight, 0);
  for (let step = 0; step < MOST_STEPS; step += 1) {
    let given = 0;
    let slope = 0;
    claims.forEach(({ weight }, index) => {
      const fair = level * weight;
      const floor = floors[index] ?? 0;
      const demand = demands[index] ?? 0;
      given += Math.min(demand, Math.max(floor, fair));
      if (fair > floor && fair < demand) slope += weight;
    });
    if (Math.abs(given - limit) < EXACT) break;
    if (given > limit) high = Math.min(high, level);
    else low = Math.max(low, level);
    const along = level + (limit - given) / slope;
    level = along > low && along < high ? along : (low + high) / 2;
  }
  return level;
}

function share(
  { weight }: Claim,
  demands: readonly number[],
  floors: readonly number[],
  index: number,
  level: number,
): number {
  return Math.min(demands[index] ?? 0, Math.max(floors[index] ?? 0, level * weight));
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}
