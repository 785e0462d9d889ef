import type { BrowserContext, Page } from '@playwright/test';
import type { Instance } from '../instance.mjs';
import { alice, atProvider, bob, enter, expect, hold, settled, signedIn, signedOut, signIn, signInButton, signOut, test, who } from './fixtures';

/** The cookie with the name, or `undefined`. */
async function remembered(context: BrowserContext) {
  const cookies = await context.cookies();
  expect(cookies.filter(({ name, domain }) => domain === 'localhost' && name !== 'pixygate-name'), 'other cookies').toEqual([]);
  const cookie = cookies.find(({ name }) => name === 'pixygate-name');
  return cookie && { ...cookie, value: decodeURIComponent(cookie.value) };
}

/** Loads the page and checks it before its WASM is loaded; `rest` lets it continue. */
async function before(page: Page, path: string, look: () => Promise<void>) {
  const { held } = await hold(page, /\/pkg\/.*\.wasm/);
  await page.goto(path, { waitUntil: 'commit' });
  const wasm = await held;
  await look();
  await wasm.continue();
}

/** Another user signs in in another tab. */
async function switchTo(context: BrowserContext, instance: Instance, person: typeof alice) {
  const page = await context.newPage();
  await page.goto('/');
  await signOut(page, instance);
  await signInButton(page).click();
  await atProvider(page, instance);
  await enter(page, person);
  await signedIn(page, person);
  await page.close();
}

test.describe('The name before the WASM', () => {
  test('is shown from the first paint on, in the elements that stay', async ({ page, context, instance }) => {
    await signIn(page, instance);
    const cookie = (await remembered(context))!;
    expect(cookie.value, 'the name and nothing else').toBe(alice.shown);
    expect(cookie).toMatchObject({ sameSite: 'Strict', path: '/' });
    await before(page, '/', async () => {
      await expect(who(page)).toContainText(alice.shown);
      await expect(page.getByRole('main').getByRole('link', { name: 'Open the overview' })).toBeVisible();
      await expect(page.getByRole('button', { name: 'Sign out' })).toBeDisabled();
      await who(page).locator('.name').evaluate((element) => Object.assign(element, { served: true }));
    });
    await signedIn(page);
    await expect(page.getByRole('button', { name: 'Sign out' })).toBeEnabled();
    expect(await who(page).locator('.name').evaluate((element) => 'served' in element)).toBe(true);
  });

  test('is forgotten at the sign-out, here and in every tab', async ({ page, context, instance }) => {
    await signIn(page, instance);
    const second = await context.newPage();
    await second.goto('/');
    await signedIn(second);
    await signOut(page, instance);
    await signedOut(second);
    expect(await remembered(context)).toBe(undefined);
    await before(second, '/account', async () => {
      await expect(second.getByRole('banner')).not.toContainText(alice.shown);
    });
    await signedOut(second);
  });

  test('is that of the user who signed in last', async ({ page, context, instance }) => {
    await signIn(page, instance);
    await switchTo(context, instance, bob);
    expect((await remembered(context))!.value).toBe(bob.shown);
    await before(page, '/', () => expect(who(page)).toContainText(bob.shown));
    await signedIn(page, bob);
  });

  test('gives way to **Sign in** when there is no session any more', async ({ page, context, instance }) => {
    await signIn(page, instance);
    await page.evaluate(async () => {
      for (const { name } of await indexedDB.databases()) indexedDB.deleteDatabase(name!);
    });
    // The open page would store its session again.
    await page.close();
    const next = await context.newPage();
    await before(next, '/', () => expect(who(next)).toContainText(alice.shown));
    await signedOut(next);
    await expect(next.getByRole('banner')).not.toContainText(alice.shown);
    expect(await remembered(context)).toBe(undefined);
  });

  test('proves nothing: with a cookie alone nobody is signed in, and its text is text', async ({ page, context, instance }) => {
    const value = encodeURIComponent('<img src=x onerror=alert(1)>;"');
    await context.addCookies([{ name: 'pixygate-name', value, url: instance.url, sameSite: 'Strict' }]);
    await before(page, '/account', async () => {
      await expect(who(page)).toContainText('<img src=x');
      await expect(who(page).locator('img')).toHaveCount(0);
    });
    await settled(page);
    await signedOut(page);
    expect(await remembered(context)).toBe(undefined);
  });
});
