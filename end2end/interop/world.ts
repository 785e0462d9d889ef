import { expect, type BrowserContext, type Page, type Response } from '@playwright/test';
import type { Instance } from '../instance.mjs';
import { problem, signInButton, signOutButton, who } from '../tests/fixtures';
import type { Observed } from './observed';
import type { Provider } from './providers/provider';
import type { Shape } from './shape';

/** Everything that runs in one test, and the user's actions in it. */
export class World<P extends Provider = Provider> {
  readonly page: Page;
  /** A second tab, open from its step on. */
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

  /** Signs in from the start page through the provider's pages, which ask for the password. */
  async signIn() {
    await this.page.goto(this.instance.url);
    await signInButton(this.page).click();
    await this.provider.enter(this.page);
  }

  async signedIn(tab = this.page) {
    await expect(who(tab)).toContainText(this.shape.shown);
    await expect(signOutButton(tab)).toBeVisible();
  }

  /** Goes to the account page, from another page of the open application. */
  async account(tab = this.page) {
    await tab.getByRole('banner').getByRole('link', { name: 'Pixygate' }).click();
    await expect(tab).toHaveURL(`${this.instance.url}/`);
    await tab.getByRole('navigation').getByRole('link', { name: 'Account' }).click();
  }

  /** Calls `whoami`. */
  async call(tab = this.page) {
    const status = this.shape.answer ?? 200;
    const answered = tab.waitForResponse((answer) => {
      const isRepeated = this.shape.endsTokens && answer.status() === 401 && status !== 401;
      return new URL(answer.url()).pathname === '/api/whoami' && !isRepeated;
    });
    await this.account(tab);
    expect((await answered).status()).toBe(status);
  }

  /** Makes the call that requires a recent sign-in, through `detour` if there is one; returns the statuses. */
  async confirm(statement: string, detour?: () => Promise<void>, outcome = this.confirmed(statement)) {
    const { page } = this;
    const statuses: number[] = [];
    const count = (response: Response) => {
      if (new URL(response.url()).pathname === '/api/confirm') statuses.push(response.status());
    };
    page.on('response', count);
    await this.account();
    await page.getByLabel('What you confirm').fill(statement);
    await page.getByRole('button', { name: 'Confirm', exact: true }).click();
    await detour?.();
    await expect(outcome).toBeVisible();
    page.off('response', count);
    return statuses;
  }

  private confirmed(statement: string) {
    return this.page.getByRole('status').filter({ hasText: `Confirmed: ${statement}` });
  }

  /** The access token has no `auth_time`: the user is sent to sign in once, and then gets an error. */
  async confirmInVain() {
    const told = problem(this.page).filter({ hasText: 'Sign in again for this' });
    expect(await this.confirm('no', undefined, told)).toEqual([401, 401]);
    await this.signedIn();
  }

  /** Waits until the newest access token has at most this many seconds left, by default none. */
  async left(seconds = 0) {
    const then = (await this.observed.expiry()) - seconds * 1000;
    await expect.poll(() => Date.now(), { timeout: 30_000, intervals: [100] }).toBeGreaterThan(then);
  }

  async renewable() {
    await (this.shape.renewable?.(this) ?? this.left());
  }
}
