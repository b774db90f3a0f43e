import { cpSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { defineConfig } from 'vitepress';
import { entries } from './entries.mjs';
import { examples, linkToPages } from './examples.mjs';

const isWritten = ({ link }) => existsSync(new URL(`..${link}.md`, import.meta.url));

const guide = [
  {
    text: 'Guide',
    items: [
      { text: 'Start here', link: '/start' },
      { text: 'Concepts', link: '/concepts' },
      { text: 'Traps', link: '/traps' },
      { text: 'Recipes', link: '/recipes' },
      { text: 'Testing', link: '/testing' },
      { text: 'NestJS', link: '/nestjs' },
      { text: 'Many pools', link: '/many-pools' },
      { text: 'Many on one resource', link: '/multiplexing' },
    ],
  },
  {
    text: 'In production',
    items: [
      { text: 'Tuning', link: '/tuning' },
      { text: 'Sizing', link: '/sizing' },
      { text: 'Budgets', link: '/budgets' },
      { text: 'Overload', link: '/overload' },
      { text: 'Recovery', link: '/recovery' },
      { text: 'Watching', link: '/watching' },
      { text: 'Security', link: '/security' },
      { text: 'Benchmarks', link: '/benchmarks' },
    ],
  },
  {
    text: 'Back ends',
    items: [
      { text: 'PostgreSQL', link: '/backends/postgres' },
      { text: 'MySQL', link: '/backends/mysql' },
      { text: 'SQLite', link: '/backends/sqlite' },
      { text: 'Redis', link: '/backends/redis' },
      { text: 'MongoDB', link: '/backends/mongodb' },
      { text: 'HTTP', link: '/backends/http' },
      { text: 'WebSocket', link: '/backends/websocket' },
      { text: 'Workers', link: '/backends/worker' },
      { text: 'Browser contexts', link: '/backends/browser' },
    ],
  },
  {
    text: 'Coming from elsewhere',
    items: [
      { text: 'Migrating', link: '/migrating' },
      { text: 'Comparison', link: '/comparison' },
    ],
  },
  {
    text: 'Inside',
    items: [
      { text: 'Design notes', link: '/design' },
      { text: 'Surviving mutants', link: '/mutation-survivors' },
    ],
  },
].map(section => ({ ...section, items: section.items.filter(isWritten) }));

guide.splice(1, 0, {
  text: 'Whole programs',
  collapsed: true,
  items: examples.map(({ title, name }) => ({ text: title, link: `/examples/${name}` })),
});

const reference = [
  {
    text: 'API reference',
    items: entries.map(entry => ({ text: entry.import, link: `/reference/${entry.page}` })),
  },
];

/** Headings get the anchors that they have on GitHub. */
const slugify = heading =>
  heading
    .toLowerCase()
    .replaceAll(/[^\w\- ]/g, '')
    .replaceAll(' ', '-');

const icon =
  "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'>" +
  "<circle cx='4' cy='8' r='3' fill='%23646cff'/>" +
  "<circle cx='12' cy='8' r='2.5' fill='none' stroke='%23646cff'/></svg>";

export default defineConfig({
  title: 'rxpool',
  description: 'A resource pool whose every moving part is an Observable',
  lang: 'en',
  cleanUrls: true,
  head: [['link', { rel: 'icon', href: `data:image/svg+xml,${icon}` }]],
  srcExclude: ['api-report/**'],
  outDir: '../reports/site',
  // Pages link to it.
  buildEnd: ({ srcDir, outDir }) => {
    cpSync(join(srcDir, 'grafana'), join(outDir, 'grafana'), { recursive: true });
  },
  vite: { build: { chunkSizeWarningLimit: 2_000 } }, // the reference is long
  cacheDir: '../node_modules/.cache/vitepress',
  markdown: {
    anchor: { slugify },
    theme: { light: 'github-light-high-contrast', dark: 'github-dark-default' },
    // `ts run` is how the tests know which blocks to execute.
    config: markdown => {
      linkToPages(markdown);
      const { fence } = markdown.renderer.rules;
      markdown.renderer.rules.fence = (tokens, index, ...rest) => {
        tokens[index].info = tokens[index].info.replace(/^ts run$/, 'ts');
        return fence(tokens, index, ...rest);
      };
    },
  },
  themeConfig: {
    nav: [
      { text: 'Guide', link: '/start', activeMatch: '^/(?!reference|$)' },
      { text: 'API reference', link: '/reference/', activeMatch: '^/reference/' },
    ],
    sidebar: { '/reference/': reference, '/': guide },
    outline: { level: [2, 3] },
    search: { provider: 'local' },
    footer: { message: 'MIT licensed' },
  },
});
