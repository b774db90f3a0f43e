/* eslint-disable @typescript-eslint/no-extraneous-class, @typescript-eslint/no-unsafe-class-instance-assignment --
   Nest knows modules by their class, and its options as plain objects. */
import 'reflect-metadata';
import { once } from 'node:events';
import { Agent, get, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  Controller,
  Get,
  Injectable,
  Module,
  type DynamicModule,
  type NestApplicationOptions,
  type Type,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { HealthCheckService, TerminusModule } from '@nestjs/terminus';
import { Test } from '@nestjs/testing';
import type { Client } from 'pg';
import { filter, firstValueFrom, Subject } from 'rxjs';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  createPool,
  InvalidOptionsError,
  PoolExistsError,
  type Pool,
  type PoolOptions,
} from '../src/index.js';
import {
  getPoolToken,
  InjectPool,
  PoolHealthIndicator,
  RxpoolModule,
} from '../src/nestjs/index.js';
import { PostgresFixture } from './postgres-fixture.js';

const postgres = new PostgresFixture();

beforeAll(() => postgres.start());
afterAll(() => postgres.stop());
afterEach(() => postgres.closePools());

/** Decorators are functions: the compiler of these tests knows no others. */
function injecting<C extends Type<unknown>>(Class: C, ...names: (string | undefined)[]): C {
  Injectable()(Class);
  names.forEach((name, index) => {
    InjectPool(name)(Class, undefined, index);
  });
  return Class;
}

function moduleOf(parts: Parameters<typeof Module>[0]): Type<unknown> {
  const Class = class {} as Type<unknown>;
  Module(parts)(Class);
  return Class;
}

function appOf(imports: DynamicModule[], parts: Parameters<typeof Module>[0] = {}): Type<unknown> {
  return moduleOf({ ...parts, imports });
}

async function start(
  imports: DynamicModule[],
  parts?: Parameters<typeof Module>[0],
  options: NestApplicationOptions = {},
): Promise<NestExpressApplication> {
  const app = await NestFactory.create<NestExpressApplication>(appOf(imports, parts), {
    logger: false,
    ...options,
  });
  await app.listen(0, '127.0.0.1');
  return app;
}

