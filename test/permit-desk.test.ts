import { config, EMPTY, NEVER, Observable, of, Subject } from 'rxjs';
import { describe, expect, it, onTestFinished } from 'vitest';
import { giveBack, PermitDesk, recalled, type PermitAsk } from '../src/internal/permit-desk.js';
import { Prefill } from '../src/internal/prefill.js';
import type { Permit, PermitRequest } from '../src/permits.js';

const request: PermitRequest = { pool: 'things', floor: false };

class Ticket implements Permit {
  released = 0;

  release(): void {
    this.released += 1;
  }
}

function deskFor(source: () => Observable<Permit>) {
  const log: unknown[] = [];
  const counts = { asked: 0 };
  const desk: PermitDesk = new PermitDesk(
    { acquire: source },
    {
      permitted: (ask, permit) => log.push(['permitted', ask, permit, counts.asked]),
      permitFailed: (ask, error) => log.push(['failed', ask, error, counts.asked]),
    },
    counts,
  );
  return { desk, log, counts };
}

function askFor(cause: PermitAsk['cause'], prefill?: Prefill): PermitAsk {
  return { cause, prefill };
}

/** The first error that is reported to nobody from now on. */
function firstReport(): Promise<unknown> {
  return new Promise(resolve => {
    const { onUnhandledError } = config;
    config.onUnhandledError = resolve;
    onTestFinished(() => {
      config.onUnhandledError = onUnhandledError;
    });
  });
}

describe('asking for permits', () => {
  it('an ask counts until its permit comes, and the permit is handed on once', () => {
    const permits = new Subject<Permit>();
    const { desk, log, counts } = deskFor(() => permits);
    const [ask, ticket] = [askFor('demand'), new Ticket()];
    desk.ask(ask, request);
    expect(counts.asked).toBe(1);
    permits.next(ticket);
    expect(log).toEqual([['permitted', ask, ticket, 0]]);
    expect(permits.observed).toBe(false);
    expect(ticket.released).toBe(0);
  });

  it('a permit that comes at once counts as any other', () => {
    const ticket = new Ticket();
    const { desk, log } = deskFor(() => of(ticket));
    const ask = askFor('fill');
    desk.ask(ask, request);
    expect(log).toEqual([['permitted', ask, ticket, 0]]);
  });

  it('a source that gives twice gets the second one back', () => {
    const [first, second] = [new Ticket(), new Ticket()];
    const { desk, log } = deskFor(() => of(first, second));
    desk.ask(askFor('demand'), request);
    expect(log).toHaveLength(1);
    expect([first.released, second.released]).toEqual([0, 1]);
  });

  it.each([
    {
      how: 'errors',
      source: new Observable<Permit>(s => {
        s.error(new Error('none'));
      }),
      message: 'none',
    },
    {
      how: 'completes empty',
      source: EMPTY,
      message: 'the permit source completed without a permit',
    },
  ])('a source that $how fails its ask, once', ({ source, message }) => {
    const { desk, log } = deskFor(() => source);
    const ask = askFor('demand');
    desk.ask(ask, request);
    expect(log).toEqual([['failed', ask, expect.objectContaining({ message }), 0]]);
  });

  it('a source whose acquire throws fails its ask', () => {
    const failure = new Error('no budget');
    const { desk, log } = deskFor(() => {
      throw failure;
    });
    const ask = askFor('demand');
    desk.ask(ask, request);
    expect(log).toEqual([['failed', ask, failure, 0]]);
  });

  it('withdraws the youngest asks of a cause and leaves the others', () => {
    const asked: number[] = [];
    const left: number[] = [];
    const { desk, log, counts } = deskFor(
      () =>
        new Observable(() => {
          const number = asked.length;
          asked.push(number);
          return () => left.push(number);
        }),
    );
    for (const cause of ['demand', 'fill', 'demand', 'fill', 'demand'] as const) {
      desk.ask(askFor(cause), request);
    }
    expect([desk.count('demand'), desk.count('fill'), desk.count('prefill')]).toEqual([3, 2, 0]);
    desk.withdraw(2, 'demand');
    expect(left).toEqual([4, 2]);
    desk.withdraw(1);
    expect(left).toEqual([4, 2, 3]);
    desk.withdraw(0);
    desk.withdraw(-1);
    expect(counts.asked).toBe(2);
    desk.withdraw(9, 'fill');
    expect([desk.count('demand'), desk.count('fill')]).toEqual([1, 0]);
    desk.withdraw(9);
    expect(left).toEqual([4, 2, 3, 1, 0]);
    expect(log).toEqual([]);
  });

  it('a prefill whose ask is withdrawn waits for it no more', () => {
    const { desk } = deskFor(() => NEVER);
    const prefill = new Prefill(1, 1);
    prefill.started();
    desk.ask(askFor('prefill', prefill), request);
    expect(prefill.done).toBe(false);
    desk.withdraw(1);
    expect(prefill.done).toBe(true);
  });

  it('a permit that comes after the withdrawal is given back', () => {
    const kept: ((permit: Permit) => void)[] = [];
    const { desk, log } = deskFor(
      () =>
        ({
          subscribe: (observer: { next: (permit: Permit) => void }) => {
            kept.push(permit => {
              observer.next(permit);
            });
            return { unsubscribe: () => undefined };
          },
        }) as unknown as Observable<Permit>,
    );
    desk.ask(askFor('demand'), request);
    desk.withdraw(1);
    const ticket = new Ticket();
    kept[0]!(ticket);
    expect(ticket.released).toBe(1);
    expect(log).toEqual([]);
  });
});

describe('giving permits back', () => {
  it('a release that throws is reported and breaks nothing', async () => {
    const reported = firstReport();
    const failure = new Error('budget is gone');
    giveBack({
      release: () => {
        throw failure;
      },
    });
    expect(await reported).toBe(failure);
  });

  it('where there is no permit, there is nothing to give back or to recall', () => {
    expect(() => {
      giveBack(undefined);
    }).not.toThrow();
    expect(recalled(undefined)).toBeUndefined();
  });

  it('a permit is wanted back only when it says so', async () => {
    const release = (): void => undefined;
    expect(recalled({ release })).toBeUndefined();
    expect(recalled({ release, recall: () => false })).toBeUndefined();
    expect(recalled({ release, recall: () => true })).toBe('surplus');
    const reported = firstReport();
    const failure = new Error('budget is gone');
    const recall = (): boolean => {
      throw failure;
    };
    expect(recalled({ release, recall })).toBeUndefined();
    expect(await reported).toBe(failure);
  });
});
