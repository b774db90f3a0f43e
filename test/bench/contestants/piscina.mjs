import { Piscina } from 'piscina';

export const newResource = () => ({});

export const forms = {
  run: ({ max }) => {
    const filename = new URL('echo-thread.mjs', import.meta.url).href;
    const threads = new Piscina({ filename, minThreads: max, maxThreads: max });
    return { task: value => threads.run(value) };
  },
};