describe('RxpoolModule', () => {
  it('makes pools of options when the application starts, and injects each by its name', async () => {
    let made = 0;
    const options = (name?: string): PoolOptions<string> => ({
      ...(name === undefined ? {} : { name }),
      create: () => `${name} ${(made += 1)}`,
    });
    class Service {
      readonly usual: Pool<string>;
      readonly reports: Pool<string>;

      constructor(usual: Pool<string>, reports: Pool<string>) {
        this.usual = usual;
        this.reports = reports;
      }
    }
    injecting(Service, undefined, 'reports');
    const imports = [RxpoolModule.forRoot([options(), options('reports')])];
    const app = await start(imports, { providers: [Service] });
    const { usual, reports } = app.get(Service);

    expect([usual.name, reports.name]).toEqual(['default', 'reports']);
    expect(await firstValueFrom(reports.use(resource => resource))).toBe('reports 1');
    expect(app.get(getPoolToken('reports'))).toBe(reports);
    await app.close();
    expect([usual.state.lifecycle, reports.state.lifecycle]).toEqual(['closed', 'closed']);
  });

  it('injects into properties, and takes a pool that is made already', async () => {
    const pool = createPool({ name: 'made', create: () => 'resource' });
    class Service {
      declare readonly pool: Pool<string>;
    }
    InjectPool('made')(Service.prototype, 'pool');
    const app = await start([RxpoolModule.forRoot(pool)], { providers: [Service] });

    expect(app.get(Service).pool).toBe(pool);
    await app.close();
    expect(pool.state.lifecycle).toBe('closed');
  });

  it('makes pools, or their options, of what other providers know', async () => {
    const Config = moduleOf({
      providers: [{ provide: 'size', useValue: 3 }],
      exports: ['size'],
    });
    const app = await start([
      RxpoolModule.forRootAsync([
        {
          name: 'options',
          imports: [Config],
          inject: ['size'],
          useFactory: async (max: number) => ({ create: () => 'resource', max }),
        },
        {
          name: 'pool',
          imports: [Config],
          inject: ['size'],
          useFactory: (max: number) => createPool({ create: () => 'resource', max: max + 1 }),
        },
      ]),
    ]);
    const [first, second] = ['options', 'pool'].map(name =>
      app.get<Pool<string>>(getPoolToken(name)),
    );

    expect([first!.name, first!.state.max, second!.state.max]).toEqual(['options', 3, 4]);
    await app.close();
  });

  it('fails the start of the application with what a factory fails with', async () => {
    const imports = [
      RxpoolModule.forRootAsync({ useFactory: () => Promise.reject(new Error('no secret')) }),
    ];
    const starting = NestFactory.create(appOf(imports), {
      logger: false,
      abortOnError: false,
    });

    await expect(starting).rejects.toThrow('no secret');
  });

  it('keeps its pools to the modules that import it, when told so', async () => {
    class Service {
      readonly pool: Pool<string>;

      constructor(pool: Pool<string>) {
        this.pool = pool;
      }
    }
    injecting(Service, 'private');
    const Inner = moduleOf({
      imports: [RxpoolModule.forRoot({ name: 'private', create: () => 'it' }, { isGlobal: false })],
    });
    const Outer = moduleOf({ imports: [Inner], providers: [Service] });
    const starting = Test.createTestingModule({ imports: [Outer] }).compile();

    await expect(starting).rejects.toThrow(/rxpool:private/);
  });

  it('lets a test put another pool in the place of one', async () => {
    const stand = createPool({ name: 'stand-in', create: () => 'from the test' });
    const imports = [RxpoolModule.forRoot({ name: 'db', create: () => 'from the module' })];
    const testing = await Test.createTestingModule({ imports })
      .overrideProvider(getPoolToken('db'))
      .useValue(stand)
      .compile();

    expect(testing.get(getPoolToken('db'))).toBe(stand);
    await testing.close();
  });

  it('refuses two pools of one name, and settings that it does not know', () => {
    const options = { name: 'twice', create: () => 'resource' };

    expect(() => RxpoolModule.forRoot([options, options])).toThrow(PoolExistsError);
    expect(() => RxpoolModule.forRoot(options, { global: true } as object)).toThrow(
      InvalidOptionsError,
    );
    expect(() =>
      RxpoolModule.forRootAsync({ useFactory: () => options, provide: 'x' } as never),
    ).toThrow(/provide/);
  });
});

describe('PoolHealthIndicator', () => {
  it('is up while somebody can be served, and down when nobody can or the pool is closed', async () => {
    const pool = createPool({ name: 'db', create: () => 'it', max: 1 });
    const app = await start([RxpoolModule.forRoot(pool)]);
    const indicator = app.get(PoolHealthIndicator);

    expect(await indicator.isHealthy('db', pool)).toEqual({
      db: {
        status: 'up',
        health: 'healthy',
        reasons: [],
        counts: { max: 1, size: 0, idle: 0, leased: 0, creating: 0, waiting: 0 },
        invalid: 0,
      },
    });
    const lease = await pool.lease();
    const waits = pool.lease();
    expect((await indicator.isHealthy('db', pool)).db).toMatchObject({
      status: 'down',
      health: 'critical',
      reasons: ['1 requests wait and all 1 resources are taken'],
    });
    await lease.release();
    await (await waits).release();
    await app.close();
    expect((await indicator.isHealthy('db', pool)).db).toMatchObject({
      status: 'down',
      health: 'closed',
    });
  });
});

