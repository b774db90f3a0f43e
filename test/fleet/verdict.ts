import type { Obituary } from './obituary.js';
import { FLEET_UNDER_KILLS, type Part, type RunReport } from './run.js';

/** What a fleet has to do of what one pool does, with the permits that are not locked up with the dead. */
const leastShare = 0.9;
/** Only a report of somebody else clears the books of the dead, and a small fleet may be silent for as long as this. */
const lookingMillis = 1_250;

/** The report as a table for people. */
export function rows(report: RunReport): string {
  const { plan, parts, obituaries, longestGapMillis, lost } = report;
  const threads = plan.processes * plan.threadsPerProcess;
  const line = ({ name, perSecond, most, samples, failed, made }: Part): string =>
    `| ${name} | ${perSecond.toFixed(0)} | ${shareOf(report, perSecond)} | ${most} of ${plan.limit} | ${samples} | ${made} | ${failed} |`;
  const permits = millisOf(obituaries, ({ permitsBackMillis }) => permitsBackMillis ?? 0);
  const connections = millisOf(obituaries, ({ connectionsGoneMillis }) => connectionsGoneMillis);
  return [
    `${plan.processes} processes, ${threads} threads, ${threads * plan.borrowersPerThread} borrowers of ${plan.workMillis} ms, limit ${plan.limit}, time to live ${plan.ttlMillis} ms`,
    '',
    '| | borrowings/s | of one pool | most connections | samples | connections made | failed |',
    '|---|---|---|---|---|---|---|',
    ...parts.map(line),
    '',
    `${obituaries.length} processes killed. After a kill the permits were back in ${permits} ms (median, most), the connections gone in ${connections} ms.`,
    `Longest time without a look at the server: ${longestGapMillis.toFixed(0)} ms. Permits that the living lost, because they stood still for a time to live: ${lost}.`,
  ].join('\n');
}

/** What did not hold. */
export function verdictOf(report: RunReport): string[] {
  const { plan, parts, obituaries, crashes, left } = report;
  const [onePool, ...fleets] = parts;
  const faults: string[] = [...crashes];
  for (const { name, most, perSecond, failed } of fleets) {
    if (most > plan.limit) faults.push(`${name}: ${most} connections of ${plan.limit}`);
    if (failed > 0) faults.push(`${name}: ${failed} borrowings failed`);
    const deaths = name === FLEET_UNDER_KILLS ? obituaries.length : 0;
    const lockedUp = (deaths * plan.ttlMillis) / (plan.processes * report.seconds * 1_000);
    if (perSecond < leastShare * (1 - lockedUp) * (onePool?.perSecond ?? Infinity)) {
      faults.push(`${name}: ${shareOf(report, perSecond)} of what one pool does`);
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

function shareOf({ parts }: RunReport, perSecond: number): string {
  return `${((perSecond / (parts[0]?.perSecond ?? NaN)) * 100).toFixed(1)} %`;
}

function millisOf(obituaries: readonly Obituary[], of: (each: Obituary) => number): string {
  const sorted = obituaries.map(of).sort((one, other) => one - other);
  const median = sorted[Math.floor(sorted.length / 2)] ?? NaN;
  return `${median.toFixed(0)}, ${(sorted.at(-1) ?? NaN).toFixed(0)}`;
}
