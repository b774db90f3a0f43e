import { EMPTY, NEVER, Subject, throwError } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { createPool, type CreateContext, type Hook, type Lease } from '../src/index.js';
import {
  assertInvariants,
  gates,
  OracleError,
  oracleFactory,
  type Oracle,
  type OracleResource,
} from '../src/testing/index.js';

function context(): CreateContext {
  return { signal: new AbortController().signal, pool: 'none' };
}

/** A resource of an oracle whose hooks answer at once. */
function make(oracle: Oracle): OracleResource {
  const answer: Hook<OracleResource> = oracle.hooks.create(context());
  return answer as OracleResource;
}

function subscribeTo(answer: Hook<unknown>) {
  return (answer as Subject<unknown>).subscribe({ error: () => undefined });
}

describe('oracleFactory', () => {
  it('I5: counts what is alive or being made, whatever the pool believes', async () => {
    const gate = gates();
    const oracle = oracleFactory({ max: 2, hooks: gate.hooks });
    const pool = createPool({ ...oracle.hooks, max: 2, idleTimeoutMillis: Infinity });
    const leases: Lease<OracleResource>[] = [];
    pool.acquire().subscribe(lease => leases.push(lease));
    pool.acquire().subscribe({ next: lease => leases.push(lease), error: () => undefined });
    expect([oracle.pending, oracle.alive, oracle.live]).toEqual([2, 0, 2]);
    assertInvariants(pool, { oracle });
    gate.create.ok();
    gate.create.error();
    expect([oracle.pending, oracle.alive, oracle.created]).toEqual([0, 1, 1]);
    assertInvariants(pool, { oracle });
    void leases[0]!.destroy();
    expect([oracle.alive, oracle.destroyed]).toEqual([1, 0]);
    gate.destroy.error();
    expect([oracle.live, oracle.destroyed]).toEqual([0, 1]);
    assertInvariants(pool, { oracle });
    gate.openAll();
    await pool.close();
    expect(oracle.violations).toEqual([]);
  });

  it('follows hooks that answer with promises, Observables and values', async () => {
    for (const style of ['sync', 'promise', 'scheduler'] as const) {
      const gate = gates({ style });
      gate.openAll();
      const oracle = oracleFactory({ max: 2, hooks: gate.hooks });
      const pool = createPool({ ...oracle.hooks, max: 2, idleTimeoutMillis: Infinity });
      for (let round = 0; round < 3; round += 1) {
        const lease = await pool.lease();
        lease.resource.touch();
        await lease.release();
      }
      assertInvariants(pool, { oracle });
      await pool.close();
      expect([oracle.created, oracle.destroyed, oracle.live]).toEqual([1, 1, 0]);
      expect(oracle.violations).toEqual([]);
      expect(gate.validate.calls).toHaveLength(2);
      expect(gate.reset.calls).toHaveLength(3);
    }
  });

  it('has one create less under way when its Observable is unsubscribed, fails or completes empty', () => {
    for (const answer of [NEVER, throwError(() => new Error('no')), EMPTY]) {
      const oracle = oracleFactory({ max: 1, hooks: { create: () => answer } });
      const create = oracle.hooks.create(context());
      expect(oracle.pending).toBe(1);
      subscribeTo(create).unsubscribe();
      expect(oracle.live).toBe(0);
    }
  });

  it('tells a failed create of a promise, and of a throw', async () => {
    const promised = oracleFactory({
      max: 1,
      hooks: { create: () => Promise.reject(new Error('no')) },
    });
    const created = promised.hooks.create(context());
    expect(promised.pending).toBe(1);
    await expect(created).rejects.toThrow('no');
    expect(promised.live).toBe(0);
    const throwing = oracleFactory({
      max: 1,
      hooks: {
        create: () => {
          throw new Error('no');
        },
      },
    });
    expect(() => throwing.hooks.create(context())).toThrow('no');
    expect(throwing.live).toBe(0);
  });

  const seeded: readonly (readonly [string, RegExp, (oracle: Oracle) => void])[] = [
    [
      'use after destroy',
      /resource 1 is used after its destroy/,
      oracle => {
        const resource = make(oracle);
        oracle.hooks.destroy(resource, 'released');
        expect(resource.alive).toBe(false);
        resource.touch();
      },
    ],
    [
      'a borrower that starts after the destroy',
      /resource 1 is used after its destroy/,
      oracle => {
        const resource = make(oracle);
        oracle.hooks.destroy(resource, 'released');
        oracle.use(resource);
      },
    ],
    [
      'a second destroy',
      /destroy of resource 1 after its destroy began/,
      oracle => {
        const resource = make(oracle);
        oracle.hooks.destroy(resource, 'released');
        oracle.hooks.destroy(resource, 'released');
      },
    ],
    [
      'a reset after the destroy',
      /reset of resource 1 after its destroy began/,
      oracle => {
        const resource = make(oracle);
        oracle.hooks.destroy(resource, 'released');
        oracle.hooks.reset(resource);
      },
    ],
    [
      'two borrowers at once',
      /resource 1 is lent to two borrowers at once/,
      oracle => {
        const resource = make(oracle);
        oracle.use(resource);
        oracle.use(resource);
      },
    ],
    [
      'a reset under a borrower at work',
      /reset of resource 1 while a borrower uses it/,
      oracle => {
        const resource = make(oracle);
        oracle.use(resource);
        oracle.hooks.reset(resource);
      },
    ],
    [
      'a destroy under a borrower at work',
      /destroy of resource 1 while a borrower uses it/,
      oracle => {
        const resource = make(oracle);
        oracle.use(resource);
        oracle.hooks.destroy(resource, 'idle');
      },
    ],
    [
      'one more than max',
      /a create begins with 2 alive or being made, and a max of 2/,
      oracle => {
        make(oracle);
        make(oracle);
        make(oracle);
      },
    ],
    [
      'more than a max that was lowered',
      /a create begins with 1 alive or being made, and a max of 1/,
      oracle => {
        make(oracle);
        oracle.max = 1;
        make(oracle);
      },
    ],
    [
      'a resource of somebody else',
      /validate of a resource that this oracle did not make/,
      oracle => {
        oracle.hooks.validate(make(oracleFactory({ max: 1 })));
      },
    ],
    [
      'a reset of a detached resource',
      /reset of resource 1, which was detached/,
      oracle => {
        const resource = make(oracle);
        oracle.detach(resource);
        oracle.hooks.reset(resource);
      },
    ],
    [
      'a second detach',
      /resource 1 is detached, but gone or detached already/,
      oracle => {
        const resource = make(oracle);
        oracle.detach(resource);
        oracle.detach(resource);
      },
    ],
  ];
  for (const [name, message, violate] of seeded) {
    it(`throws and records ${name}`, () => {
      const oracle = oracleFactory({ max: 2 });
      expect(() => {
        violate(oracle);
      }).toThrow(OracleError);
      expect(oracle.violations).toHaveLength(1);
      expect(oracle.violations[0]).toMatch(message);
    });
  }

  const open: readonly (readonly [
    string,
    RegExp,
    (oracle: Oracle, resource: OracleResource) => void,
  ])[] = [
    [
      'a reset during the validate',
      /reset of resource 1 during its validate/,
      (oracle, resource) => void oracle.hooks.reset(resource),
    ],
    [
      'a destroy during the validate',
      /destroy of resource 1 during its validate/,
      (oracle, resource) => void oracle.hooks.destroy(resource, 'idle'),
    ],
    [
      'a borrower during the validate',
      /resource 1 is used during its validate/,
      (oracle, resource) => void oracle.use(resource),
    ],
  ];
  for (const [name, message, violate] of open) {
    it(`I17: throws and records ${name}`, () => {
      const oracle = oracleFactory({
        max: 2,
        hooks: { validate: () => new Promise<boolean>(() => undefined) },
      });
      const resource = make(oracle);
      void oracle.hooks.validate(resource);
      expect(() => {
        violate(oracle, resource);
      }).toThrow(message);
      expect(oracle.violations).toHaveLength(1);
    });
  }

  it('takes a hook whose Observable was unsubscribed for ended', () => {
    const oracle = oracleFactory({ max: 2, hooks: { validate: () => NEVER } });
    const resource = make(oracle);
    subscribeTo(oracle.hooks.validate(resource)).unsubscribe();
    oracle.hooks.destroy(resource, 'invalid');
    expect(oracle.violations).toEqual([]);
    expect(oracle.live).toBe(0);
  });

  it('lets a borrower end its work once, and the next one start', () => {
    const oracle = oracleFactory({ max: 2 });
    const resource = make(oracle);
    const first = oracle.use(resource);
    first.end();
    const second = oracle.use(resource);
    first.end();
    expect(() => oracle.use(resource)).toThrow('two borrowers');
    second.end();
    oracle.hooks.reset(resource);
    expect(oracle.violations).toHaveLength(1);
  });

  it('accepts that a revoked lease ends under its borrower', () => {
    const oracle = oracleFactory({ max: 2 });
    const resource = make(oracle);
    oracle.use(resource);
    oracle.hooks.destroy(resource, 'revoked');
    expect(oracle.violations).toEqual([]);
  });

  it('where hooks may be abandoned, takes the pool going on for no violation', () => {
    const controller = new AbortController();
    const pending = () => new Promise<boolean>(() => undefined);
    const oracle = oracleFactory({
      max: 1,
      abandons: true,
      hooks: { create: pending, validate: pending, destroy: pending },
    });
    void oracle.hooks.create({ signal: controller.signal, pool: 'none' });
    expect(() => oracle.hooks.create(context())).toThrow('max of 1');
    controller.abort();
    void oracle.hooks.create(context());
    expect(oracle.violations).toHaveLength(1);
    expect(oracle.live).toBe(2);

    const lasting = oracleFactory({
      max: 1,
      abandons: true,
      hooks: { validate: pending, destroy: pending },
    });
    const resource = make(lasting);
    void lasting.hooks.validate(resource);
    void lasting.hooks.destroy(resource, 'invalid');
    make(lasting);
    expect(lasting.violations).toEqual([]);
    expect(() => make(lasting)).toThrow('max of 1');
  });

  it('where hooks may be abandoned, does not take the end of an old hook for that of the new one', async () => {
    const gate = gates({ style: 'promise' });
    const oracle = oracleFactory({
      max: 1,
      abandons: true,
      hooks: { validate: gate.hooks.validate },
    });
    const resource = make(oracle);
    const validated = oracle.hooks.validate(resource);
    oracle.hooks.reset(resource);
    const again = oracle.hooks.validate(resource);
    void oracle.hooks.destroy(resource, 'invalid');
    gate.validate.ok();
    gate.validate.ok(false);
    expect([await validated, await again]).toEqual([true, false]);
    expect(oracle.violations).toEqual([]);
    expect(oracle.live).toBe(0);
  });

  it('finds a borrower that starts during the destroy', () => {
    const oracle = oracleFactory({ max: 1, hooks: { destroy: () => NEVER } });
    const resource = make(oracle);
    subscribeTo(oracle.hooks.destroy(resource, 'idle'));
    expect(() => oracle.use(resource)).toThrow('resource 1 is used during its destroy');
    expect(resource.alive).toBe(true);
  });

  it('finds a pool that lends a resource during its reset', () => {
    const oracle = oracleFactory({ max: 1, hooks: { reset: () => NEVER } });
    const pool = createPool({ ...oracle.hooks, max: 1, idleTimeoutMillis: Infinity });
    let resource: OracleResource | undefined;
    pool.acquire().subscribe(lease => {
      resource = lease.resource;
      const work = oracle.use(resource);
      work.end();
      void lease.release();
    });
    expect(oracle.violations).toEqual([]);
    expect(pool.state.resetting).toBe(1);
    expect(() => oracle.use(resource!)).toThrow('used during its reset');
  });
});
