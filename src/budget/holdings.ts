import { Subject } from 'rxjs';

/** A permit that this member has. */
export interface Hold {
  readonly id: number;
  readonly pool: string;
  readonly at: number;
  readonly lost$: Subject<never>;
  floor: boolean;
  /** Since when it is on its way back. */
  leavingAt: number | undefined;
  /** Its pool was told. */
  isLost: boolean;
}

/** The permits that a member has, and how many of them it may keep. */
export class Holdings {
  readonly #takeBackAfterMillis: number;
  readonly #holds = new Map<number, Hold>();
  /** As of the last answer. */
  #allowed = Infinity;
  /** Since when more than that are held. */
  #recalledAt = Infinity;

  constructor(takeBackAfterMillis: number) {
    this.#takeBackAfterMillis = takeBackAfterMillis;
  }

  get size(): number {
    return this.#holds.size;
  }

  get all(): readonly Hold[] {
    return [...this.#holds.values()];
  }

  get(id: number): Hold | undefined {
    return this.#holds.get(id);
  }

  add(id: number, pool: string, floor: boolean, at: number): Hold {
    const lost$ = new Subject<never>();
    const hold = { id, pool, at, lost$, floor, leavingAt: undefined, isLost: false };
    this.#holds.set(id, hold);
    return hold;
  }

  /** Whether it was there still. */
  remove({ id }: Hold): boolean {
    return this.#holds.delete(id);
  }

  /** So many may be kept. How many are to come back, where none were before; else 0. */
  allow(allowed: number, now: number): number {
    this.#allowed = allowed;
    const recalled = this.recalled(now);
    const isNew = recalled > 0 && this.#recalledAt === Infinity;
    if (recalled === 0) this.#recalledAt = Infinity;
    else if (isNew) this.#recalledAt = now;
    return isNew ? recalled : 0;
  }

  /** Permits that are to come back and are not on their way. What does not arrive is not on its way for ever. */
  recalled(now: number): number {
    if (this.#allowed === Infinity) return 0;
    let staying = 0;
    for (const { leavingAt } of this.#holds.values()) {
      if (leavingAt === undefined || now - leavingAt >= this.#takeBackAfterMillis) staying += 1;
    }
    return Math.max(0, staying - this.#allowed);
  }

  /** Whether this one is to come back: a pool asks when a lease has ended. */
  recall(hold: Hold, now: number): boolean {
    if (!this.#holds.has(hold.id) || hold.leavingAt !== undefined) return true;
    if (this.recalled(now) === 0) return false;
    if (hold.floor) {
      // A floor is a number of permits, not these very ones.
      const other = this.all.find(
        each => each.pool === hold.pool && !each.floor && each.leavingAt === undefined,
      );
      if (other === undefined) return false;
      other.floor = true;
      hold.floor = false;
    }
    hold.leavingAt = now;
    return true;
  }

  /** When those that are to come back are taken, because no lease has ended in time. */
  get takeBackAt(): number {
    return this.#recalledAt + this.#takeBackAfterMillis;
  }

  /** Those that are taken: the oldest, which are the ones that are idle if any is. */
  takeBack(now: number): readonly Hold[] {
    const takable = this.all.filter(({ floor, leavingAt }) => !floor && leavingAt === undefined);
    const taken = takable.slice(0, this.recalled(now));
    for (const hold of taken) hold.leavingAt = now;
    this.#recalledAt = this.recalled(now) > 0 ? now : Infinity;
    return taken;
  }

  /** All but so many: floors stay first, then those that have been here the longest. */
  beyond(share: number): readonly Hold[] {
    const byWorth = [...this.all].sort(
      (one, other) => Number(other.floor) - Number(one.floor) || one.id - other.id,
    );
    return byWorth.slice(share);
  }
}
