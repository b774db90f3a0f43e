import type { FactoryProvider, ModuleMetadata } from '@nestjs/common';
import {
  createPool,
  InvalidOptionsError,
  type CloseOptions,
  type Pool,
  type PoolOptions,
} from '../index.js';

// Pools of all kinds are together here; what each lends, only who injects it by name knows.
export type AnyPool = Pool<any>; // eslint-disable-line @typescript-eslint/no-explicit-any
type AnyPoolOptions = PoolOptions<any>; // eslint-disable-line @typescript-eslint/no-explicit-any

/** A pool of the module: one that is made already, or the options of `createPool`. Its `name` is what `InjectPool` takes. */
export type PoolDefinition = AnyPool | AnyPoolOptions;

/** How the module treats its pools. */
export interface RxpoolModuleSettings {
  /** Whether the pools can be injected everywhere, and not only where the module is imported. Default true. */
  readonly isGlobal?: boolean | undefined;
  /**
   * How each pool is closed when the application is. Default: requests that wait are still served
   * (`waiters: 'serve'`), and leases are taken back after 30,000 milliseconds. Stay below the time that whatever stops
   * the process gives it.
   */
  readonly close?: CloseOptions | undefined;
}

/** A pool that is made from what other providers know. */
export interface RxpoolModuleAsyncOptions extends RxpoolModuleSettings {
  /** What `InjectPool` takes. Default `default`. */
  readonly name?: string | undefined;
  /** Modules that export what is injected. */
  readonly imports?: ModuleMetadata['imports'] | undefined;
  /** Tokens of what the factory is given, in its order. */
  readonly inject?: FactoryProvider['inject'] | undefined;
  /** Makes the pool, or its options. Called once, when the application starts. */
  // Its parameters are what `inject` names: no type can know.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  readonly useFactory: (...injected: any[]) => PoolDefinition | PromiseLike<PoolDefinition>;
}

export function poolOf(name: string, definition: PoolDefinition): AnyPool {
  return isPool(definition)
    ? definition
    : createPool({ ...definition, name: definition.name ?? name });
}

function isPool(definition: PoolDefinition): definition is AnyPool {
  return 'state$' in definition && 'close' in definition;
}

export function checkSettings(name: string, given: object, known: readonly string[]): void {
  for (const [option, value] of Object.entries(given)) {
    if (value === undefined || known.includes(option)) continue;
    throw new InvalidOptionsError(
      name,
      option,
      value,
      `is not known; there are ${known.join(', ')}`,
    );
  }
}
