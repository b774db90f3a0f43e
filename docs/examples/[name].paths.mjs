import { examples } from '../.vitepress/examples.mjs';

/** A page for each program. */
export default {
  paths: () =>
    examples.map(({ name, title, about, code }) => ({
      params: { name },
      content: `# ${title}\n\n${about}\n\`\`\`ts\n${code}\n\`\`\`\n`,
    })),
};
