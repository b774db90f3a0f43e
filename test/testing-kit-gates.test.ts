import { TestScheduler } from 'rxjs/testing';
import { describe, expect, it } from 'vitest';
import { createPool, type CreateContext, type Lease, type PoolEvent } from '../src/index.js';
import {
  gates,
  type GateOutcome,
  type GatesOptions,
  type SettleStyle,
} from '../src/testing/index.js';

const styles: readonly SettleStyle[] = ['sync', 'promise', 'scheduler'];

/** Lets promises settle. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
}

function poolOf(options: GatesOptions<number> = {}) {
  const gate = gates(options);
  const { scheduler } = options;
  const pool = createPool<number>({
    ...gate.hooks,
    name: 'gated',
    max: 3,
    idleTimeoutMillis: Infinity,
    ...(scheduler === undefined ? {} : { scheduler }),
  });
  const events: PoolEvent[] = [];
  const leases: Lease<number>[] = [];
  pool.stats$.subscribe(event => events.push(event));
  const borrow = () =>
    pool.acquire().subscribe({ next: lease => leases.push(lease), error: () => undefined });
  const told = (type: PoolEvent['type']) => events.filter(event => event.type === type).length;
  return { gate, pool, leases, borrow, told };
}

describe('gates', () => {
  it('opens the oldest call first', () => {
    const { gate, leases, borrow } = poolOf();
    borrow();
    borrow();
    expect(gate.create.waiting).toHaveLength(2);
    gate.create.ok();
    gate.create.ok();
    expect(leases.map(lease => lease.resource)).toEqual([1, 2]);
    expect(gate.waiting).toBe(0);
  });

  it('opens any call by its place', () => {
    const { gate, leases, borrow } = poolOf();
    borrow();
    borrow();
    borrow();
    gate.create.at(1).ok(20);
    gate.create.at(-1).ok(30);
    gate.create.at(0).ok(10);
    expect(leases.map(lease => lease.resource)).toEqual([20, 30, 10]);
  });

  it('throws when nothing waits there, or when a call was opened before', () => {
    const { gate, borrow } = poolOf();
    expect(() => {
      gate.create.ok();
    }).toThrow('no create waits at 0: 0 wait');
    borrow();
    const call = gate.create.at(0);
    call.ok();
    expect(() => {
      call.error();
    }).toThrow('this create does not wait: it is ok');
    expect(() => gate.reset.at(0)).toThrow(RangeError);
  });

  it('tells what a hook was called with, and what became of the call', () => {
    const { gate, pool, leases, borrow } = poolOf();
    borrow();
    expect((gate.create.calls[0]!.given[0] as CreateContext).pool).toBe('gated');
    gate.create.ok(42);
    void leases[0]!.destroy();
    const [destroy] = gate.destroy.calls;
    expect([destroy!.hook, destroy!.given, destroy!.state]).toEqual([
      'destroy',
      [42, 'released'],
      'waiting',
    ]);
    gate.destroy.ok();
    expect(destroy!.state).toBe('ok');
    expect(pool.state.size).toBe(0);
  });

  it('says of a call that the pool gave up that it was dropped', () => {
    const scheduler = new TestScheduler(() => undefined);
    scheduler.run(() => {
      const gate = gates();
      const pool = createPool<number>({ ...gate.hooks, validateTimeoutMillis: 20, max: 1 });
      gate.create.always('ok');
      gate.reset.always('ok');
      pool.acquire().subscribe().unsubscribe();
      const request = pool.acquire({ timeoutMillis: 50 }).subscribe({ error: () => undefined });
      expect(gate.validate.waiting).toHaveLength(1);
      scheduler.schedule(() => {
        expect(gate.validate.calls[0]!.state).toBe('dropped');
        expect(gate.validate.waiting).toHaveLength(0);
      }, 30);
      scheduler.flush();
      request.unsubscribe();
    });
    expect.assertions(3);
  });

  it('makes the resource that it is told to make', () => {
    const gate = gates({ create: call => ({ name: `client ${call}` }) });
    const pool = createPool({ ...gate.hooks, idleTimeoutMillis: Infinity });
    const names: string[] = [];
    pool.acquire().subscribe(lease => names.push(lease.resource.name));
    pool.acquire().subscribe(lease => names.push(lease.resource.name));
    gate.create.at(1).ok();
    gate.create.ok({ name: 'by hand' });
    expect(names).toEqual(['client 2', 'by hand']);
  });

  for (const style of styles) {
    it(`ends well and with errors, in the style ${style}`, async () => {
      const scheduler = new TestScheduler(() => undefined);
      const { gate, pool, leases, borrow, told } = poolOf({ style, scheduler });
      const turn = async () => {
        await settle();
        scheduler.flush();
        await settle();
      };
      borrow();
      borrow();
      gate.create.ok();
      gate.create.error(new Error('refused'));
      await turn();
      expect([leases.length, told('created'), told('createFailed')]).toEqual([1, 1, 1]);
      void leases[0]!.release();
      gate.reset.ok();
      await turn();
      borrow();
      gate.validate.ok(false);
      await turn();
      expect(told('validateFailed')).toBe(1);
      gate.destroy.error();
      await turn();
      expect(told('destroyFailed')).toBe(1);
      gate.openAll();
      await turn();
      expect([leases.length, gate.waiting]).toEqual([2, 0]);
      const closed = pool.close({ force: true }).catch(() => undefined);
      await turn();
      await closed;
      expect(pool.state.lifecycle).toBe('closed');
    });

    it(`ends late, or never, in the style ${style}`, async () => {
      const scheduler = new TestScheduler(() => undefined);
      await settle();
      const { gate, leases, borrow } = poolOf({ style, scheduler, slowMillis: 7 });
      borrow();
      borrow();
      borrow();
      gate.create.slow();
      gate.create.slow(30, 99);
      gate.create.never();
      expect(gate.create.calls.map(call => call.state)).toEqual(['slow', 'slow', 'never']);
      await settle();
      expect(leases).toHaveLength(0);
      scheduler.maxFrames = 7;
      scheduler.flush();
      await settle();
      expect(leases.map(lease => lease.resource)).toEqual([1]);
      scheduler.maxFrames = 60;
      scheduler.flush();
      await settle();
      expect(leases.map(lease => lease.resource)).toEqual([1, 99]);
    });

    it(`takes outcomes ahead, in their order, and one for all the others, in the style ${style}`, async () => {
      const scheduler = new TestScheduler(() => undefined);
      const { gate, leases, borrow, told } = poolOf({ style, scheduler });
      const outcomes: readonly GateOutcome[] = ['ok', 'error', 'slow'];
      gate.create.ahead(...outcomes);
      borrow();
      borrow();
      borrow();
      await settle();
      scheduler.maxFrames = 10;
      scheduler.flush();
      await settle();
      expect(gate.create.calls.map(call => call.state)).toEqual(outcomes);
      expect([leases.length, told('createFailed')]).toEqual([2, 1]);
      gate.reset.always('error');
      void leases[0]!.release();
      await settle();
      scheduler.flush();
      await settle();
      expect(told('resetFailed')).toBe(1);
      gate.reset.always(undefined);
      void leases[1]!.release();
      expect(gate.reset.waiting).toHaveLength(1);
    });
  }

  it('answers with a plain value or a throw in the style sync, where the outcome is set ahead', () => {
    const gate = gates();
    gate.validate.ahead('ok', 'error');
    expect(gate.hooks.validate(7)).toBe(true);
    expect(() => gate.hooks.validate(7)).toThrow('validate failed');
  });

  it('opens all that waits and all that comes, with any outcome', () => {
    const { gate, pool, leases, borrow, told } = poolOf();
    borrow();
    borrow();
    gate.openAll('error');
    expect(told('createFailed')).toBe(2);
    borrow();
    expect(told('createFailed')).toBe(3);
    gate.openAll();
    borrow();
    void leases[0]!.release();
    expect(pool.state.idle).toBe(1);
    expect(gate.waiting).toBe(0);
  });
});
