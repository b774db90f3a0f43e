// The same statements in the same order for every contestant: what a web application does all day.
import { randomNumbers } from '../drivers.mjs';

export const people = 10_000;

export const setUp = `
  CREATE TABLE person (id int PRIMARY KEY, name text NOT NULL, town int NOT NULL, visits int NOT NULL);
  INSERT INTO person
    SELECT id, 'person ' || id, id % 200, 0 FROM generate_series(1, ${people}) AS id;
  CREATE INDEX ON person (town);
  ALTER TABLE person OWNER TO rxpool`;

const statements = [
  {
    share: 78,
    name: 'one',
    text: 'SELECT id, name, town, visits FROM person WHERE id = $1',
    rows: 1,
  },
  {
    share: 15,
    name: 'town',
    text: 'SELECT id, name FROM person WHERE town = $1 % 200 ORDER BY id LIMIT 50',
    rows: 50,
  },
  {
    share: 5,
    name: 'visit',
    text: 'UPDATE person SET visits = visits + 1 WHERE id = $1 RETURNING id, visits',
    rows: 1,
  },
  {
    share: 2,
    name: 'report',
    text: 'SELECT town, count(*), max(visits) FROM person WHERE id > $1 % 10 GROUP BY town',
    rows: 200,
  },
];

/** Gives one statement after the other, with its values and the number of its rows. */
export function queries() {
  const random = randomNumbers();
  return () => {
    let drawn = random(100);
    const value = 1 + random(people);
    const statement = statements.find(({ share }) => (drawn -= share) < 0);
    return { ...statement, values: [value] };
  };
}
