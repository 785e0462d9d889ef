import { expect, type BrowserContext, type Page } from '@playwright/test';
import type { Instance } from '../instance.mjs';
import { signInButton, signOutButton, who } from '../tests/fixtures';
import type { Observed } from './observed';
import type { Provider } from './providers/provider';
import type { Shape } from './shape';

/** All that runs in one test, and what the person does in it. */
export class World<P extends Provider = Provider> {
  readonly page: Page;
  /** Open beside the first one from its step on. */
  second!: Page;

  constructor(
    readonly shape: Shape<P>,
    readonly context: BrowserContext,
    page: Page,
    readonly instance: Instance,
    readonly provider: P,
    readonly observed: Observed,
  ) {
    this.page = page;
  }

  /** From the start page through the provider's pages, which ask for the password. */
  async signIn() {
    await this.page.goto(this.instance.url);
    await signInButton(this.page).click();
    await this.provider.enter(this.page);
  }

  async signedIn(tab = this.page) {
    await expect(who(tab)).toContainText(this.shape.shown);
    await expect(signOutButton(tab)).toBeVisible();
  }

  /** To the account page, from another page of the open application. */
  async account(tab = this.page) {
    await tab.getByRole('banner').getByRole('link', { name: 'Pixygate' }).click();
    await expect(tab).toHaveURL(`${this.instance.url}/`);
    await tab.getByRole('navigation').getByRole('link', { name: 'Account' }).click();
  }

  /** Asks the server who is calling. */
  async call(tab = this.page) {
    const answered = tab.waitForResponse('**/api/whoami');
    await this.account(tab);
    expect((await answered).status()).toBe(this.shape.answer ?? 200);
  }

  /** Until the newest access token has no more than these seconds left, by default none. */
  async left(seconds = 0) {
    const then = (await this.observed.expiry()) - seconds * 1000;
    await expect.poll(() => Date.now(), { timeout: 30_000, intervals: [100] }).toBeGreaterThan(then);
  }

  async renewable() {
    await (this.shape.renewable?.(this) ?? this.left());
  }
}
