import fc from 'fast-check';
import { vi } from 'vitest';

// One seed for every property: a failure can be repeated (`FC_SEED=… npm test`), and since the seed
// is part of a property test's name, tools that filter tests by name find it again.
const seed = process.env['FC_SEED'];

fc.configureGlobal({ seed: seed === undefined || seed === '' ? 42 : Number(seed) });

// Who waits for a condition is in no hurry: how soon it comes true is the machine's affair. The default is a second.
const { waitFor, waitUntil } = vi;
const patience = { timeout: 20_000 };

vi.waitFor = (callback, options) => waitFor(callback, patient(options));
vi.waitUntil = (callback, options) => waitUntil(callback, patient(options));

function patient<Options extends object>(options: number | Options | undefined) {
  return typeof options === 'number' ? options : { ...patience, ...options };
}
