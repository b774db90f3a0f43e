import { tap } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { BudgetAnswerTimeoutError, BudgetDisposedError } from '../src/budget/index.js';
import { InvalidOptionsError } from '../src/index.js';
import { permitSourceConformance } from '../src/testing/index.js';
import {
  ask,
  Asker,
  grantedOf,
  LedgerServer,
  memberOf,
  poolOn,
  steppedTime,
} from './budget-fixture.js';

function typesOf(events: readonly { readonly type: string }[]): string[] {
  return events.map(({ type }) => type);
}

describe('a member of a budget', () => {
  it('holds no timer and says nothing while it neither has nor wants a permit', () => {
    const time = steppedTime();
    const server = new LedgerServer(time);
    const member = memberOf(server, time, { limit: 1 });
    expect(time.pending).toBe(0);
    const [asker] = ask(member, 1);
    expect(asker?.permit).toBeDefined();
    asker?.release();
    expect(time.pending).toBe(0);
    expect(server.ledger?.members).toEqual({});
    const spoken = server.reports.length;
    time.advance(100_000);
    expect(server.reports).toHaveLength(spoken);
  });

  it('renews what it holds three times in a time to live, for as long as it holds it', () => {
    const time = steppedTime();
    const server = new LedgerServer(time);
    const member = memberOf(server, time, { limit: 1, ttlMillis: 9_000 });
    const [asker] = ask(member, 1);
    const spoken = server.reports.length;
    time.advance(90_000);
    expect(server.reports.length - spoken).toBe(30);
    expect(asker?.losses).toBe(0);
  });

  it('has its permits go to others one time to live after its last sign of life', () => {
    const time = steppedTime();
    const server = new LedgerServer(time);
    const dying = memberOf(server, time, { limit: 2, ttlMillis: 3_000, pollMillis: 50 });
    const other = memberOf(server, time, {
      limit: 2,
      member: 'other',
      ttlMillis: 3_000,
      pollMillis: 50,
    });
    ask(dying, 2);
    // It sends no more: for the others that is how a process looks that was killed.
    server.cutOff.add(dying.member);
    const waiting = ask(other, 2);
    time.advance(2_999);
    expect(grantedOf(waiting)).toHaveLength(0);
    time.advance(51);
    expect(grantedOf(waiting)).toHaveLength(2);
  });

  it('knows, where it is woken, when the permits of a dead one are free, of which nobody can wake it', () => {
    const time = steppedTime();
    const server = new LedgerServer(time, true);
    const options = { limit: 2, ttlMillis: 3_000, turnMillis: 60_000, recallAfterMillis: 60_000 };
    const dying = memberOf(server, time, options);
    const living = memberOf(server, time, { ...options, member: 'living' });
    const [held] = ask(dying, 1);
    const [kept] = ask(living, 1);
    time.advance(500);
    const waiting = ask(living, 2);
    time.advance(1_700);
    server.cutOff.add(dying.member);
    const spoken = server.reports.length;
    // Its last sign of life was at 2,000 ms, of those it gives every 1,000 ms.
    time.advance(2_799);
    expect([held, kept].map(each => each?.losses)).toEqual([0, 0]);
    expect(grantedOf(waiting)).toHaveLength(0);
    time.advance(3);
    expect(grantedOf(waiting)).toHaveLength(1);
    // One look for each renewal of the other, beside its own.
    expect(server.reports.length - spoken).toBeLessThan(8);
  });

  it('does not have all who wait look for each of many that die one after the other', () => {
    const time = steppedTime();
    const server = new LedgerServer(time, true);
    const options = { limit: 50, ttlMillis: 3_000, turnMillis: 60_000, recallAfterMillis: 60_000 };
    const dying = Array.from({ length: 50 }, (_, number) =>
      memberOf(server, time, { ...options, member: `dying ${number}` }),
    );
    for (const each of dying) {
      ask(each, 1);
      time.advance(3);
    }
    const living = Array.from({ length: 20 }, (_, number) =>
      memberOf(server, time, { ...options, member: `living ${number}` }),
    );
    const waiting = living.flatMap(each => ask(each, 3));
    for (const each of dying) server.cutOff.add(each.member);
    const spoken = server.reports.length;
    time.advance(3_300);
    expect(grantedOf(waiting)).toHaveLength(50);
    // Of 20 who wait, for 50 deaths within 150 ms: each is told, renews, and looks a few times.
    expect(server.reports.length - spoken).toBeLessThan(20 * 12);
  });

  it('listens before it asks, so that it hears of what is given back in the meantime (a thread waited 20 s)', () => {
    const time = steppedTime();
    const server = new LedgerServer(time, true);
    const forEver = 600_000;
    const options = {
      limit: 1,
      turnMillis: forEver,
      recallAfterMillis: forEver,
      ttlMillis: forEver,
    };
    const [held] = ask(memberOf(server, time, options), 1);
    const waiting = memberOf(
      {
        wake$: server.wake$,
        report: report =>
          server.report(report).pipe(
            tap(() => {
              if (report.asks.length > 0 && report.holds.length === 0) held?.release();
            }),
          ),
      },
      time,
      { ...options, member: 'waiting' },
    );
    const [asker] = ask(waiting, 1);
    time.advance(0);
    expect(asker?.permit).toBeDefined();
  });

  it('loses, after standing still for longer than a time to live, what others were given', () => {
    const time = steppedTime();
    const server = new LedgerServer(time);
    const frozen = memberOf(server, time, { limit: 2, ttlMillis: 3_000 });
    const held = ask(frozen, 2);
    const other = memberOf(server, time, { limit: 2, member: 'other', ttlMillis: 3_000 });
    time.freezeUntil(time.now() + 3_500);
    const [quick] = ask(other, 1);
    expect(quick?.permit).toBeDefined();
    time.advance(1_000);
    expect(held.map(({ losses }) => losses)).toEqual([0, 1]);
    expect(frozen.events.filter(({ type }) => type === 'lost')).toMatchObject([
      { pool: 'pool', error: { reason: 'expired', code: 'PERMIT_LOST' } },
    ]);
    expect(frozen.state.held).toBe(1);
  });

  it('renews in time although its clock is set back', () => {
    const time = steppedTime();
    const server = new LedgerServer(time);
    const member = memberOf(server, time, { limit: 1, ttlMillis: 9_000 });
    ask(member, 1);
    time.advance(100);
    const spoken = server.reports.length;
    let setBack = 0;
    const now = time.now.bind(time);
    Object.assign(time, { now: () => now() - setBack });
    setBack = 60_000;
    time.advance(6_000);
    expect(server.reports.length - spoken).toBe(2);
    time.advance(9_000);
    expect(server.reports.length - spoken).toBe(5);
  });

  it('gives back a permit that was granted to a request withdrawn in the meantime', () => {
    const time = steppedTime();
    const server = new LedgerServer(time);
    server.answerMillis = 10;
    const member = memberOf(server, time, { limit: 1 });
    const gone = new Asker(member);
    time.advance(6);
    gone.leave();
    const next = new Asker(member);
    time.advance(40);
    expect(gone.permit).toBeUndefined();
    expect(next.permit).toBeDefined();
  });

  it('tells each event with its time and the state after it, and the same to late subscribers of state$', () => {
    const time = steppedTime();
    const server = new LedgerServer(time);
    const member = memberOf(server, time, { limit: 1 });
    const [first, second] = ask(member, 2, { pool: 'orders' });
    time.advance(40);
    first?.release();
    expect(member.events).toMatchObject([
      { type: 'granted', pool: 'orders', floor: false, waitedMillis: 0, at: 1_000_000 },
      { type: 'released', pool: 'orders', heldMillis: 40, state: { held: 0, waiting: 1 } },
      { type: 'granted', waitedMillis: 40, state: { held: 1, waiting: 0 } },
    ]);
    expect(second?.permit).toBeDefined();
    let latest: unknown;
    member.state$.subscribe(state => (latest = state)).unsubscribe();
    expect(latest).toEqual(member.state);
    expect(latest).toEqual({
      lifecycle: 'running',
      held: 1,
      waiting: 0,
      recalled: 0,
      away: false,
      fleet: { limit: 1, out: 1, waiting: 0, members: 1 },
    });
  });

  it('serves 10,000 requests that give back inside the call that gives, without growing the stack', () => {
    const time = steppedTime();
    const server = new LedgerServer(time);
    const member = memberOf(server, time, { limit: 1 });
    let served = 0;
    const again = (): void => {
      member.acquire({ pool: 'pool', floor: false }).subscribe(permit => {
        served += 1;
        permit.release();
        if (served < 10_000) again();
      });
    };
    again();
    expect(served).toBe(10_000);
  });

  it('refuses options that make no sense, by name', () => {
    const time = steppedTime();
    const server = new LedgerServer(time);
    const make = (options: object) => () => memberOf(server, time, { limit: 1, ...options });
    expect(make({ limit: 0 })).toThrow(InvalidOptionsError);
    expect(make({ limit: undefined })).toThrow('option "limit" must be a whole number from 1 on');
    expect(make({ weight: 0 })).toThrow('"weight"');
    expect(make({ ttlMilis: 3 })).toThrow('did you mean "ttlMillis"?');
    expect(make({ whenAway: 'hope' })).toThrow('"whenAway"');
    expect(make({ whenAway: { share: 0 } })).toThrow('"whenAway"');
    expect(make({ ttlMillis: 100, renewEveryMillis: 60 })).toThrow('at most half of ttlMillis');
    expect(make({ member: 'a,b' })).toThrow('"member"');
    expect(make({ scheduler: {} })).toThrow('"scheduler"');
  });
});

