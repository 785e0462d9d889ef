import type { Reporter, Suite } from '@playwright/test/reporter';

/** Prints the line that scripts/test.sh adds up. A skipped test counts as neither passed nor failed; skipped and failed tests are named. */
export default class Count implements Reporter {
  private suite?: Suite;

  onBegin(_: unknown, suite: Suite) {
    this.suite = suite;
  }

  onEnd() {
    const tests = this.suite?.allTests() ?? [];
    const with_ = (outcome: string) => tests.filter((test) => test.outcome() === outcome);
    const names = { skipped: 'skipped', unexpected: 'failed', flaky: 'second try' };
    for (const [outcome, word] of Object.entries(names)) {
      for (const test of with_(outcome)) console.log(`${word}: ${test.titlePath().filter(Boolean).join(' › ')}`);
    }
    console.log(`COUNT ${with_('expected').length + with_('flaky').length} ${with_('unexpected').length}`);
  }

  printsToStdio() {
    return false;
  }
}
