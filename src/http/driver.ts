import type { HttpDriver } from './client.js';

/** The installed undici. */
export async function loadDriver(): Promise<HttpDriver> {
  const loaded = (await import('undici').catch((cause: unknown) => {
    throw new Error('rxpool/http needs the package undici, which cannot be loaded', { cause });
  })) as unknown as HttpDriver & { readonly default: HttpDriver };
  return loaded.Client === undefined ? loaded.default : loaded;
}
