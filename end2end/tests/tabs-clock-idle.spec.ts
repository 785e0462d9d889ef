import { Instance } from '../instance.mjs';
import { alice, atProvider, bob, ended, enter, expect, isRefresh, problem, show, signIn, signInButton, signedIn, signedOut, signOut, signOutButton, test, verified } from './fixtures';
import type { Control } from './control';
import type { BrowserContext, Page, Request } from '@playwright/test';

/** The number of requests for other tokens. */
function refreshes(page: Page) {
  const seen = { count: 0 };
  page.on('request', (request) => {
    if (isRefresh(request)) seen.count += 1;
  });
  return seen;
}

test.describe('A token is replaced ahead of its expiry', () => {
  test('while someone is there, without a click', async ({ page, instance, control }) => {
    await control.set({ lifetimes: { access_token: 8 } });
    await signIn(page, instance, alice, '/account');
    await page.waitForRequest(isRefresh);
    await signedIn(page);
    await expect(problem(page)).toBeHidden();
  });

  test('but not in a hidden tab, which does it when it is looked at', async ({ page, context, instance, control }) => {
    await control.set({ lifetimes: { access_token: 8 } });
    await signIn(page, instance, alice, '/account');
    await expect(verified(page)).toContainText(instance.issuer);
    await show(page, 'hidden');
    const hidden = refreshes(page);
    const visible = await context.newPage();
    await visible.goto('/account');
    // The visible tab refreshes, in time.
    await visible.waitForRequest(isRefresh);
    expect(hidden.count).toBe(0);
    await show(visible, 'hidden');
    const asked = page.waitForRequest(isRefresh);
    await show(page, 'visible');
    await asked;
    await signedIn(page);
  });
});

const someoneElse = (page: Page) => page.getByRole('alert').filter({ hasText: 'Another person is signed in' });

test('Another tab that signs in as another person is noticed at once and shown, and nothing is mixed', async ({ page, context, instance, control }) => {
  await signIn(page, instance, alice, '/account');
  await page.getByLabel('What you confirm').fill('from Alice');
  const other = await context.newPage();
  await other.goto('/');
  await signedIn(other, alice);
  // Bob signs in at the provider on a page that was opened before; this tab is not notified of a sign-out.
  await control.endSessions('alice');
  await other.evaluate(() => indexedDB.deleteDatabase('pixygate'));
  await other.goto('/sign-in');
  await atProvider(other, instance);
  await enter(other, bob);
  await signedIn(other, bob);
  await signedIn(page, bob);
  await expect(page.getByText('Hello, Bob Example.')).toBeVisible();
  await expect(page.getByLabel('What you confirm')).toHaveValue('');
  await expect(someoneElse(page)).toContainText('What was typed here before is gone');
  await expect(someoneElse(other), 'the tab in which they did knows').toBeHidden();
  await someoneElse(page).getByRole('button', { name: 'Close' }).click();
  await expect(someoneElse(page)).toBeHidden();
});

test.describe('What someone typed whose session the provider has ended', () => {
  const statement = (page: Page) => page.getByLabel('What you confirm');

  /** Alice, with unsent input, and another tab without a session. */
  async function interrupted(page: Page, context: BrowserContext, instance: Instance, control: Control) {
    // Lets the test block messages of other tabs to this page.
    await page.addInitScript(() => {
      const Channel = BroadcastChannel;
      window.BroadcastChannel = class extends Channel {
        constructor(name: string) {
          super(name);
          this.addEventListener('message', (event) => 'deaf' in window && window.deaf && event.stopImmediatePropagation());
        }
      };
    });
    await signIn(page, instance, alice, '/account');
    await expect(verified(page)).toContainText(instance.issuer);
    await statement(page).fill('from Alice');
    await control.endSessions('alice');
    // Two hours later the token has expired.
    await page.evaluate(() => {
      const now = Date.now.bind(Date);
      Date.now = () => now() + 7_200_000;
    });
    await page.getByRole('button', { name: 'Confirm', exact: true }).click();
    await expect(ended(page)).toBeVisible();
    const other = await context.newPage();
    await other.goto('/');
    return other;
  }

  test('is there for them, and gone when they sign out', async ({ page, context, instance, control }) => {
    const other = await interrupted(page, context, instance, control);
    await signIn(other, instance);
    await expect(statement(page)).toHaveValue('from Alice');
    await expect(statement(page)).toBeVisible();
    await expect(someoneElse(page)).toBeHidden();
    await signOut(other, instance);
    await signedOut(page);
    await expect(statement(page)).toHaveCount(0);
    await signIn(other, instance, bob);
    await signedIn(page, bob);
    await expect(statement(page)).toHaveValue('');
  });

  test('is not there for the next person, who is told', async ({ page, context, instance, control }) => {
    const other = await interrupted(page, context, instance, control);
    await signIn(other, instance, bob);
    await signedIn(page, bob);
    await expect(statement(page)).toHaveValue('');
    await expect(someoneElse(page)).toBeVisible();
  });

  test('is not there for the next person, although the page did not hear that the first had left', async ({ page, context, instance, control }) => {
    const other = await interrupted(page, context, instance, control);
    await page.evaluate(() => Object.assign(window, { deaf: true }));
    await signIn(other, instance);
    await signOut(other, instance);
    await expect(ended(page)).toBeVisible();
    await page.evaluate(() => Object.assign(window, { deaf: false }));
    await signIn(other, instance, bob);
    await signedIn(page, bob);
    await expect(statement(page)).toHaveValue('');
    await expect(page.locator('body')).not.toContainText('from Alice');
  });
});

