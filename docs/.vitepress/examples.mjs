import { readFileSync } from 'node:fs';

const docs = new URL('../', import.meta.url);
const textOf = path => readFileSync(new URL(path, docs), 'utf8');

/** The whole programs, in the order and by the titles of docs/recipes.md; what each is about stands on its top. */
export const examples = [
  ...textOf('recipes.md').matchAll(/^\| \[(.*?)\]\(examples\/([\w-]+)\.ts\)/gm),
].map(([, title, name]) => {
  const [, comment, code] = /^((?:\/\/ .*\n)+)([^]*)$/.exec(textOf(`examples/${name}.ts`));
  return { name, title, about: comment.replaceAll(/^\/\/ /gm, ''), code: code.trim() };
});

/** A link to a program shows its file in the repository, and its page on the site. */
export function linkToPages(markdown) {
  markdown.core.ruler.push('links-to-examples', ({ tokens }) => {
    for (const token of tokens.flatMap(({ children }) => children ?? [])) {
      if (token.type !== 'link_open') continue;
      const [, name] = /(?:^|\/)examples\/([\w-]+)\.ts$/.exec(token.attrGet('href')) ?? [];
      if (name !== undefined) token.attrSet('href', `/examples/${name}`);
    }
  });
}
