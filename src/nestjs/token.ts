import { Inject } from '@nestjs/common';

/** Of a pool that has no name of its own. */
export const defaultName = 'default';

/**
 * The token under which Nest has a pool: to override it in a test, or to inject it where no decorator can stand.
 * Always the same text for the same name.
 *
 * @example
 * Test.createTestingModule({ imports: [AppModule] }).overrideProvider(getPoolToken('db')).useValue(pool);
 */
export function getPoolToken(name: string = defaultName): string {
  return `rxpool:${name}`;
}

/**
 * Injects the pool of that name, into a constructor or a property. Explicit: it needs no metadata of the compiler.
 *
 * @example
 * class OrdersService {
 *   constructor(@InjectPool('db') readonly pool: Pool<Client>) {}
 * }
 */
export function InjectPool(name: string = defaultName): PropertyDecorator & ParameterDecorator {
  return Inject(getPoolToken(name));
}
