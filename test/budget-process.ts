// A process of budget-shared.test.ts that has nothing to do but a permit that it holds and one that it waits for.
import { sharedPermits } from '../src/budget/index.js';

const permits = sharedPermits(new SharedArrayBuffer(65_536), { limit: 1 });
for (let count = 0; count < 2; count += 1) {
  permits.acquire({ pool: 'pool', floor: false }).subscribe();
}
process.once('exit', () => {
  console.log(`held ${permits.state.held}, waiting ${permits.state.waiting}`);
});
