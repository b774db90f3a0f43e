import type { Reporter, TestCase, TestModule } from 'vitest/node';

/** A reporter that names the tests that failed first and passed when tried again: luck is to be seen. */
export default class SecondTries implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const lucky = modules.flatMap(({ children }) =>
      [...children.allTests('passed')].filter(test => test.diagnostic()?.flaky === true),
    );
    if (lucky.length === 0) return;
    console.log(`\nPassed only when tried again, and so to be mended: ${lucky.length}`);
    for (const test of lucky) console.log(`  ${nameOf(test)}\n    ${firstFailureOf(test)}`);
  }
}

function nameOf({ module, fullName }: TestCase): string {
  return `${module.relativeModuleId} > ${fullName}`;
}

function firstFailureOf(test: TestCase): string {
  return test.result().errors?.[0]?.message.split('\n')[0] ?? 'without a message';
}
