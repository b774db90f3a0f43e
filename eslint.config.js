import rxjsX from 'eslint-plugin-rxjs-x';
import { defineConfig } from 'eslint/config';
import tseslint from 'typescript-eslint';

export default defineConfig(
  {
    ignores: [
      'dist/**',
      'coverage/**',
      'reports/**',
      'docs/**',
      '.stryker-tmp/**',
      'test/boundaries/fixture/**', // wrong on purpose
      '*.config.*',
    ],
  },
  {
    files: ['src/**/*.ts', 'test/**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked, rxjsX.configs.recommended],
    languageOptions: {
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
    },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      // Beyond the recommended set: a public Subject would let users write the pool's state.
      'rxjs-x/no-exposed-subjects': 'error',

      // `() => subscriber.next(x)` and `return reject(error)` say what they do.
      '@typescript-eslint/no-confusing-void-expression': [
        'error',
        {
          ignoreArrowShorthand: true,
          ignoreVoidOperator: true,
          ignoreVoidReturningFunctions: true,
        },
      ],
      // Messages are full of counts and milliseconds.
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      // Any callback may change the pool while it runs, and plain JavaScript may pass anything:
      // a check that the types call needless is often the one that matters.
      '@typescript-eslint/no-unnecessary-condition': 'off',
      // `validate` returns `boolean | void` by design: to return nothing means "fine".
      '@typescript-eslint/no-invalid-void-type': 'off',
      // A method is async because its interface says so, whether or not it awaits.
      '@typescript-eslint/require-await': 'off',
      // Type parameters of the public interface document themselves, also those used once.
      '@typescript-eslint/no-unnecessary-type-parameters': 'off',
      // What the user's code threw is passed on untouched, and it may be anything.
      '@typescript-eslint/only-throw-error': ['error', { allowThrowingUnknown: true }],
      '@typescript-eslint/prefer-promise-reject-errors': ['error', { allowThrowingUnknown: true }],
      'rxjs-x/throw-error': ['error', { allowThrowingUnknown: true }],
      // `using lease = …` is used by going out of scope.
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', ignoreUsingDeclarations: true },
      ],
    },
  },
  {
    files: ['test/**/*.ts'],
    rules: {
      // A test that is wrong about what is there fails anyway.
      '@typescript-eslint/no-non-null-assertion': 'off',
      // `expect.any(Number)` and its like are `any`.
      '@typescript-eslint/no-unsafe-assignment': 'off',
      // `expect(spy.method)` doesn't call it.
      '@typescript-eslint/unbound-method': 'off',
      // Tests throw strange things and subscribe in strange places on purpose.
      '@typescript-eslint/only-throw-error': 'off',
      '@typescript-eslint/prefer-promise-reject-errors': 'off',
      'rxjs-x/throw-error': 'off',
      'rxjs-x/no-async-subscribe': 'off',
      'rxjs-x/no-ignored-error': 'off',
      'rxjs-x/no-nested-subscribe': 'off',
      'rxjs-x/no-exposed-subjects': 'off',
    },
  },
);
