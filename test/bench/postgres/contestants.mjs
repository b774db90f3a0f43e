// Each gives a function that runs one statement and resolves to its number of rows. Ten connections each.

const max = 10;

async function rxpool(url, more) {
  const entry = process.env.RXPOOL_ENTRY ?? new URL('../../../dist/index.js', import.meta.url);
  const { postgresPool, query } = await import(new URL('postgres/index.js', entry));
  const { lastValueFrom, toArray } = await import('rxjs');
  const pool = postgresPool({ connection: url, max, ...more });
  return { pool, query, lastValueFrom, toArray };
}

const nothing = () => undefined;

export const contestants = {
  'rxpool/postgres': async url => {
    const { pool, query, lastValueFrom, toArray } = await rxpool(url, { reset: nothing });
    return async ({ text, values }) =>
      (await lastValueFrom(query(pool, text, values).pipe(toArray()))).length;
  },
  'rxpool/postgres, defaults': async url => {
    const { pool, query, lastValueFrom, toArray } = await rxpool(url);
    return async ({ text, values }) =>
      (await lastValueFrom(query(pool, text, values).pipe(toArray()))).length;
  },
  'pg-pool': async url => {
    const { default: Pool } = await import('pg-pool');
    const pool = new Pool({ connectionString: url, max });
    return async ({ text, values }) => (await pool.query(text, values)).rows.length;
  },
  'postgres.js, unprepared': async url => {
    const { default: postgres } = await import('postgres');
    const sql = postgres(url, { max, prepare: false, max_pipeline: 1 });
    return async ({ text, values }) => (await sql.unsafe(text, values)).length;
  },
  'rxpool/postgres, named': async url => {
    const { pool, lastValueFrom } = await rxpool(url, { reset: nothing });
    return async ({ name, text, values }) => {
      const result = await lastValueFrom(pool.use(client => client.query({ name, text, values })));
      return result.rows.length;
    };
  },
  'pg-pool, named': async url => {
    const { default: Pool } = await import('pg-pool');
    const pool = new Pool({ connectionString: url, max });
    return async ({ name, text, values }) => (await pool.query({ name, text, values })).rows.length;
  },
  'postgres.js': async url => {
    const { default: postgres } = await import('postgres');
    const sql = postgres(url, { max });
    return async ({ text, values }) => (await sql.unsafe(text, values, { prepare: true })).length;
  },
};
