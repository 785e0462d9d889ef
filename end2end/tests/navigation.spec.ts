import type { Page } from '@playwright/test';
import { alice, atProvider, enter, expect, hold, login, problem, settled, signedIn, signedOut, signInButton, test } from './fixtures';

/** The pages that are loaded from now on, by their paths. */
function loads(page: Page) {
  const paths: string[] = [];
  page.on('request', (request) => {
    if (request.isNavigationRequest()) paths.push(new URL(request.url()).pathname);
  });
  return paths;
}

/** The address of the page, as in the address bar. */
const address = (page: Page) => page.evaluate(() => location.href.slice(location.origin.length));

test.describe('Leaving for the provider', () => {
  test('begins at once on a page that is there, and the back button leads back to it', async ({ page, instance }) => {
    await page.goto('/account?a=1');
    await settled(page);
    const paths = loads(page);
    await signInButton(page).click();
    await atProvider(page, instance);
    expect(paths).not.toContain('/sign-in');
    await page.goBack();
    expect(await address(page)).toBe('/account?a=1');
    await expect(signInButton(page)).not.toHaveAttribute('aria-busy', 'true');
    await signInButton(page).click();
    await atProvider(page, instance);
    await expect(login(page).password).toBeVisible();
  });

  test('goes on with the download when the click comes before hydration', async ({ page, instance }) => {
    const { held } = await hold(page, /\/pkg\/.*\.wasm/);
    const asked: string[] = [];
    page.on('request', (request) => asked.push(new URL(request.url()).pathname));
    await page.goto('/', { waitUntil: 'commit' });
    const wasm = await held;
    await signInButton(page).click();
    await expect(signInButton(page)).toHaveAttribute('aria-busy', 'true');
    await wasm.continue();
    await atProvider(page, instance);
    expect(asked.filter((path) => path.endsWith('.wasm'))).toHaveLength(1);
    expect(asked).not.toContain('/sign-in');
  });

  test('from the sign-in page leaves no entry for it in the history', async ({ page, instance }) => {
    await page.goto('/');
    await page.goto('/sign-in?return_to=%2Faccount');
    await atProvider(page, instance);
    await page.goBack();
    expect(await address(page)).toBe('/');
  });

  test('offers the next step when it does not happen', async ({ page }) => {
    await page.route(/\/authorize\?/, (route) => route.fulfill({ status: 204 }));
    await page.goto('/sign-in?return_to=%2Faccount');
    // Playwright's locators would wait for the page that never loads.
    const notice = () => page.evaluate(() => document.querySelector<HTMLElement>('main .notice[role=status]')?.innerText ?? '');
    await expect.poll(notice, { timeout: 15_000 }).toContain('has not opened yet');
    expect(await notice()).toContain('Sign in');
    expect(await notice()).toContain('To the start page');
  });

  test('a page that only leads on is not where it leads back to', async ({ page, instance }) => {
    for (const target of ['/sign-in', '/sign-in?return_to=%2Faccount', '/callback?code=c&state=s']) {
      await page.goto(`/sign-in?return_to=${encodeURIComponent(target)}`);
      await atProvider(page, instance);
      await enter(page, alice);
      await signedIn(page);
      expect(await address(page)).toBe('/');
      await page.context().clearCookies();
      await page.evaluate(async () => {
        for (const { name } of await indexedDB.databases()) indexedDB.deleteDatabase(name!);
      });
    }
  });
});

test('Signing in leads back to the same address, byte for byte', async ({ page, instance }) => {
  test.setTimeout(120_000);
  const addresses = [
    '/account?note=a%20b',
    '/account?next=%2Fa%3Fb%3D1%26c%3D2',
    '/account?p=100%25',
    '/account?id=a+b',
    '/account?id=a%2Bb',
    '/account?q=%C3%A9&r=%F0%9F%94%91',
    '/account#se%20ct',
    `/account?long=${'x'.repeat(2500)}`,
  ];
  for (const there of addresses) {
    for (const link of [false, true]) {
      await page.goto(there);
      await signedOut(page);
      const button = page.getByRole('main').getByRole('link', { name: 'Sign in', exact: true });
      // The link without the front end, and the click on a loaded page.
      if (link) await page.goto((await button.getAttribute('href'))!);
      else await button.click();
      await atProvider(page, instance);
      await enter(page, alice);
      await signedIn(page);
      await expect.poll(() => address(page)).toBe(there);
      await page.evaluate(async () => {
        for (const { name } of await indexedDB.databases()) indexedDB.deleteDatabase(name!);
      });
      await page.context().clearCookies();
      await page.goto('about:blank');
    }
  }
  await expect(problem(page)).toBeHidden();
});

test('A page under another name of the server goes to the public one before a sign-in begins', async ({ page, instance, watch }) => {
  const other = instance.url.replace('localhost', '127.0.0.1');
  watch.expected.add(new URL(other).host);
  const answer = await page.request.get(`${other}/account?note=a%20b`, { maxRedirects: 0 });
  expect(answer.status()).toBe(308);
  await page.goto(`${other}/account?note=a%20b#there`);
  expect(page.url()).toBe(`${instance.url}/account?note=a%20b#there`);
  await signInButton(page).click();
  await atProvider(page, instance);
  await enter(page, alice);
  await signedIn(page);
});
