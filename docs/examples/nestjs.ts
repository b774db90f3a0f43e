// A NestJS service over a pool: injected by name, watched by a health check, and closed last of all, so that a request
// in flight keeps its connection while the application shuts down.
import 'reflect-metadata';
import { Controller, Get, Inject, Injectable, Module, Param } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import type { Client } from 'pg';
import type { Pool } from 'rxpool';
import { getPoolToken, InjectPool, PoolHealthIndicator, RxpoolModule } from 'rxpool/nestjs';
import { postgresPool } from 'rxpool/postgres';
import type { Observable } from 'rxjs';

@Injectable()
class Configuration {
  readonly databaseUrl = process.env.DATABASE_URL ?? 'postgres://localhost/shop';
}

@Module({ providers: [Configuration], exports: [Configuration] })
class ConfigurationModule {}

@Injectable()
class Orders {
  constructor(@InjectPool('db') private readonly db: Pool<Client>) {}

  /** Nest subscribes: a request borrows a connection for as long as its statement takes. */
  total(customer: number): Observable<string> {
    return this.db.use(async client => {
      const sum =
        'SELECT sum(cents)::int AS cents, pg_sleep(0.2) FROM generate_series(1, $1) AS cents';
      const { rows } = await client.query<{ cents: number }>(sum, [customer]);
      return `${rows[0]?.cents} cents`;
    });
  }
}

@Controller()
class ShopController {
  constructor(
    @Inject(Orders) private readonly orders: Orders,
    @Inject(PoolHealthIndicator) private readonly health: PoolHealthIndicator,
    @InjectPool('db') private readonly db: Pool<Client>,
  ) {}

  @Get('customers/:id/total')
  total(@Param('id') id: string): Observable<string> {
    return this.orders.total(Number(id));
  }

  /** With `@nestjs/terminus`: `this.checks.check([() => this.health.isHealthy('db', this.db)])`. */
  @Get('health')
  healthOfPool(): Promise<unknown> {
    return this.health.isHealthy('db', this.db);
  }
}

@Module({
  imports: [
    RxpoolModule.forRootAsync({
      name: 'db',
      imports: [ConfigurationModule],
      inject: [Configuration],
      useFactory: ({ databaseUrl }: Configuration) =>
        postgresPool<Client>({ name: 'db', connection: databaseUrl, max: 5 }),
      close: { drainTimeoutMillis: 10_000 },
    }),
  ],
  controllers: [ShopController],
  providers: [Orders],
})
class ShopModule {}

const app = await NestFactory.create<NestExpressApplication>(ShopModule, { logger: false });
app.enableShutdownHooks(); // SIGTERM closes the application, and with it the pool
app.getHttpServer().keepAliveTimeout = 100; // a client's idle connection holds up the end
await app.listen(0, '127.0.0.1');
const url = await app.getUrl();

const text = async (path: string): Promise<string> => (await fetch(`${url}/${path}`)).text();

console.log(await text('customers/4/total')); // prints: 10 cents
console.log((JSON.parse(await text('health')) as { db: { status: string } }).db.status); // prints: up

// Twenty requests, of which fifteen wait for one of the five connections, when the application is told to stop.
const answers = Array.from({ length: 20 }, (_, index) => text(`customers/${index}/total`));
const pool = app.get<Pool<Client>>(getPoolToken('db'));
while (pool.state.leased + pool.state.waiting < 20) await new Promise(setImmediate);
await app.close();

const good = (await Promise.all(answers)).filter(answer => answer.endsWith('cents'));
console.log(`${good.length} of 20 answered`); // prints: 20 of 20 answered
console.log(`the pool is ${pool.state.lifecycle}`); // prints: the pool is closed
