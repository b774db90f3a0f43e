// One pool for each tenant, and one cap for the server that holds them all. A busy tenant can't crowd out the others,
// and a tenant that nobody has asked for in a while costs nothing.
import { Client } from 'pg';
import { createKeyedPool } from 'rxpool/keyed';
import {
  filter,
  firstValueFrom,
  fromEvent,
  lastValueFrom,
  map,
  merge,
  mergeMap,
  range,
  toArray,
} from 'rxjs';

const connectionString = process.env.DATABASE_URL ?? 'postgres://localhost/app';

let open = 0;
let mostOpen = 0;

const tenants = createKeyedPool(
  (tenant: string) => ({
    create: async () => {
      // What belongs to the tenant is set at the start of the session, so that no reset can lose it.
      const client = new Client({ connectionString, options: `-c app.tenant=${tenant}` });
      client.on('error', () => undefined); // `watch` hears it, too late for a connection that never was
      await client.connect();
      open += 1;
      mostOpen = Math.max(mostOpen, open);
      return client;
    },
    reset: (client: Client) => client.query('ROLLBACK; RESET ALL'),
    destroy: async (client: Client) => {
      await client.end();
      open -= 1;
    },
    watch: (client: Client) => merge(fromEvent(client, 'error'), fromEvent(client, 'end')),
  }),
  { name: 'tenants', maxTotal: 6, maxPerKey: 3, idleKeyMillis: 200 },
);

/** Who am I, asked of the server: `current_setting` is the tenant's own. */
const ask = (tenant: string) =>
  tenants.use(tenant, async client => {
    const { rows } = await client.query<{ tenant: string }>(
      `SELECT current_setting('app.tenant') AS tenant, pg_sleep(0.002)`,
    );
    return rows[0]?.tenant;
  });

// One tenant asks two hundred times at once, ten others ask once each, a moment later.
const finished: string[] = [];
const loud$ = range(0, 200).pipe(
  mergeMap(() => ask('loud')),
  map(tenant => finished.push(tenant ?? 'nobody')),
);
const quiet$ = range(0, 10).pipe(
  mergeMap(index => ask(`quiet-${index}`)),
  map(tenant => finished.push(tenant ?? 'nobody')),
);
await lastValueFrom(merge(loud$, quiet$).pipe(toArray()));

const lastQuiet = finished.findLastIndex(tenant => tenant.startsWith('quiet'));
console.log(`${finished.length} answers`); // prints: 210 answers
console.log(`of ${new Set(finished).size} tenants`); // prints: of 11 tenants
console.log(`at most ${mostOpen} connections`); // prints: at most 6 connections
console.log(lastQuiet < 200 ? 'nobody was crowded out' : 'the quiet ones came last'); // prints: nobody was crowded out

// Keys retire by themselves.
const isOver = () => tenants.keys().length === 0 && open === 0;
if (!isOver()) await firstValueFrom(tenants.stats$.pipe(filter(isOver)));
console.log(`${tenants.keys().length} tenants, ${open} connections`); // prints: 0 tenants, 0 connections

await tenants.close();
