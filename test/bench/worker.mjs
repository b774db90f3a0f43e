// One contestant, one scenario, one process: `node --expose-gc worker.mjs <job as JSON>`. Prints its figures as JSON.
const job = JSON.parse(process.argv[2]);
const slash = job.entry.indexOf('/');
const { measure } = await import(`./scenarios/${job.scenario}.mjs`);

/** The scenario says when: some look at what loading costs. */
async function load() {
  const { forms, newResource } = await import(`./contestants/${job.entry.slice(0, slash)}.mjs`);
  return { open: forms[job.entry.slice(slash + 1)], newResource };
}

const figures = await measure(load, job.settings);
process.stdout.write(`${JSON.stringify(figures)}\n`, () => {
  // Pools are left open, with their timers.
  process.exit(0);
});
