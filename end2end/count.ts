import type { Reporter, Suite } from '@playwright/test/reporter';

/** Ends with the line that scripts/test.sh adds up. A skipped test counts as neither, and is named. */
export default class Count implements Reporter {
  private suite?: Suite;

  onBegin(_: unknown, suite: Suite) {
    this.suite = suite;
  }

  onEnd() {
    const tests = this.suite?.allTests() ?? [];
    const with_ = (outcome: string) => tests.filter((test) => test.outcome() === outcome);
    for (const test of with_('skipped')) console.log(`skipped: ${test.titlePath().join(' › ')}`);
    console.log(`COUNT ${with_('expected').length} ${with_('unexpected').length + with_('flaky').length}`);
  }

  printsToStdio() {
    return false;
  }
}