describe('a budget with more who want than it has', () => {
  function fleet(limit: number, weights: readonly number[], options: object = {}) {
    const time = steppedTime();
    const server = new LedgerServer(time, true);
    const members = weights.map((weight, index) =>
      memberOf(server, time, { limit, weight, member: `member ${index}`, ...options }),
    );
    return { time, server, members };
  }

  it('calls permits back from who has more than its share, for leases that end', () => {
    const { time, members } = fleet(4, [1, 1]);
    const [early, late] = members.map(member => poolOn(member, time, { max: 4 }));
    const subscriptions = Array.from({ length: 4 }, () => early?.acquire().subscribe());
    expect(early?.state.leased).toBe(4);
    const waiting = Array.from({ length: 4 }, () => late?.acquire().subscribe());
    time.advance(99);
    expect(members[0]?.state.recalled).toBe(0);
    time.advance(2);
    expect(members[0]?.state.recalled).toBe(2);
    for (const subscription of subscriptions) subscription?.unsubscribe();
    expect([early?.state.size, late?.state.size]).toEqual([2, 2]);
    expect(late?.state.leased).toBe(2);
    for (const subscription of waiting) subscription?.unsubscribe();
  });

  it('takes idle resources back after a while, and publishes that the permit was recalled', () => {
    const { time, members } = fleet(4, [1, 1]);
    const [early, late] = members.map(member => poolOn(member, time, { max: 4, name: 'orders' }));
    for (const each of Array.from({ length: 4 }, () => early?.acquire().subscribe())) {
      each?.unsubscribe();
    }
    const lost: unknown[] = [];
    early?.stats$.subscribe(event => {
      if (event.type === 'permitLost') lost.push(event);
    });
    const waiting = Array.from({ length: 4 }, () => late?.acquire().subscribe());
    time.advance(1_050);
    expect(late?.state.leased).toBe(0);
    time.advance(60);
    expect([early?.state.size, late?.state.leased]).toEqual([2, 2]);
    expect(lost).toMatchObject([
      { error: { reason: 'recalled', pool: 'orders' } },
      { error: { reason: 'recalled' } },
    ]);
    for (const subscription of waiting) subscription?.unsubscribe();
  });

  it('calls nothing back for requests that are served by returning leases soon', () => {
    const { time, members } = fleet(2, [1, 1]);
    ask(members[0] as never, 2);
    const [short] = ask(members[1] as never, 1);
    time.advance(90);
    short?.leave();
    time.advance(5_000);
    expect(typesOf(members[0]?.events ?? [])).not.toContain('recalled');
  });

  it('shares by weight', () => {
    const { time, members } = fleet(12, [1, 2, 3], { turnMillis: 100_000 });
    const pools = members.map((member, index) =>
      poolOn(member, time, { max: 12, name: `pool ${index}` }),
    );
    const subscriptions = pools.flatMap(pool =>
      Array.from({ length: 12 }, () => pool.acquire({ timeoutMillis: Infinity }).subscribe()),
    );
    // Leases that end at once give back what is recalled: here they are ended by hand, until all is even.
    for (let round = 0; round < 40; round += 1) {
      time.advance(200);
      const pool = pools.find((_, index) => (members[index]?.state.recalled ?? 0) > 0);
      if (pool === undefined) continue;
      const held = subscriptions.findIndex(
        (each, index) => !each.closed && pools[Math.floor(index / 12)] === pool,
      );
      subscriptions[held]?.unsubscribe();
    }
    expect(members.map(({ state }) => state.held)).toEqual([2, 4, 6]);
    for (const subscription of subscriptions) subscription.unsubscribe();
  });

  it('gives a floor before all others, and takes it from who is above its own floor', () => {
    const { time, members } = fleet(4, [1, 1]);
    const [rich, poor] = members;
    const held = ask(rich as never, 4, { pool: 'rich' });
    const queued = ask(rich as never, 1, { pool: 'rich' });
    const floor = ask(poor as never, 2, { pool: 'poor', floor: true });
    expect(rich?.state.recalled).toBe(2);
    for (const each of held.slice(0, 2)) {
      expect(each.permit?.recall?.()).toBe(true);
      each.release();
    }
    expect(held[2]?.permit?.recall?.()).toBe(false);
    expect(grantedOf(floor)).toHaveLength(2);
    expect(grantedOf(queued)).toHaveLength(0);
    time.advance(10_000);
    expect(grantedOf(floor).map(({ losses }) => losses)).toEqual([0, 0]);
  });

  it('never calls a floor back', () => {
    const { time, members } = fleet(2, [1, 1]);
    const [one, other] = members;
    const floor = ask(one as never, 2, { floor: true });
    const waiting = ask(other as never, 2);
    time.advance(60_000);
    expect(floor.map(({ permit }) => permit?.recall?.())).toEqual([false, false]);
    expect(floor.map(({ losses }) => losses)).toEqual([0, 0]);
    expect(grantedOf(waiting)).toHaveLength(0);
  });

  it('goes round where there are fewer permits than members, so that nobody starves', () => {
    const { time, members } = fleet(2, [1, 1, 1, 1, 1], { turnMillis: 1_000 });
    const pools = members.map(member => poolOn(member, time, { max: 1 }));
    const leasedFor = pools.map(() => 0);
    // Each borrows all the time, 10 ms each.
    const stop = pools.map((pool, index) => {
      let subscription = pool.acquire({ timeoutMillis: Infinity }).subscribe(borrowed);
      function borrowed(): void {
        leasedFor[index] = (leasedFor[index] ?? 0) + 10;
        const mine = (): void => {
          subscription.unsubscribe();
          subscription = pool.acquire({ timeoutMillis: Infinity }).subscribe(borrowed);
        };
        time.schedule(mine, 10);
      }
      return () => {
        subscription.unsubscribe();
      };
    });
    time.advance(60_000);
    const total = leasedFor.reduce((sum, each) => sum + each, 0);
    const squares = leasedFor.reduce((sum, each) => sum + each * each, 0);
    // Of 2 × 60 s, all but the moments between a call and the end of a lease is used; Jain's index of fairness.
    expect(total).toBeGreaterThan(2 * 60_000 * 0.95);
    expect(total ** 2 / (5 * squares)).toBeGreaterThan(0.98);
    for (const each of stop) each();
  });

  it('keeps to the lowest limit that a living member names', () => {
    const { time, server, members } = fleet(4, [1]);
    const lower = memberOf(server, time, { limit: 2, member: 'lower' });
    const held = ask(members[0] as never, 3);
    const [waiting] = ask(lower, 1);
    held[0]?.release();
    expect(waiting?.permit).toBeUndefined();
    held[1]?.release();
    expect(waiting?.permit).toBeDefined();
    expect(lower.state.fleet).toMatchObject({ limit: 2, out: 2 });
  });
});

