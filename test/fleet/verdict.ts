import type { Obituary } from './obituary.js';
import { FLEET_UNDER_KILLS, ONE_POOL, type Part, type RunReport } from './run.js';

/** What a fleet has to do of what one pool does, with the permits that are not locked up with the dead. */
const leastShare = 0.9;
/** Who waits looks when the permits of the dead are free: a report, on a machine that is busy. */
const lookingMillis = 500;

/** The report as a table for people. */
export function rows(report: RunReport): string {
  const { plan, parts, obituaries, longestGapMillis, lost } = report;
  const threads = plan.processes * plan.threadsPerProcess;
  const line = ({ name, perSecond, most, samples, failed, made }: Part): string => {
    const usable = usableOf(report, name);
    const shares = [perSecond, perSecond / usable].map(each => shareOf(report, each)).join(' | ');
    return `| ${name} | ${perSecond.toFixed(0)} | ${shares} | ${most} of ${plan.limit} | ${samples} | ${made} | ${failed} |`;
  };
  const permits = millisOf(obituaries, ({ permitsBackMillis }) => permitsBackMillis ?? 0);
  const connections = millisOf(obituaries, ({ connectionsGoneMillis }) => connectionsGoneMillis);
  return [
    `${plan.processes} processes, ${threads} threads, ${threads * plan.borrowersPerThread} borrowers of ${plan.workMillis} ms, limit ${plan.limit}, time to live ${plan.ttlMillis} ms`,
    '',
    '| | borrowings/s | of one pool | of one of the usable permits | most connections | samples | connections made | failed |',
    '|---|---|---|---|---|---|---|---|',
    ...parts.map(line),
    '',
    `${obituaries.length} processes killed. Of the time of all permits ${percent(1 - usableOf(report, FLEET_UNDER_KILLS))} was locked up with the dead, so a fleet could do ${percent(usableOf(report, FLEET_UNDER_KILLS))} of one pool at most. After a kill the permits were back in ${permits} ms (median, most), the connections gone in ${connections} ms.`,
    `Longest time without a look at the server: ${longestGapMillis.toFixed(0)} ms. Permits that the living lost, because they stood still for a time to live: ${lost}.`,
  ].join('\n');
}

/** What did not hold. */
export function verdictOf(report: RunReport): string[] {
  const { plan, parts, obituaries, crashes, left } = report;
  const faults: string[] = [...crashes];
  for (const { name, most, perSecond, failed } of parts) {
    if (name === ONE_POOL) continue;
    if (most > plan.limit) faults.push(`${name}: ${most} connections of ${plan.limit}`);
    if (failed > 0) faults.push(`${name}: ${failed} borrowings failed`);
    const usable = usableOf(report, name);
    if (perSecond < leastShare * usable * onePoolOf(report)) {
      faults.push(
        `${name}: ${shareOf(report, perSecond)} of what one pool does, with ${percent(usable)} of its permits`,
      );
    }
  }
  if (obituaries.length === 0) faults.push('nobody was killed');
  for (const { process, permitsBackMillis = 0 } of obituaries) {
    if (permitsBackMillis > plan.ttlMillis + lookingMillis) {
      faults.push(`the permits of ${process} were back after ${permitsBackMillis.toFixed(0)} ms`);
    }
  }
  if (left.connections > 0) faults.push(`${left.connections} connections are left`);
  if (left.members > 0) faults.push(`${left.members} members are left in the books`);
  return faults;
}

/** The share of all permits that were not locked up with the dead, over the time of a part. */
function usableOf({ plan, seconds, obituaries }: RunReport, part: string): number {
  if (part !== FLEET_UNDER_KILLS) return 1;
  const lockedUp = obituaries.reduce((sum, each) => sum + each.lockedUp, 0);
  return 1 - lockedUp / (plan.limit * seconds * 1_000);
}

/** What one pool did in the mean, before and after the fleet. */
function onePoolOf({ parts }: RunReport): number {
  const rates = parts.filter(({ name }) => name === ONE_POOL).map(({ perSecond }) => perSecond);
  return rates.reduce((sum, rate) => sum + rate, 0) / rates.length;
}

function shareOf(report: RunReport, perSecond: number): string {
  return percent(perSecond / onePoolOf(report));
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

function millisOf(obituaries: readonly Obituary[], of: (each: Obituary) => number): string {
  const sorted = obituaries.map(of).sort((one, other) => one - other);
  const median = sorted[Math.floor(sorted.length / 2)] ?? NaN;
  return `${median.toFixed(0)}, ${(sorted.at(-1) ?? NaN).toFixed(0)}`;
}
