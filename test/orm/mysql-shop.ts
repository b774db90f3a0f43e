import { expect } from 'vitest';
import type { MysqlFixture } from '../mysql-fixture.js';

/** The schema that the transactions of a query builder are tried on, with 64 customers. */
export async function openMysqlShop(mysql: MysqlFixture): Promise<void> {
  await mysql.query(`
    USE rxpool;
    DROP TABLE IF EXISTS \`lines\`, orders, accounts;
    CREATE TABLE accounts (id int PRIMARY KEY, owner varchar(50) NOT NULL UNIQUE, balance int NOT NULL CHECK (balance >= 0));
    CREATE TABLE orders (
      id int PRIMARY KEY AUTO_INCREMENT,
      account_id int NOT NULL REFERENCES accounts (id),
      thread int NOT NULL,
      total int NOT NULL
    );
    CREATE TABLE \`lines\` (
      order_id int NOT NULL REFERENCES orders (id) ON DELETE CASCADE,
      place int NOT NULL,
      article varchar(50) NOT NULL,
      price int NOT NULL,
      PRIMARY KEY (order_id, place)
    );
    INSERT INTO accounts SELECT seq, CONCAT('owner ', seq), 1000 FROM seq_1_to_64;
  `);
}

/** What 64 transactions on 64 connections, every fourth of which fails, have left in the tables. */
export async function demandTheMysqlBooks(mysql: MysqlFixture): Promise<void> {
  const numbers = async (sql: string): Promise<number[]> => {
    const [row = {}] = await mysql.query(sql);
    return Object.values(row).map(Number);
  };
  expect(
    await numbers('SELECT COUNT(*), COUNT(DISTINCT thread), SUM(total) FROM rxpool.orders'),
  ).toEqual([48, 48, 48 * 30]);
  expect(await numbers('SELECT COUNT(*), SUM(price) FROM rxpool.`lines`')).toEqual([96, 48 * 30]);
  expect(await numbers('SELECT SUM(balance), SUM(balance = 970) FROM rxpool.accounts')).toEqual([
    64_000 - 48 * 30,
    48,
  ]);
}