describe('a budget whose server is away', () => {
  function lonely(options: object) {
    const time = steppedTime();
    const server = new LedgerServer(time);
    const member = memberOf(server, time, { limit: 4, ttlMillis: 10_000, ...options });
    return { time, server, member };
  }

  it('says so once, asks again, and says when it is back', () => {
    const { time, server, member } = lonely({});
    ask(member, 1);
    server.failure = new Error('connection refused');
    time.advance(20_000);
    expect(member.state.away).toBe(true);
    server.failure = undefined;
    time.advance(2_000);
    expect(typesOf(member.events)).toEqual(['granted', 'away', 'back', 'renewed']);
    expect(member.events[1]).toMatchObject({ error: { message: 'connection refused' } });
    expect(member.state.away).toBe(false);
  });

  it('counts as away when it gives no answer in time', () => {
    const { time, server, member } = lonely({ answerTimeoutMillis: 500 });
    server.answerMillis = Infinity;
    const [asker] = ask(member, 1);
    time.advance(499);
    expect(member.state.away).toBe(false);
    time.advance(1);
    expect(member.events[0]).toMatchObject({ type: 'away' });
    expect(member.events[0]).toHaveProperty('error', expect.any(BudgetAnswerTimeoutError));
    expect(asker?.waits).toBe(true);
    server.answerMillis = 0;
    time.advance(1_000);
    expect(asker?.permit).toBeDefined();
  });

  it('keeps what is held and takes none with `keep`', () => {
    const { time, server, member } = lonely({ whenAway: 'keep' });
    const held = ask(member, 2);
    server.failure = new Error('gone');
    time.advance(60_000);
    const [more] = ask(member, 1);
    expect(held.map(({ losses }) => losses)).toEqual([0, 0]);
    expect(more?.waits).toBe(true);
    server.failure = undefined;
    time.advance(1_000);
    expect(member.state.fleet?.out).toBe(3);
    expect(more?.permit).toBeDefined();
  });

  it('gives everything up before it runs out with `none`', () => {
    const { time, server, member } = lonely({ whenAway: 'none' });
    const held = ask(member, 2);
    server.failure = new Error('gone');
    time.advance(7_999);
    expect(held.map(({ losses }) => losses)).toEqual([0, 0]);
    time.advance(1);
    expect(held.map(({ losses }) => losses)).toEqual([1, 1]);
    expect(member.events.at(-1)).toMatchObject({ type: 'lost', error: { reason: 'away' } });
    for (const each of held) each.release();
    expect(member.state.held).toBe(0);
  });

  it('does not let others have what it gave up for as long as a lease goes on with it (fleet seed 1: 11 of 10)', () => {
    const { time, server, member } = lonely({ whenAway: 'none' });
    const other = memberOf(server, time, { limit: 4, member: 'other' });
    const held = ask(member, 3);
    server.cutOff.add(member.member);
    time.advance(8_000);
    expect(held.map(({ losses }) => losses)).toEqual([1, 1, 1]);
    held[0]?.release();
    server.cutOff.clear();
    time.advance(1_000);
    ask(other, 4);
    time.advance(2_000);
    // Two are in use still, lost or not.
    expect(other.state.held).toBe(2);
    for (const each of held) each.release();
    time.advance(2_000);
    expect(other.state.held).toBe(4);
    expect(held.map(({ losses }) => losses)).toEqual([1, 1, 1]);
  });

  it('gives up, after it stood still past its time, unless the server answers at once (fleet seed 2: 73 of 72)', () => {
    // A process that was cut off stood still for 13 s, and ran again just before it was reached again: its report was
    // lost, and it used three permits that others had for the whole time that an answer may take, and a lease more.
    const { time, server, member } = lonely({ whenAway: 'none', answerTimeoutMillis: 2_000 });
    server.answerMillis = 10;
    const held = ask(member, 2);
    time.advance(20);
    expect(grantedOf(held)).toHaveLength(2);
    time.freezeUntil(time.now() + 13_000);
    time.advance(100);
    expect(held.map(({ losses }) => losses)).toEqual([0, 0]);
    server.answerMillis = Infinity;
    time.freezeUntil(time.now() + 13_000);
    time.advance(499);
    expect(member.state.away).toBe(false);
    expect(held.map(({ losses }) => losses)).toEqual([0, 0]);
    time.advance(1);
    expect(held.map(({ losses }) => losses)).toEqual([1, 1]);
  });

  it('gives up in time although its clock is set back meanwhile', () => {
    // What had passed since the clock was last read was lost with the step: here 3 s, more than there is to spare.
    const { time, server, member } = lonely({ whenAway: 'none' });
    const held = ask(member, 2);
    server.failure = new Error('gone');
    time.advance(3_000);
    const now = time.now.bind(time);
    Object.assign(time, { now: () => now() - 60_000 });
    time.advance(5_001);
    expect(held.map(({ losses }) => losses)).toEqual([1, 1]);
  });

  it('gives up in time however long an answer may take', () => {
    const { time, server, member } = lonely({ whenAway: 'none', answerTimeoutMillis: 60_000 });
    const held = ask(member, 2);
    server.answerMillis = Infinity;
    time.advance(7_999);
    expect(held.map(({ losses }) => losses)).toEqual([0, 0]);
    time.advance(1);
    expect(member.state.away).toBe(false);
    expect(held.map(({ losses }) => losses)).toEqual([1, 1]);
  });

  it('keeps, or takes, a safe share with `{ share }`, floors first', () => {
    const { time, server, member } = lonely({ whenAway: { share: 2 } });
    const plain = ask(member, 3);
    const [floor] = ask(member, 1, { floor: true });
    server.failure = new Error('gone');
    time.advance(9_000);
    expect([...plain, floor].map(each => each?.losses)).toEqual([0, 1, 1, 0]);
    for (const each of plain) each.release();
    const more = ask(member, 2);
    expect(more.map(({ waits }) => waits)).toEqual([false, true]);
    server.failure = undefined;
    time.advance(1_000);
    expect(member.state).toMatchObject({ held: 3, waiting: 0, fleet: { out: 3 } });
  });

  it('takes its share at once where it never reached the server', () => {
    const { time, server, member } = lonely({ whenAway: { share: 1 } });
    server.failure = new Error('gone');
    const askers = ask(member, 2);
    time.advance(1);
    expect(askers.map(({ waits }) => waits)).toEqual([false, true]);
  });

  it('loses on its return what does not fit any more, and no more than that', () => {
    const { time, server, member } = lonely({ whenAway: 'keep' });
    const other = memberOf(server, time, { limit: 4, member: 'other' });
    const held = ask(member, 3);
    server.cutOff.add(member.member);
    time.advance(20_000);
    ask(other, 3);
    expect(other.state.held).toBe(3);
    server.cutOff.clear();
    time.advance(1_000);
    expect(held.map(({ losses }) => losses)).toEqual([0, 1, 1]);
    expect(other.state.held).toBe(3);
  });

  it('grants nothing new for a time to live after its memory was lost, so that holders are heard first', () => {
    const { time, server, member } = lonely({});
    const second = memberOf(server, time, { limit: 4, member: 'second' });
    ask(member, 2);
    ask(second, 2);
    server.forget();
    time.advance(3_400);
    expect(second.state.fleet?.out).toBe(4);
    const [waiting] = ask(member, 1);
    second.acquire({ pool: 'pool', floor: false }).subscribe().unsubscribe();
    time.advance(3_000);
    expect(waiting?.waits).toBe(true);
    expect([...member.events, ...second.events].map(({ type }) => type)).not.toContain('lost');
  });
});

