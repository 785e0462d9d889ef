import { atProvider, expect, hold, login, settled, signIn, signInButton, test } from './fixtures';

test.describe('The landing page', () => {
  test.describe('without scripts', () => {
    test.use({ javaScriptEnabled: false });

    test('is rendered by the server and can be read', async ({ page }) => {
      await page.goto('/');
      await expect(page).toHaveTitle(/Pixygate/);
      await expect(page.getByRole('main').getByRole('heading', { level: 1 })).toBeVisible();
      await expect(page.getByRole('main').getByRole('paragraph').first()).not.toBeEmpty();
      await expect(signInButton(page)).toBeVisible();
    });
  });

  test('knows nobody in the HTML that the server sends, whoever is signed in', async ({ page, context, instance }) => {
    await signIn(page, instance);
    // The page contains nothing but the name that the browser remembers, see name-before-wasm.spec.ts.
    await context.clearCookies({ domain: 'localhost' });
    const html = await (await page.request.get('/')).text();
    expect(html).toMatch(/Sign in/);
    expect(html).not.toMatch(/Sign out/);
  });

  test('keeps a click that comes before hydration', async ({ page, instance }) => {
    let release = () => {};
    const clicked = new Promise<void>((resolve) => (release = resolve));
    await page.route(/\/pkg\/.*\.(js|wasm)$/, async (route) => {
      await clicked;
      await route.continue();
    });
    await page.goto('/', { waitUntil: 'commit' });
    await signInButton(page).click();
    release();
    await atProvider(page, instance);
    await expect(login(page).password).toBeVisible();
  });

  for (const path of ['/', '/no-such-page']) {
    test(`hydrates to the same page: to the elements that the server sent, and no others: ${path}`, async ({ page }) => {
      const { held } = await hold(page, /\/pkg\/.*\.wasm/);
      const content = () => page.evaluate(() => document.body.innerHTML);
      await page.goto(path, { waitUntil: 'commit' });
      await expect(page.getByRole('contentinfo')).toContainText('Pixygate');
      const wasm = await held;
      const served = await content();
      await page.evaluate(() => document.body.querySelectorAll('*').forEach((element) => Object.assign(element, { served: true })));
      await signInButton(page).focus();
      await wasm.continue();
      await settled(page);
      expect(await content()).toBe(served);
      const added = () => [...document.body.querySelectorAll('*')].filter((element) => !('served' in element)).map(({ outerHTML }) => outerHTML);
      expect(await page.evaluate(added)).toEqual([]);
      await expect(signInButton(page)).toBeFocused();
    });
  }

  test('says what is not there', async ({ page }) => {
    const response = await page.goto('/no-such-page');
    expect(response!.status()).toBe(404);
    await expect(page.getByRole('main').getByRole('heading', { level: 1 })).toBeVisible();
    await page.getByRole('main').getByRole('link').first().click();
    await expect(page).toHaveURL('/');
  });
});
