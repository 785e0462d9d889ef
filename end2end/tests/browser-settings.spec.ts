import type { BrowserContext, Page } from '@playwright/test';
import type { Instance } from '../instance.mjs';
import {
  alice,
  atProvider,
  confirmation,
  ended,
  enter,
  expect,
  login,
  problem,
  refreshed,
  signedIn,
  signedOut,
  signIn,
  signInButton,
  signOut,
  verified,
} from './fixtures';
import { test } from './profile';

// The test's tokens have short lifetimes, and the tests wait for their expiry.
test.describe.configure({ timeout: 90_000 });

/** Whether the browser sends the provider's cookies with a request of the application's page. */
async function sendsThirdPartyCookies(page: Page, context: BrowserContext, instance: Instance) {
  const { hostname: domain } = new URL(instance.provider);
  await context.addCookies([{ name: 'third', value: 'party', domain, path: '/', sameSite: 'None', secure: true }]);
  const session = await context.newCDPSession(page);
  await session.send('Network.enable');
  const sent = new Promise<boolean>((resolve) =>
    session.on('Network.requestWillBeSentExtraInfo', ({ associatedCookies }) => {
      const ours = associatedCookies.find(({ cookie }) => cookie.name === 'third');
      if (ours) resolve(ours.blockedReasons.length === 0);
    }),
  );
  await page.evaluate((url) => fetch(url, { credentials: 'include', mode: 'no-cors' }).then(() => undefined), instance.jwksUri);
  const answer = await sent;
  await session.detach();
  await context.clearCookies({ name: 'third' });
  return answer;
}

for (const [setting, mode] of [['allowed', 0], ['blocked', 1]] as const) {
  test.describe('Third-party cookies', { tag: '@chromium' }, () => {
    test.use({ preferences: { profile: { cookie_controls_mode: mode } } });

    test(`${setting}: sign-in, reload, refresh and sign-out work, and no page is loaded twice`, async ({ page, context, instance, control }) => {
      await page.goto('/');
      expect(await sendsThirdPartyCookies(page, context, instance)).toBe(setting === 'allowed');
      await control.set({ lifetimes: { access_token: 8 } });
      await signIn(page, instance, alice, '/account');
      const loaded: string[] = [];
      page.on('request', (request) => request.isNavigationRequest() && loaded.push(request.url()));
      await expect(verified(page)).toContainText(instance.issuer);
      await page.reload();
      await signedIn(page);
      await expect(verified(page)).toContainText(instance.issuer);
      for (const time of ['once', 'and with the new refresh token']) {
        expect((await refreshed(page)).status(), time).toBe(200);
      }
      await signedIn(page);
      expect(loaded).toEqual([`${instance.url}/account`]);
      await signOut(page, instance);
      await signInButton(page).click();
      await atProvider(page, instance);
      await expect(login(page).password).toBeVisible();
    });
  });
}

/** A page that explains why it cannot be left, and what helps. */
async function cannotSignIn(page: Page) {
  await expect(problem(page).getByRole('heading')).toHaveText('This browser keeps nothing for this site');
  await expect(problem(page)).toContainText('Signing in needs to remember something until you are back');
  await expect(problem(page)).toContainText('allow this site to store data');
  await expect(problem(page).getByRole('button', { name: 'Sign in in a window' })).toBeVisible();
  await expect(problem(page).getByRole('link', { name: 'Sign in', exact: true })).toBeVisible();
  await expect(problem(page).getByRole('link', { name: 'To the start page' })).toBeVisible();
}

/** No user is signed in, and a click explains why a sign-in is impossible. */
async function saysSo(page: Page, instance: Instance) {
  const asked: string[] = [];
  page.on('request', (request) => request.url().startsWith(instance.authorizationEndpoint) && asked.push(request.url()));
  for (const path of ['/', '/account']) {
    await page.goto(path);
    await signedOut(page);
    await expect(problem(page)).toBeHidden();
    await signInButton(page).click();
    await cannotSignIn(page);
  }
  expect(asked, 'nobody is sent away who could not come back').toEqual([]);
}

