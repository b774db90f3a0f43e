import { noLostLease, type Rule, type RuleContext } from './no-lost-lease.js';

export type { Rule, RuleContext };

/** A flat config of ESLint with this plugin and its rule. */
export interface RxpoolConfig {
  /** What ESLint shows as the name of the config: `rxpool/recommended`. */
  readonly name: string;
  /** The plugin, under the name that its rule begins with. */
  readonly plugins: { readonly rxpool: RxpoolPlugin };
  /** The one rule, as an error. */
  readonly rules: { readonly 'rxpool/no-lost-lease': 'error' };
}

/** A plugin for ESLint 9 and 10. */
export interface RxpoolPlugin {
  /** The name by which ESLint knows the plugin in its cache and messages. */
  readonly meta: { readonly name: 'rxpool' };
  /** `no-lost-lease` finds where a lease of `acquire()` ends before the work, or never. */
  readonly rules: { readonly 'no-lost-lease': Rule };
  /** `recommended`, for the list in `eslint.config.js`. */
  readonly configs: { readonly recommended: RxpoolConfig };
}

const rules = { 'no-lost-lease': noLostLease };
const meta = { name: 'rxpool' } as const;

/**
 * The plugin. It needs no types, and uses them where typed linting has them.
 *
 * @example
 * // eslint.config.js
 * export default [rxpool.configs.recommended];
 */
const rxpool: RxpoolPlugin = {
  meta,
  rules,
  get configs() {
    return {
      recommended: {
        name: 'rxpool/recommended',
        plugins: { rxpool },
        rules: { 'rxpool/no-lost-lease': 'error' },
      },
    } as const;
  },
};

export default rxpool;
