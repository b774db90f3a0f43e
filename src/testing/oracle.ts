import type { CreateContext, DestroyReason, Hook, HookName } from '../index.js';
import { followHook } from './follow-hook.js';

/** A resource of an oracle: it does nothing, but knows what may not be done with it. */
export interface OracleResource {
  /** Counts from 1, in the order of birth. */
  readonly id: number;
  /** False once its `destroy` was called. */
  readonly alive: boolean;
  /** Stands for any use of a resource. Throws an OracleError, and tells the oracle, once the resource is destroyed. */
  touch(): void;
}

/** What answers in the oracle's hooks, and when: gates, flaky hooks, or plain functions. Without one a hook answers at once. */
export interface OracleHooks {
  /** When and whether a create succeeds; the value is not used. */
  readonly create?: ((context: CreateContext) => Hook<unknown>) | undefined;
  /** What a check comes to, and when. Default: yes, at once. */
  readonly validate?: ((resource: OracleResource) => Hook<boolean | void>) | undefined;
  /** What a reset comes to, and when. Default: done, at once. */
  readonly reset?: ((resource: OracleResource) => Hook<unknown>) | undefined;
  /** What an end comes to, and when. Default: done, at once. */
  readonly destroy?:
    | ((resource: OracleResource, reason: DestroyReason) => Hook<unknown>)
    | undefined;
}

/** Options of {@link oracleFactory}. */
export interface OracleOptions {
  /** Never more than this alive or being made. Can be changed later: `oracle.max = 3`. */
  readonly max: number;
  /** What decides when and how the hooks end. */
  readonly hooks?: OracleHooks | undefined;
  /**
   * Whether hooks of the test may run past the pool's time limits. The pool gives such a hook up and goes on, which
   * looks like an overlap, or like more than `max`; with true that is no violation. Default false.
   */
  readonly abandons?: boolean | undefined;
}

/** A borrower at work. */
export interface OracleUse extends Disposable {
  /** The borrower has done with the resource: call it before the lease ends. A second call does nothing. */
  end(): void;
}

/** A factory of resources that keeps books of its own, independent of the pool's. Made by {@link oracleFactory}. */
export interface Oracle {
  /** Spread them into the options of the pool: `createPool({ ...oracle.hooks, max })`. */
  readonly hooks: Required<{
    create(context: CreateContext): Hook<OracleResource>;
    validate(resource: OracleResource): Hook<boolean | void>;
    reset(resource: OracleResource): Hook<unknown>;
    destroy(resource: OracleResource, reason: DestroyReason): Hook<unknown>;
  }>;
  /** What it holds the pool to; to be set with `resize`. */
  max: number;
  /** All that should not have happened, in words and in order. */
  readonly violations: readonly string[];
  /** Alive or being made: what the pool must count as `size + creating`. */
  readonly live: number;
  /** Born, with a destroy that has not ended. */
  readonly alive: number;
  /** Creates that have not ended. */
  readonly pending: number;
  /** Resources that it made so far. */
  readonly created: number;
  /** Resources whose `destroy` has settled. */
  readonly destroyed: number;
  /**
   * A borrower starts to work with its resource, and says so until `end()`. Throws an OracleError if the resource is
   * not alive, has somebody else at work or a hook under way.
   */
  use(resource: OracleResource): OracleUse;
  /** The resource has left the pool by `lease.detach()`: it counts no more. */
  detach(resource: OracleResource): void;
}

/**
 * Something was done with a resource that must not be. The oracle that threw it has it among its `violations` too.
 *
 * @example
 * pool.stats$.subscribe(event => {
 *   if (event.type === 'destroyFailed' && event.error instanceof OracleError) console.error(event.error.message);
 * });
 */
export class OracleError extends Error {
  /** The name of the class. */
  override readonly name = 'OracleError';
}

/**
 * Makes resources that notice what a pool, or its user, must not do: use after destroy, a second destroy, lending one
 * to two borrowers, hooks of one resource at the same time, hooks on a resource at work, more than `max` alive or
 * being made. It believes none of the pool's counts. Each violation is thrown where it happens and kept in
 * `violations`, since a pool survives hooks that throw.
 *
 * @example
 * const oracle = oracleFactory({ max: 4 });
 * const pool = createPool({ ...oracle.hooks, max: 4 });
 * await lastValueFrom(pool.use(async resource => {
 *   using work = oracle.use(resource);
 *   await somethingSlow();
 * }));
 * expect(oracle.violations).toEqual([]);
 */
export function oracleFactory(options: OracleOptions): Oracle {
  return new ResourceOracle(options);
}

class Made implements OracleResource {
  readonly id: number;
  alive = true;
  readonly #oracle: ResourceOracle;
  /** The hook under way. */
  hook: HookName | undefined = undefined;
  /** The borrower at work. */
  use: OracleUse | undefined = undefined;
  /** `destroy` was called. */
  doomed = false;
  detached = false;
  /** Its create had been given up before it was born: the pool hears of it a moment later, and destroys it. */
  late = false;

