/**
 * A source of numbers from 0 up to, not including, 1 that gives the same ones for the same seed, everywhere: a Weyl
 * sequence whose 32 bits are mixed. Good enough for tests, useless for secrets.
 *
 * @example
 * const random = seededRandom(7);
 * const millis = Math.floor(random() * 100);
 */
export function seededRandom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x9e3779b9) | 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32;
  };
}