test.describe('Storage denied from the start', { tag: '@chromium' }, () => {
  test.describe('by a setting of the browser', () => {
    const denied = { 'http://localhost,*': { setting: 2 } };
    test.use({ preferences: { profile: { content_settings: { exceptions: { cookies: denied } } } } });

    test('a sign-in does not begin, and the page says why', async ({ page, instance }) => {
      await saysSo(page, instance);
      const refused = await page.evaluate(() => {
        try {
          return String(localStorage);
        } catch (error) {
          return (error as DOMException).name;
        }
      });
      expect(refused, 'the setting is in force').toBe('SecurityError');
    });
  });

  for (const how of ['is not there', 'throws']) {
    test(`IndexedDB ${how}: a sign-in does not begin, and the page says why; where it works, it does`, async ({ page, context, instance }) => {
      await page.addInitScript((how) => {
        const refuse = () => {
          throw new DOMException('The operation is insecure.', 'SecurityError');
        };
        for (const storage of ['localStorage', 'sessionStorage']) Object.defineProperty(window, storage, { get: refuse });
        if (how === 'is not there') Object.defineProperty(window, 'indexedDB', { get: () => undefined });
        if (how === 'throws') IDBFactory.prototype.open = refuse;
      }, how);
      await saysSo(page, instance);
      const other = await context.newPage();
      await signIn(other, instance, alice, '/account');
      await expect(verified(other)).toContainText(instance.issuer);
    });
  }
});

test.describe('Storage that is denied later', { tag: '@chromium' }, () => {
  /** From then on this page cannot store anything, until storage is allowed again. */
  const deny = (page: Page, denied: boolean) => page.evaluate((denied) => Object.assign(window, { denied }), denied);

  test.beforeEach(({ page }) =>
    page.addInitScript(() => {
      const refuse = () => {
        if ('denied' in window && window.denied) throw new DOMException('The operation is insecure.', 'SecurityError');
      };
      const { open } = IDBFactory.prototype;
      IDBFactory.prototype.open = function (...database) {
        refuse();
        return open.apply(this, database);
      };
      // The page opens its database once.
      const { transaction } = IDBDatabase.prototype;
      IDBDatabase.prototype.transaction = function (...stores) {
        refuse();
        return transaction.apply(this, stores);
      };
    }),
  );

  test('while someone is at the provider: the page that they come back to says so', async ({ page, instance }) => {
    await page.addInitScript(() => Object.assign(window, { denied: location.pathname === '/callback' }));
    await page.goto('/account');
    await signInButton(page).click();
    await atProvider(page, instance);
    await enter(page, alice);
    await cannotSignIn(page);
    await signedOut(page);
    expect(page.url()).not.toContain('code=');
  });

  test('while someone is signed in: they stay so, and know that a reload ends it', async ({ page, instance, control }) => {
    await control.set({ lifetimes: { access_token: 8 } });
    await signIn(page, instance, alice, '/account');
    await expect(verified(page)).toContainText(instance.issuer);
    const said = page.getByRole('status').filter({ hasText: 'Signed in for this tab only' });
    await expect(said).toBeHidden();
    await confirmation(page).statement.fill('from memory');
    await deny(page, true);
    await refreshed(page);
    await expect(said).toContainText('sign in again after a reload');
    await refreshed(page);
    await signedIn(page);
    await confirmation(page).button.click();
    await expect(confirmation(page).done).toContainText('from memory');
    await expect(problem(page)).toBeHidden();
  });

  test('after the session has ended: a window signs in, the page knows that a reload ends it, and nothing is lost', async ({
    page,
    context,
    instance,
    control,
  }) => {
    await control.set({ lifetimes: { access_token: 8 } });
    await signIn(page, instance, alice, '/account');
    await confirmation(page).statement.fill('half a sentence');
    await control.endSessions('alice');
    await expect(ended(page)).toBeVisible({ timeout: 30_000 });
    await deny(page, true);
    const opened = context.waitForEvent('page');
    await ended(page).getByRole('button', { name: 'Sign in', exact: true }).click();
    const popup = await opened;
    await atProvider(popup, instance);
    await enter(popup, alice);
    await signedIn(page);
    await expect(confirmation(page).statement).toHaveValue('half a sentence');
    await expect(page.getByRole('status').filter({ hasText: 'Signed in for this tab only' })).toBeVisible();
    await expect.poll(() => context.pages().length).toBe(1);
  });
});
