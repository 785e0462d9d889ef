import type { BrowserContext, Page } from '@playwright/test';
import type { Instance } from '../instance.mjs';
import { alice, atProvider, confirmation, enter, expect, login, problem, refreshed, signedIn, signedOut, signInButton, signOut, verified } from './fixtures';
import { test } from './profile';

// The test's tokens have short lifetimes, and the tests wait for their expiry.
test.describe.configure({ timeout: 90_000 });

const inWindow = (page: Page) => problem(page).getByRole('button', { name: 'Sign in in a window' });

/** Opens the account page, and from there the window at the provider. */
async function open(page: Page, context: BrowserContext, instance: Instance) {
  await page.goto('/account');
  await signInButton(page).click();
  await expect(problem(page)).toContainText('until you close or reload this page');
  const opened = context.waitForEvent('page');
  await inWindow(page).click();
  const popup = await opened;
  await atProvider(popup, instance);
  return popup;
}

/** The stored data of this origin, from a page whose IndexedDB works. */
const kept = (page: Page) =>
  page.evaluate(async () => (await indexedDB.databases()).map(({ name }) => name));

const ways = {
  'IndexedDB throws': () => {
    IDBFactory.prototype.open = () => {
      throw new DOMException('The operation is insecure.', 'SecurityError');
    };
  },
  'IndexedDB is not there': () => Object.defineProperty(window, 'indexedDB', { get: () => undefined }),
  'no key can be kept': () => {
    const add = IDBObjectStore.prototype.add;
    IDBObjectStore.prototype.add = function (...entry) {
      if (this.name === 'keys') throw new DOMException('The object can not be cloned.', 'DataCloneError');
      return add.apply(this, entry);
    };
  },
};

test.describe('Where nothing can be kept', { tag: '@chromium' }, () => {
  for (const [how, deny] of Object.entries(ways)) {
    test(`${how}: a window signs in, the page says that a reload ends it, and it does`, async ({ page, context, instance, control, watch }) => {
      await context.addInitScript(deny);
      await control.set({ lifetimes: { access_token: 8 } });
      const popup = await open(page, context, instance);
      await enter(popup, alice);
      await signedIn(page);
      if (!popup.isClosed()) await popup.waitForEvent('close');
      expect(new URL(page.url()).pathname).toBe('/account');
      await expect(verified(page)).toContainText(instance.issuer);
      const said = page.getByRole('status').filter({ hasText: 'Signed in for this tab only' });
      await expect(said).toContainText('sign in again after a reload');
      for (const time of ['once', 'and with the new refresh token']) {
        expect((await refreshed(page)).status(), time).toBe(200);
      }
      await confirmation(page).statement.fill('from memory');
      await confirmation(page).button.click();
      await expect(confirmation(page).done).toContainText('from memory');
      await page.reload();
      await signedOut(page);
      watch.check();
    });
  }

  test('a sign-out leaves nobody, here and at the provider', async ({ page, context, instance }) => {
    await context.addInitScript(ways['IndexedDB throws']);
    const popup = await open(page, context, instance);
    await enter(popup, alice);
    await signedIn(page);
    await signOut(page, instance);
    await signInButton(page).click();
    const opened = context.waitForEvent('page');
    await inWindow(page).click();
    const again = await opened;
    await atProvider(again, instance);
    await expect(login(again).password).toBeVisible();
  });

  test('a window that is closed, or does not open, says so, and the next one signs in', async ({ page, context, instance }) => {
    await context.addInitScript(ways['IndexedDB throws']);
    const popup = await open(page, context, instance);
    await popup.close();
    await expect(problem(page).getByRole('alert')).toContainText('It was closed, or the browser did not open it');
    await page.evaluate(() => (window.open = () => null));
    await inWindow(page).click();
    await expect(problem(page).getByRole('alert')).toContainText('did not open');
    await page.reload();
    const opened = context.waitForEvent('page');
    await inWindow(page).click();
    const second = await opened;
    await atProvider(second, instance);
    await enter(second, alice);
    await signedIn(page);
  });

  test('another tab, whose storage works, keeps its own session and hears of no code', async ({ page, context, instance }) => {
    const other = await context.newPage();
    await other.goto('/');
    await other.evaluate(() => {
      const heard: unknown[] = [];
      Object.assign(window, { heard });
      new BroadcastChannel('pixygate').onmessage = ({ data }) => heard.push(data);
    });
    await page.addInitScript(ways['IndexedDB throws']);
    context.on('page', (opened) => opened.addInitScript(ways['IndexedDB throws']));
    const popup = await open(page, context, instance);
    await enter(popup, alice);
    await signedIn(page);
    const heard = await other.evaluate(() => (window as unknown as { heard: unknown[] }).heard);
    expect(heard.every((message) => message === 'look'), 'and nothing else').toBe(true);
    await signedOut(other);
    expect(await kept(other)).toContain('pixygate');
  });
});

test.describe('Where the browser is set to keep nothing', { tag: '@chromium' }, () => {
  const denied = { 'http://localhost,*': { setting: 2 } };
  test.use({ preferences: { profile: { content_settings: { exceptions: { cookies: denied } } } } });

  test('a window signs in, and the page says that a reload ends it', async ({ page, context, instance }) => {
    const popup = await open(page, context, instance);
    await enter(popup, alice);
    await signedIn(page);
    await expect(verified(page)).toContainText(instance.issuer);
    await expect(page.getByRole('status').filter({ hasText: 'Signed in for this tab only' })).toBeVisible();
    await page.reload();
    await signedOut(page);
  });
});