describe('with @nestjs/terminus', () => {
  it('the indicator makes a health check pass or fail', async () => {
    const pool = createPool({ name: 'db', create: () => 'it' });
    const app = await start([
      TerminusModule.forRoot({ logger: false }),
      RxpoolModule.forRoot(pool),
    ]);
    const [checks, indicator] = [app.get(HealthCheckService), app.get(PoolHealthIndicator)];
    const check = () => checks.check([() => indicator.isHealthy('db', pool)]);

    expect(await check()).toMatchObject({
      status: 'ok',
      info: { db: { status: 'up', health: 'healthy' } },
    });
    await pool.close();
    await expect(check()).rejects.toMatchObject({
      response: { status: 'error', error: { db: { status: 'down', health: 'closed' } } },
    });
    await app.close();
  });
});

describe('an application that is shut down under load', () => {
  interface Answer {
    readonly status: number | undefined;
    readonly body: string;
  }

  /** Undefined when the server did not take the request. */
  async function ask(port: number, agent: Agent): Promise<Answer | undefined> {
    const request = get({ host: '127.0.0.1', port, path: '/work', agent });
    try {
      const [response] = (await once(request, 'response')) as [IncomingMessage];
      let body = '';
      for await (const chunk of response.setEncoding('utf8')) body += chunk as string;
      return { status: response.statusCode, body };
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ECONNREFUSED' || code === 'ECONNRESET') return undefined;
      throw error;
    }
  }

  it.each([
    ['each request on a connection of its own', false],
    ['connections that are kept alive', true],
  ])('answers every request that it had accepted, with %s', async (_, keepAlive) => {
    const pool = postgres.open({ name: 'db', max: 4 });
    const accepted$ = new Subject<number>();
    let accepted = 0;
    class WorkController {
      readonly #db: Pool<Client>;

      constructor(db: Pool<Client>) {
        this.#db = db;
      }

      work(): Promise<unknown> {
        accepted += 1;
        accepted$.next(accepted);
        return firstValueFrom(
          this.#db.use(async client => {
            const { rows } = await client.query<{ done: string }>(
              `SELECT 'done' AS done, pg_sleep(0.02)`,
            );
            return rows[0]?.done;
          }),
        );
      }
    }
    Controller()(WorkController);
    InjectPool('db')(WorkController, undefined, 0);
    Get('work')(
      WorkController.prototype,
      'work',
      Object.getOwnPropertyDescriptor(WorkController.prototype, 'work')!,
    );
    const app = await start(
      [RxpoolModule.forRoot(pool)],
      { controllers: [WorkController] },
      { return503OnClosing: keepAlive }, // Nothing else would end a connection that is in use all the time.
    );
    const { port } = app.getHttpServer().address() as AddressInfo;
    const agent = new Agent({ keepAlive });

    // Forty callers, each asks again when it has its answer, until the server takes no more.
    const answers: Answer[] = [];
    const callers = Array.from({ length: 40 }, async () => {
      for (;;) {
        const answer = await ask(port, agent);
        if (answer === undefined || answer.status === 503) return;
        answers.push(answer);
      }
    });
    await firstValueFrom(accepted$.pipe(filter(count => count === 100)));
    expect(pool.state.waiting).toBeGreaterThan(20);
    await app.close();
    await Promise.all(callers);

    agent.destroy();
    expect(answers).toHaveLength(accepted);
    expect(answers.every(({ status, body }) => status === 200 && body === 'done')).toBe(true);
    expect(pool.state).toMatchObject({ lifecycle: 'closed', size: 0 });
    await postgres.untilBackends(rows => rows.length === 0);
  });

  it('takes the leases back that are still out when the drain limit is over', async () => {
    const pool = postgres.open({ name: 'db', max: 4 });
    const app = await start([RxpoolModule.forRoot(pool, { close: { drainTimeoutMillis: 50 } })]);
    const lease = await pool.lease();
    await app.close();

    expect(lease.signal.aborted).toBe(true);
    expect(pool.state).toMatchObject({ lifecycle: 'closed', size: 0 });
  });
});
