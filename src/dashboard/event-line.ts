import type { PoolEvent, PoolEventType } from '../index.js';

/** One line of the event log, as the page gets it. */
export interface EventLine {
  readonly seq: number;
  readonly at: number;
  readonly type: PoolEventType;
  readonly id?: number;
  readonly request?: number;
  readonly label?: string;
  readonly reason?: string;
  readonly millis?: number;
  readonly error?: string;
}

/** Events of every lease: the first to go when there are more than fit. */
const routine: ReadonlySet<PoolEventType> = new Set([
  'requested',
  'acquired',
  'released',
  'cancelled',
  'validating',
  'validated',
  'resetting',
  'reset',
] as const);

export function isRoutine(type: PoolEventType): boolean {
  return routine.has(type);
}

/** Field by field: what is not named here cannot reach the page. */
export function lineOf(event: PoolEvent): EventLine {
  return {
    seq: event.seq,
    at: event.at,
    type: event.type,
    ...('id' in event && { id: event.id }),
    ...('requestId' in event && { request: event.requestId }),
    ...('label' in event && event.label !== undefined && { label: shortened(event.label) }),
    ...('reason' in event && { reason: event.reason }),
    ...('waitedMillis' in event && { millis: event.waitedMillis }),
    ...('heldMillis' in event && { millis: event.heldMillis }),
    ...('tookMillis' in event && { millis: event.tookMillis }),
    ...('error' in event && event.error !== undefined && { error: kindOf(event.error) }),
  };
}

const longestLabel = 80;

export function shortened(label: string): string {
  return label.length <= longestLabel ? label : `${label.slice(0, longestLabel - 1)}…`;
}

/**
 * What sort of error it is. Never its message: drivers put hosts, users, connection strings and queries into it. The
 * name and the code are taken only when they look like a name and a code.
 */
export function kindOf(error: unknown): string {
  const name = wordOf(error, 'name', /^[A-Za-z][A-Za-z0-9]{0,39}$/);
  const code = wordOf(error, 'code', /^[A-Z0-9][A-Z0-9_]{1,39}$/);
  if (name === undefined || (name === 'Error' && code !== undefined)) return code ?? 'error';
  return code === undefined ? name : `${name} ${code}`;
}

function wordOf(error: unknown, key: string, pattern: RegExp): string | undefined {
  try {
    const word: unknown = (error as Record<string, unknown> | null | undefined)?.[key];
    return typeof word === 'string' && pattern.test(word) ? word : undefined;
  } catch {
    return undefined; // a getter of somebody's error that throws
  }
}
