import { Module, type DynamicModule, type Provider } from '@nestjs/common';
import { PoolExistsError } from '../index.js';
import { PoolClosing } from './closing.js';
import { PoolHealthIndicator } from './health-indicator.js';
import {
  checkSettings,
  poolOf,
  type PoolDefinition,
  type RxpoolModuleAsyncOptions,
  type RxpoolModuleSettings,
} from './options.js';
import { defaultName, getPoolToken } from './token.js';

const settingNames = ['isGlobal', 'close'];

/**
 * Pools as providers of a Nest application: made when it starts, injected by name, closed when it is.
 *
 * A pool is closed in `onApplicationShutdown`: after every `beforeApplicationShutdown`, and after the HTTP server has
 * answered what it had accepted, so that no request in flight loses its resource. It runs on `app.close()`, and on
 * signals once `app.enableShutdownHooks()` was called.
 *
 * @example
 * @Module({
 *   imports: [RxpoolModule.forRoot({ name: 'parsers', create: () => new Parser(), max: 4 })],
 * })
 * class ParsingModule {}
 */
// eslint-disable-next-line @typescript-eslint/no-extraneous-class -- Nest knows modules by their class
export class RxpoolModule {
  /**
   * Pools whose options are known where the module is. Of options the pool is made when the application starts; a pool
   * that is passed is the module's from then on. Throws PoolExistsError when two of them have the same name.
   *
   * @example
   * RxpoolModule.forRoot([
   *   { name: 'parsers', create: () => new Parser(), max: 4 },
   *   postgresPool({ name: 'db', connection }),
   * ]);
   */
  static forRoot(
    definitions: PoolDefinition | readonly PoolDefinition[],
    settings: RxpoolModuleSettings = {},
  ): DynamicModule {
    checkSettings('RxpoolModule', settings, settingNames);
    return moduleOf(
      listOf(definitions).map(definition => ({
        ...settings,
        name: definition.name ?? defaultName,
        useFactory: () => definition,
      })),
    );
  }

  /**
   * Pools that are made from what other providers know: a configuration, a secret. The name stands beside the factory,
   * because Nest has to know it before the pool is there. Throws PoolExistsError when two of them have the same name;
   * what a factory fails with, the start of the application fails with.
   *
   * @example
   * RxpoolModule.forRootAsync({
   *   name: 'db',
   *   imports: [ConfigModule],
   *   inject: [ConfigService],
   *   useFactory: (config: ConfigService) => postgresPool({ connection: config.getOrThrow('DATABASE_URL') }),
   * });
   */
  static forRootAsync(
    options: RxpoolModuleAsyncOptions | readonly RxpoolModuleAsyncOptions[],
  ): DynamicModule {
    const known = ['name', 'imports', 'inject', 'useFactory', ...settingNames];
    const all = listOf(options);
    for (const each of all) checkSettings('RxpoolModule', each, known);
    return moduleOf(all);
  }
}
Module({})(RxpoolModule);

function moduleOf(pools: readonly RxpoolModuleAsyncOptions[]): DynamicModule {
  const names = pools.map(({ name = defaultName }) => name);
  const twice = names.find((name, index) => names.indexOf(name) < index);
  if (twice !== undefined) throw new PoolExistsError(twice);
  return {
    module: RxpoolModule,
    global: pools.every(({ isGlobal = true }) => isGlobal),
    imports: pools.flatMap(({ imports = [] }) => imports),
    providers: [...pools.flatMap(providersOf), PoolHealthIndicator],
    exports: [...names.map(getPoolToken), PoolHealthIndicator],
  };
}

function providersOf({
  name = defaultName,
  inject = [],
  useFactory,
  close,
}: RxpoolModuleAsyncOptions): Provider[] {
  const token = getPoolToken(name);
  return [
    {
      provide: token,
      inject,
      useFactory: async (...injected: unknown[]) => poolOf(name, await useFactory(...injected)),
    },
    {
      provide: `${token}:closing`,
      inject: [token],
      useFactory: (pool: ReturnType<typeof poolOf>) => new PoolClosing(pool, close),
    },
  ];
}

function listOf<V extends object>(given: V | readonly V[]): readonly V[] {
  return Array.isArray(given) ? (given as readonly V[]) : [given as V];
}
