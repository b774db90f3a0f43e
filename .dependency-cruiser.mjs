// The import rules of src. `npm run boundaries` checks them; `npm run boundaries:proof` shows that
// each of them can fail.

/**
 * The core, from the bottom up: names of files under src without `.ts`. A file may import only from
 * layers below its own: never upward, never sideways. Every core file has to be in one layer.
 */
export const layers = [
  // The words, and records and structures that know no others.
  [
    ...['state', 'stats', 'events', 'errors', 'permits', 'resource-info', 'lease', 'health'],
    ...['options', 'admission', 'recent-hold'],
    ...[
      'slot',
      'request',
      'prefill',
      'closing',
      'fill-pause',
      'lease-watch',
      'totals',
      'nesting',
    ].map(internal),
    ...['linked-list', 'queue', 'agenda', 'delays', 'abort-watch'].map(internal),
    ...['context', 'create-context', 'caller-stack', 'report', 'thenable'].map(internal),
    ...['policy', 'clock'].map(internal),
  ],
  // What options may be.
  ['internal/rules'],
  // What one thing is made of.
  [
    ...['resolve-options', 'turns', 'broadcast', 'timetable', 'inventory'].map(internal),
    ...['wait-queue', 'fair-wait-queue', 'permit-desk'].map(internal),
    ...['task', 'lease-handle', 'use-request', 'direct-stream'].map(internal),
    'overload-watch',
  ],
  // Rooms of the engine, and helpers to compose with its hooks.
  [
    ...['journal', 'workshop', 'leasing', 'housekeeping'].map(internal),
    ...['reception', 'matching', 'supply', 'shutdown', 'renewal'].map(internal),
    ...['backoff', 'circuit-breaker', 'with-lease'],
    ...['deadline-aware', 'codel', 'adaptive-lifo', 'fair-queue'],
  ],
  ['internal/engine'],
  ['pool'],
];

function internal(name) {
  return `internal/${name}`;
}

/** `false` lets `import type` go to any layer (and out of the rule against cycles). */
export const layersHoldForTypes = false;

const core = '^src/(internal/.+|[^/]+)\\.ts$';
const index = '^src/index\\.ts$';
const subPath = '^src/(?!internal/)([^/]+)/';
const dashboard = '^src/dashboard/';
const registry = '^src/registry/';
const backEndIndex =
  '^src/(postgres|mysql|sqlite|redis|mongodb|http|websocket|worker|browser)/index\\.ts$';
const shared = '^src/shared/';
const metrics = '^src/metrics/index\\.ts$';
const rxjs = 'node_modules/rxjs/dist/[^/]+/index\\.(js|d\\.ts)$'; // 'rxjs' itself, none of its inner entries
const notTypes = layersHoldForTypes ? {} : { dependencyTypesNot: ['type-only'] };

const pathOf = file => `^src/${file}\\.ts$`;

/** Whether a module is a core file that was forgotten in `layers`. */
export const isInNoLayer = module =>
  new RegExp(core).test(module) &&
  ![index, ...layers.flat().map(pathOf)].some(path => new RegExp(path).test(module));

const layerRules = layers.map((files, level) => ({
  name: `layer-${level}`,
  comment: `${files.join(', ')}: may import from layers below ${level} only`,
  severity: 'error',
  from: { path: files.map(pathOf) },
  to: { path: core, pathNot: [index, ...layers.slice(0, level).flat().map(pathOf)], ...notTypes },
}));

export default {
  forbidden: [
    {
      name: 'no-circular',
      severity: 'error',
      from: {},
      to: layersHoldForTypes ? { circular: true } : { circular: true, viaOnly: notTypes },
    },
    {
      name: 'core-imports-rxjs-alone',
      comment: 'The core runs in browsers too: no node builtin, no driver, no sub-path.',
      severity: 'error',
      from: { path: core },
      to: { pathNot: [core, rxjs] },
    },
    {
      name: 'index-is-for-outsiders',
      comment: 'Within the core, import the file that has it.',
      severity: 'error',
      from: { path: core },
      to: { path: index },
    },
    {
      name: 'sub-path-through-index',
      comment: 'A sub-path uses the public interface, what is shared, and no other sub-path.',
      severity: 'error',
      from: { path: subPath, pathNot: [dashboard, registry, shared] },
      to: { path: '^src/', pathNot: [index, shared, '^src/$1/'] },
    },
    {
      name: 'shared-knows-no-sub-path',
      comment:
        'What sub-paths share stands on the public interface and rxjs: on no sub-path, no driver, no builtin.',
      severity: 'error',
      from: { path: shared },
      to: { pathNot: [index, shared, rxjs] },
    },
    {
      name: 'dashboard-through-metrics',
      comment: 'The one exception: the dashboard shows what the metrics count.',
      severity: 'error',
      from: { path: dashboard },
      to: { path: '^src/', pathNot: [index, metrics, dashboard] },
    },
    {
      name: 'registry-loads-back-ends',
      comment:
        'The other exception: the registry makes pools of back ends by their name, each when it is used.',
      severity: 'error',
      from: { path: registry },
      to: { path: '^src/', pathNot: [index, backEndIndex, registry] },
    },
    {
      name: 'src-stays-in-src',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^(?!src/|.*node_modules/)[^/]+/', dependencyTypesNot: ['core'] },
    },
    {
      name: 'no-unlisted-package',
      comment: 'Users have only what is a dependency or a peer.',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: 'node_modules/', dependencyTypesNot: ['npm', 'npm-peer', 'npm-optional'] },
    },
    {
      name: 'resolvable',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
    ...layerRules,
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true, // `import type` counts
    tsConfig: { fileName: `${import.meta.dirname}/tsconfig.json` },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
    },
  },
};