describe('disposing of a budget', () => {
  it('gives back what is held, fails who waits, and leaves no timer', async () => {
    const time = steppedTime();
    const server = new LedgerServer(time, true);
    const member = memberOf(server, time, { limit: 1 });
    const [held, waiting] = ask(member, 2);
    let completed = 0;
    member.state$.subscribe({ complete: () => (completed += 1) });
    member.events$.subscribe({ complete: () => (completed += 1) });
    await member.dispose();
    await member.dispose();
    expect(held?.losses).toBe(1);
    expect(waiting?.error).toBeInstanceOf(BudgetDisposedError);
    expect(new Asker(member).error).toBeInstanceOf(BudgetDisposedError);
    expect(server.ledger?.members).toEqual({});
    expect(server.isListenedTo).toBe(false);
    expect(time.pending).toBe(0);
    expect(completed).toBe(2);
    expect(typesOf(member.events)).toEqual(['granted', 'lost', 'disposed']);
    held?.release();
    expect(time.pending).toBe(0);
  });

  it('ends although the server is away', async () => {
    const time = steppedTime();
    const server = new LedgerServer(time);
    const member = memberOf(server, time, { limit: 1 });
    ask(member, 1);
    server.failure = new Error('gone');
    await member.dispose();
    expect(time.pending).toBe(0);
    expect(member.state).toMatchObject({ lifecycle: 'disposed', held: 0 });
  });

  it('says goodbye although the call under way got no answer', async () => {
    const time = steppedTime();
    const server = new LedgerServer(time);
    const member = memberOf(server, time, { limit: 1, answerTimeoutMillis: 500 });
    ask(member, 1);
    server.answerMillis = Infinity;
    ask(member, 1);
    const disposing = member.dispose();
    server.answerMillis = 0;
    time.advance(500);
    await disposing;
    expect(server.ledger?.members).toEqual({});
    expect(time.pending).toBe(0);
  });

  it('is deaf to an answer that comes after it ended while the server was away (a thread of the fleet span for ever)', async () => {
    // What was given back in the outage was still to be said, nobody was left to say it, and so it tried without end.
    const time = steppedTime();
    const server = new LedgerServer(time);
    const member = memberOf(server, time, { limit: 1, answerTimeoutMillis: 500 });
    const [held] = ask(member, 1);
    server.answerMillis = Infinity;
    time.advance(4_000);
    expect(member.state.away).toBe(true);
    server.answerMillis = 100;
    time.advance(850);
    held?.release();
    await member.dispose();
    const ended = { ...member.state };
    time.advance(10_000);
    expect(member.state).toEqual(ended);
    expect(time.pending).toBe(0);
    expect(typesOf(member.events).at(-1)).toBe('disposed');
  });

  it('waits for the call under way, and takes back what that one brings', async () => {
    const time = steppedTime();
    const server = new LedgerServer(time);
    server.answerMillis = 10;
    const member = memberOf(server, time, { limit: 1 });
    ask(member, 1);
    time.advance(6);
    const disposing = member.dispose();
    time.advance(100);
    await disposing;
    expect(server.ledger?.members).toEqual({});
    expect(time.pending).toBe(0);
  });
});

describe('the books of a budget behind a member keep the contract of a PermitSource', () => {
  for (const { name, run } of permitSourceConformance({
    fifo: true,
    quietMillis: 5,
    make: limit => {
      const time = steppedTime();
      const server = new LedgerServer(time, true);
      const source = memberOf(server, time, { limit, member: 'one' });
      const peer = memberOf(server, time, { limit, member: 'other' });
      return {
        source,
        peer,
        close: async () => {
          await Promise.all([source.dispose(), peer.dispose()]);
        },
      };
    },
  })) {
    it(name, run);
  }
});
