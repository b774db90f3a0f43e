import { firstValueFrom, race, Subject, timer, type SchedulerLike } from 'rxjs';
import type { MongodbClient, MongodbSession } from './client.js';
import { openCursorsOf, readsChanges } from './driver.js';

/** What is under way when a client comes back may end by itself within this time. */
const graceMillis = 250;

/** A borrower's loop may open a new cursor where the last one was closed under it. */
const rounds = 3;

/** What a borrower has under way on a client, or has left open. */
export class Traces {
  readonly #client: MongodbClient;
  readonly #scheduler: SchedulerLike;
  readonly #sessions = new Set<MongodbSession>();
  readonly #atRest = new Subject<boolean>();
  #checkedOut = 0;

  constructor(client: MongodbClient, scheduler: SchedulerLike) {
    this.#client = client;
    this.#scheduler = scheduler;
    const start = client.startSession.bind(client);
    client.startSession = options => {
      const session = start(options);
      this.#sessions.add(session);
      session.once('ended', () => {
        this.#sessions.delete(session);
      });
      return session;
    };
    client.on('connectionCheckedOut', () => {
      this.#checkedOut += 1;
    });
    client.on('connectionCheckedIn', () => {
      this.#checkedOut -= 1;
      if (this.#checkedOut === 0) this.#atRest.next(true);
    });
  }

  /** Ends what was left; rejects where something does not end by itself soon. */
  async wipe(): Promise<void> {
    for (let round = 0; round < rounds; round += 1) {
      // What somebody started and did not wait for reaches its connection in this turn of the event loop.
      await new Promise(resolve => setImmediate(resolve));
      await this.#rest();
      if (this.#isClean) return;
      const cursors = openCursorsOf(this.#client);
      if (cursors.some(readsChanges)) {
        throw new Error('a change stream was left open, and would open itself again');
      }
      await Promise.all(cursors.map(cursor => cursor.close()));
      await Promise.all([...this.#sessions].map(session => session.endSession()));
    }
    if (!this.#isClean) throw new Error('its last borrower goes on using the client');
  }

  get #isClean(): boolean {
    return (
      this.#checkedOut === 0 &&
      this.#sessions.size === 0 &&
      openCursorsOf(this.#client).length === 0
    );
  }

  async #rest(): Promise<void> {
    if (this.#checkedOut === 0) return;
    const patience = timer(graceMillis, this.#scheduler);
    await firstValueFrom(race(this.#atRest, patience));
    if (this.#checkedOut > 0) throw new Error('an operation was still running on the server');
  }
}
