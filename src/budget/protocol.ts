import type { Observable } from 'rxjs';

/** A permit, or the request for one: it keeps its number for life. */
export interface Entry {
  readonly id: number;
  /** For the floor of its pool. */
  readonly floor: boolean;
}

/** All that a member has and wants, each time it speaks: a report that is lost, or comes twice, does no harm. */
export interface Report {
  readonly member: string;
  /** Grows with each report: one that was overtaken is not heard. */
  readonly sequence: number;
  readonly weight: number;
  readonly limit: number;
  readonly ttlMillis: number;
  readonly turnMillis: number;
  readonly recallAfterMillis: number;
  /** Which life of the budget's memory the member knows; empty before its first answer. */
  readonly epoch: string;
  readonly holds: readonly Entry[];
  readonly asks: readonly Entry[];
}

/** What the budget says to a report. */
export interface Answer {
  /** The report was overtaken by a younger one and did nothing. */
  readonly stale: boolean;
  readonly epoch: string;
  /** Requests that have a permit now. */
  readonly granted: readonly number[];
  /** Permits that the member believed to have, and that others have now. */
  readonly lost: readonly number[];
  /** How many permits are to come back from this member. */
  readonly recall: number;
  readonly limit: number;
  readonly out: number;
  readonly waiting: number;
  readonly members: number;
  /** How long until the first of the members is dead, unless it speaks before; Infinity where there is none. */
  readonly expiresMillis: number;
}

/** Where a budget is kept. */
export interface BudgetServer {
  /** Cold; one answer, or an error where the server is away. */
  report(report: Report): Observable<Answer>;
  /** Emits when members should report, by name, or all of them. Without it they ask again after a while. */
  readonly wake$?: Observable<readonly string[] | undefined> | undefined;
}
