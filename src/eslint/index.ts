import { noLostLease, type Rule, type RuleContext } from './no-lost-lease.js';

export type { Rule, RuleContext };

/** A flat config of ESLint with this plugin and its rule. */
export interface RxpoolConfig {
  readonly name: string;
  readonly plugins: { readonly rxpool: RxpoolPlugin };
  readonly rules: { readonly 'rxpool/no-lost-lease': 'error' };
}

/** A plugin for ESLint 9 and 10. */
export interface RxpoolPlugin {
  readonly meta: { readonly name: 'rxpool' };
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
