import type { Client } from 'pg';

/** Work that borrowers do with a connection, over and over. */
export interface Load {
  readonly title: string;
  work(client: Client, turn: number): Promise<unknown>;
}

/** Makes what the loads need. */
export const tables = `
  CREATE TABLE accounts (id int PRIMARY KEY, balance int NOT NULL);
  INSERT INTO accounts SELECT id, 0 FROM generate_series(0, 5) AS id;`;

/**
 * Three kinds of servers in one: its cores are full, something else is, and both. Where the server waits it does so for
 * much longer than a busy machine needs to notice, so that the load is what is measured.
 */
export const loads: readonly Load[] = [
  {
    title: 'computing',
    work: client =>
      client.query({
        name: 'computing',
        text: 'SELECT sum(n * n) FROM generate_series(1, 15000) AS n',
      }),
  },
  {
    title: 'waiting, 12 locks',
    work: (client, turn) =>
      client.query({
        name: 'waiting',
        text: 'SELECT pg_advisory_xact_lock($1), pg_sleep(0.05)',
        values: [turn % 12],
      }),
  },
  {
    title: 'mixed, 6 hot rows',
    work: (client, turn) =>
      client.query({
        name: 'mixed',
        text: `WITH paid AS (UPDATE accounts SET balance = balance + 1 WHERE id = $1 RETURNING id)
          SELECT id, pg_sleep(0.03), (SELECT sum(n) FROM generate_series(1, 2000) AS n) FROM paid`,
        values: [turn % 6],
      }),
  },
];
