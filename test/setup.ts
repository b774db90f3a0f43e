import fc from 'fast-check';

// One seed for every property: a failure can be repeated (`FC_SEED=… npm test`), and since the seed
// is part of a property test's name, tools that filter tests by name find it again.
const seed = process.env['FC_SEED'];

fc.configureGlobal({ seed: seed === undefined || seed === '' ? 42 : Number(seed) });