test.describe('The network', () => {
  test('that is gone ends no session, and is told from a refusal', async ({ page, context, instance }) => {
    await signIn(page, instance, alice, '/account');
    await expect(verified(page)).toContainText(instance.issuer);
    await context.setOffline(true);
    await page.getByLabel('What you confirm').fill('offline');
    await page.getByRole('button', { name: 'Confirm', exact: true }).click();
    // The browser does not report whether the call arrived.
    await expect(problem(page)).toContainText('No answer came');
    await signedIn(page);
    await expect(page.getByLabel('What you confirm')).toHaveValue('offline');
    await context.setOffline(false);
    await page.getByRole('button', { name: 'Confirm', exact: true }).click();
    await expect(page.getByRole('status').filter({ hasText: 'Confirmed: offline' })).toBeVisible();
  });
});

test('A device whose clock is ten minutes off, either way, signs in and calls', async ({ browser, instance }) => {
  for (const minutes of [-10, 10]) {
    const context = await browser.newContext({ baseURL: instance.url });
    await context.addInitScript((shift) => {
      const [now, opened] = [Date.now.bind(Date), performance.timeOrigin];
      Date.now = () => now() + shift;
      Object.defineProperty(performance, 'timeOrigin', { get: () => opened + shift });
    }, minutes * 60_000);
    const page = await context.newPage();
    await signIn(page, instance, alice, '/account');
    await expect(verified(page)).toContainText(instance.issuer);
    await page.reload();
    await expect(verified(page)).toContainText(instance.issuer);
    await expect(problem(page)).toBeHidden();
    await context.close();
  }
});

test('A clock that is set while the page is open costs one more attempt at most', async ({ page, instance }) => {
  await signIn(page, instance, alice, '/account');
  await expect(verified(page)).toContainText(instance.issuer);
  const statuses: number[] = [];
  page.on('response', (response) => {
    if (new URL(response.url()).pathname === '/api/confirm') statuses.push(response.status());
  });
  for (const jump of ['forth', 'and back']) {
    await page.evaluate((shift) => {
      const now = Date.now.bind(Date);
      Date.now = () => now() + shift;
    }, jump === 'forth' ? 600_000 : -600_000);
    await page.getByLabel('What you confirm').fill(jump);
    await page.getByRole('button', { name: 'Confirm', exact: true }).click();
    await expect(page.getByRole('status').filter({ hasText: `Confirmed: ${jump}` })).toBeVisible();
  }
  expect(statuses.filter((status) => status === 200)).toHaveLength(2);
  expect(statuses.length).toBeLessThanOrEqual(4);
});

test('A clock that is set beyond the expiry renews the token, with a proof of the right time', async ({ page, instance }) => {
  await signIn(page, instance, alice, '/account');
  await expect(verified(page)).toContainText(instance.issuer);
  const statuses: number[] = [];
  page.on('response', (response) => {
    if (new URL(response.url()).pathname.endsWith('/oauth2/token')) statuses.push(response.status());
  });
  await page.evaluate(() => {
    const now = Date.now.bind(Date);
    Date.now = () => now() + 7_200_000;
  });
  await page.getByLabel('What you confirm').fill('two hours later');
  await page.getByRole('button', { name: 'Confirm', exact: true }).click();
  await expect(page.getByRole('status').filter({ hasText: 'Confirmed: two hours later' })).toBeVisible();
  expect(statuses, 'the first proof is of the future').toEqual([400, 200]);
  await signedIn(page);
});

test.describe('Idle sign-out', () => {
  test('warns, stays on any activity in any tab, and then signs out', async ({ browser }) => {
    test.setTimeout(120_000);
    // A separate server, because this is a setting of the whole server.
    const instance = await Instance.start({ PIXYGATE_SESSION__IDLE_SIGN_OUT_SECONDS: '20' });
    try {
      const context = await browser.newContext({ baseURL: instance.url });
      const page = await context.newPage();
      await signIn(page, instance, alice, '/account');
      const other = await context.newPage();
      await other.goto('/account');
      await signedIn(other);
      const warning = page.getByRole('alert').filter({ hasText: 'Are you still there?' });
      await expect(warning).toBeVisible({ timeout: 15_000 });
      await expect(warning).toContainText(/signed out in ([1-9]|10) seconds/);
      // Activity of the user in the other tab counts for this one.
      await other.keyboard.press('Shift');
      await expect(warning).toBeHidden();
      await signedIn(page);
      // Then no activity. One of the two tabs ends the session at the provider.
      const leaves = (request: Request) => request.isNavigationRequest() && new URL(request.url()).origin === instance.provider;
      const left = context.waitForEvent('request', { predicate: leaves, timeout: 60_000 });
      await expect(signOutButton(page)).toBeHidden({ timeout: 30_000 });
      await signedOut(other);
      // The reason is shown in both tabs, and after a reload.
      const why = (tab: Page) => tab.getByRole('heading', { name: 'You were signed out' });
      const there = (await left).frame().page();
      await there.waitForURL(`${instance.url}/`);
      await expect(why(page)).toBeVisible();
      await expect(why(other)).toBeVisible();
      await page.goto('/account');
      await expect(why(page)).toBeVisible();
      await expect(page.getByRole('main')).toContainText('Nobody seemed to be there');
      await signInButton(other).click();
      await atProvider(other, instance);
      await enter(other, alice);
      await signedIn(other);
      await signedIn(page);
      await expect(why(other)).toBeHidden();
      await expect(why(page)).toBeHidden();
      await context.close();
    } finally {
      await instance.stop();
    }
  });
});
