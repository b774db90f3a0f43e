import { EMPTY, Observable, Subject } from 'rxjs';
import type { CreateContext, Hook, HookName, Permit, PermitSource } from '../../src/index.js';
import {
  gates,
  oracleFactory,
  type GateCall,
  type Gates,
  type Oracle,
  type OracleOptions,
  type OracleResource,
  type SettleStyle,
} from '../../src/testing/index.js';
import { Draw } from './draw.js';
import type { HookPlan, Outcome } from './plan.js';
import type { SimulatedClock } from './simulated-time.js';

/** What was done wrong on purpose: the one error that may turn up anywhere. */
export class DeliberateError extends Error {
  override readonly name = 'DeliberateError';
}

/** What the world asks of the life that it belongs to. */
export interface WorldOwner {
  /** Something happened that others may go on from. */
  stir(): void;
  /** A hook is being called: the place to do something to the pool. */
  hookCalled(hook: HookName, isUnplanned: boolean): void;
}

/** The answers to the hooks, by a plan, under an oracle that sees what becomes of each resource. */
export class World {
  readonly oracle: Oracle;
  /** Every later call is answered well, within the call. */
  calm = false;
  readonly #owner: WorldOwner;
  readonly #clock: SimulatedClock;
  readonly #plan: HookPlan;
  readonly #draw: Draw;
  readonly #gates = new Map<SettleStyle, Gates<number>>();
  readonly #oracleOptions: { -readonly [Key in keyof OracleOptions]: OracleOptions[Key] };
  #waiting: GateCall<unknown>[] = [];
  readonly #troubles: { resource: OracleResource; trouble$: Subject<unknown> }[] = [];

  constructor(plan: HookPlan, max: number, clock: SimulatedClock, owner: WorldOwner) {
    this.#owner = owner;
    this.#clock = clock;
    this.#plan = plan;
    this.#draw = new Draw(plan.seed);
    this.#oracleOptions = {
      max,
      hooks: {
        create: (context: CreateContext) => this.#call('create', context),
        validate: resource => this.#call<boolean>('validate', resource),
        reset: resource => this.#call('reset', resource),
        destroy: (resource, reason) => this.#call('destroy', resource, reason),
      },
      abandons: false,
    };
    this.oracle = oracleFactory(this.#oracleOptions);
  }

  /** Hooks that wait to be opened. */
  get waiting(): number {
    this.#forgetOpened();
    return this.#waiting.length;
  }

  /** From here on the pool may give hooks up. */
  letAbandon(): void {
    this.#oracleOptions.abandons = true;
  }

  open(hook: HookName, index: number, outcome: Outcome): void {
    this.#forgetOpened();
    const calls = this.#waiting.filter(call => call.hook === hook);
    const call = calls[index % calls.length];
    if (call !== undefined) finish(call, outcome);
  }

  /** Opens what waits now. */
  openAll(): void {
    for (const call of this.#waiting) finish(call, 'ok');
    this.#waiting = [];
  }

  watch(resource: OracleResource): Observable<unknown> {
    const trouble$ = new Subject<unknown>();
    this.#troubles.push({ resource, trouble$ });
    return trouble$;
  }

  /** Lets a living resource break by itself. */
  ruin(index: number): void {
    const living = this.#troubles.filter(({ resource }) => resource.alive);
    living[index % living.length]?.trouble$.next(new DeliberateError('the resource broke'));
  }

  #call<R>(hook: HookName, ...given: readonly unknown[]): Hook<R> {
    this.#owner.stir();
    if (this.calm) return (hook === 'validate') as R;
    const draw = this.#draw;
    const profile = this.#plan[hook];
    // The same number of draws for each call, whatever they decide.
    const fate = draw.share();
    const style = draw.one(...this.#plan.styles);
    const isNow = draw.share() < profile.now;
    const millis = draw.between(profile.leastMillis, profile.longestMillis);
    const isNever = draw.share() < profile.never;
    this.#owner.hookCalled(hook, draw.share() < this.#plan.reenter);
    const outcome = outcomeOf(fate, profile);
    if (outcome === 'empty' && isNow && !isNever) {
      return (style === 'promise' ? Promise.resolve(undefined) : EMPTY) as Hook<R>;
    }
    const gate = this.#gatesOf(style);
    const isSetAhead = isNow && !isNever && (outcome === 'ok' || outcome === 'error');
    if (isSetAhead) gate[hook].ahead(outcome);
    const answer = (gate.hooks[hook] as (...given: readonly unknown[]) => Hook<R>)(...given);
    if (isSetAhead) return answer;
    const call = gate[hook].calls.at(-1) as GateCall<unknown>;
    this.#waiting.push(call);
    if (!isNever) this.#clock.schedule(() => finish(call, outcome), isNow ? 0 : millis);
    return answer;
  }

  #gatesOf(style: SettleStyle): Gates<number> {
    let found = this.#gates.get(style);
    if (found === undefined) {
      found = gates({ style, scheduler: this.#clock });
      this.#gates.set(style, found);
    }
    return found;
  }

  #forgetOpened(): void {
    this.#waiting = this.#waiting.filter(({ state }) => state === 'waiting');
  }
}

function outcomeOf(fate: number, profile: HookPlan['create']): Outcome {
  const { error, invalid, empty } = profile;
  if (fate < error) return 'error';
  if (fate < error + invalid) return 'invalid';
  return fate < error + invalid + empty ? 'empty' : 'ok';
}

/** Ends a call that still waits. */
function finish(call: GateCall<unknown>, outcome: Outcome): void {
  if (call.state !== 'waiting') return;
  if (outcome === 'error') call.error(new DeliberateError(`${call.hook} failed`));
  else if (outcome === 'invalid' && call.hook === 'validate') call.ok(false);
  else call.ok();
}

/** Permits for so many resources, first come, first served. */
export class Budget implements PermitSource {
  readonly problems: string[] = [];
  readonly #total: number;
  #out = 0;
  readonly #waiting: ((permit: Permit) => void)[] = [];

  constructor(total: number) {
    this.#total = total;
  }

  get out(): number {
    return this.#out;
  }

  acquire(): Observable<Permit> {
    return new Observable(subscriber => {
      const grant = (permit: Permit): void => {
        subscriber.next(permit);
        subscriber.complete();
      };
      this.#waiting.push(grant);
      this.#serve();
      return () => {
        const place = this.#waiting.indexOf(grant);
        if (place >= 0) this.#waiting.splice(place, 1);
      };
    });
  }

  #serve(): void {
    while (this.#out < this.#total) {
      const grant = this.#waiting.shift();
      if (grant === undefined) return;
      this.#out += 1;
      let isOut = true;
      grant({
        release: () => {
          if (!isOut) this.problems.push('a permit was given back twice');
          if (!isOut) return;
          isOut = false;
          this.#out -= 1;
          this.#serve();
        },
      });
    }
  }
}
