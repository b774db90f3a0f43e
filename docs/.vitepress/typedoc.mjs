import { entries } from './entries.mjs';

/** A page for each entry of `exports`, in docs/reference, which git ignores. */
export default {
  entryPoints: entries.map(({ source }) => source),
  tsconfig: '../../tsconfig.build.json',
  plugin: ['typedoc-plugin-markdown', 'typedoc-vitepress-theme', './reference-names.mjs'],
  docsRoot: '..',
  out: '../reference',
  name: 'API reference',
  readme: 'none',
  disableSources: true,
  excludeExternals: true,
  excludeInternal: true,
  excludePrivate: true,
  router: 'module',
  entryFileName: 'index',
  groupOrder: ['Functions', 'Interfaces', 'Type Aliases', 'Variables', 'Classes', '*'],
  pageTitleTemplates: { module: ({ name }) => (name === 'rxpool' ? name : `rxpool/${name}`) },
  hideBreadcrumbs: true,
  hidePageHeader: true,
  useCodeBlocks: true,
  useHTMLAnchors: true,
  parametersFormat: 'table',
  interfacePropertiesFormat: 'list',
  sidebar: { autoConfiguration: false },
  validation: { notExported: false, invalidLink: false },
};