  constructor(id: number, oracle: ResourceOracle) {
    this.id = id;
    this.#oracle = oracle;
  }

  touch(): void {
    if (!this.alive) this.#oracle.violate(`resource ${this.id} is used after its destroy`);
  }
}

class ResourceOracle implements Oracle {
  readonly hooks: Oracle['hooks'];
  readonly violations: string[] = [];
  max: number;
  created = 0;
  destroyed = 0;
  readonly #options: OracleOptions;
  readonly #alive = new Set<Made>();
  readonly #pending = new Set<AbortSignal>();

  constructor(options: OracleOptions) {
    this.#options = options;
    this.max = options.max;
    this.hooks = {
      create: context => this.#create(context),
      validate: resource => this.#validate(resource),
      reset: resource => this.#reset(resource),
      destroy: (resource, reason) => this.#destroy(resource, reason),
    };
  }

  get alive(): number {
    return this.#alive.size;
  }

  get pending(): number {
    return this.#pending.size;
  }

  get live(): number {
    return this.alive + this.pending;
  }

  use(resource: OracleResource): OracleUse {
    const made = this.#own(resource, 'use');
    const { id } = made;
    if (!made.alive) this.violate(`resource ${id} is used after its destroy`);
    if (made.use !== undefined) this.violate(`resource ${id} is lent to two borrowers at once`);
    if (made.hook !== undefined) this.violate(`resource ${id} is used during its ${made.hook}`);
    const end = (): void => {
      if (made.use === use) made.use = undefined;
    };
    const use: OracleUse = { end, [Symbol.dispose]: end };
    made.use = use;
    return use;
  }

  detach(resource: OracleResource): void {
    const made = this.#own(resource, 'detach');
    if (!this.#alive.delete(made)) {
      this.violate(`resource ${made.id} is detached, but gone or detached already`);
    }
    made.detached = true;
  }

  violate(message: string): never {
    this.violations.push(message);
    throw new OracleError(message);
  }

  #create(context: CreateContext): Hook<OracleResource> {
    if (this.#held() >= this.max) {
      this.violate(
        `a create begins with ${this.#held()} alive or being made, and a max of ${this.max}`,
      );
    }
    const { signal } = context;
    this.#pending.add(signal);
    return followHook(
      () => this.#options.hooks?.create?.(context),
      'value',
      end => {
        this.#pending.delete(signal);
        const made = new Made(this.created + 1, this);
        made.late = signal.aborted;
        if (end !== 'ok') return made;
        this.created += 1;
        this.#alive.add(made);
        return made;
      },
    );
  }

  /** What counts against `max`. Where hooks may be abandoned, not those that the pool may have given up. */
  #held(): number {
    if (this.#options.abandons !== true) return this.live;
    const alive = [...this.#alive].filter(made => !made.doomed && !made.late);
    const pending = [...this.#pending].filter(signal => !signal.aborted);
    return alive.length + pending.length;
  }

  #validate(resource: OracleResource): Hook<boolean | void> {
    const made = this.#begin(resource, 'validate');
    const { hooks } = this.#options;
    return followHook(
      () => (hooks?.validate === undefined ? true : hooks.validate(resource)),
      'value',
      (_end, good) => {
        this.#end(made, 'validate');
        return good;
      },
    );
  }

  #reset(resource: OracleResource): Hook<unknown> {
    const made = this.#begin(resource, 'reset');
    return followHook<unknown, void>(
      () => this.#options.hooks?.reset?.(resource),
      'completion',
      () => this.#end(made, 'reset'),
    );
  }

  #destroy(resource: OracleResource, reason: DestroyReason): Hook<unknown> {
    const made = this.#own(resource, 'destroy');
    // A lease that the pool takes back ends under its borrower, who was told.
    if (reason === 'revoked') made.use = undefined;
    this.#begin(resource, 'destroy');
    made.doomed = true;
    return followHook<unknown, void>(
      () => this.#options.hooks?.destroy?.(resource, reason),
      'completion',
      () => {
        this.#end(made, 'destroy');
        made.alive = false;
        this.destroyed += 1;
        this.#alive.delete(made);
      },
    );
  }

  #own(resource: OracleResource, what: string): Made {
    if (
      resource instanceof Made &&
      (this.#alive.has(resource) || !resource.alive || resource.detached)
    ) {
      return resource;
    }
    return this.violate(`${what} of a resource that this oracle did not make`);
  }

  #begin(resource: OracleResource, hook: HookName): Made {
    const made = this.#own(resource, hook);
    const { id } = made;
    if (made.doomed) this.violate(`${hook} of resource ${id} after its destroy began`);
    if (made.detached) this.violate(`${hook} of resource ${id}, which was detached`);
    if (made.hook !== undefined && this.#options.abandons !== true) {
      this.violate(`${hook} of resource ${id} during its ${made.hook}`);
    }
    if (made.use !== undefined) this.violate(`${hook} of resource ${id} while a borrower uses it`);
    made.hook = hook;
    return made;
  }

  #end(made: Made, hook: HookName): void {
    if (made.hook === hook) made.hook = undefined;
  }
}
