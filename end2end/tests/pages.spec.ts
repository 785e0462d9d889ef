import { AxeBuilder } from '@axe-core/playwright';
import type { Page } from '@playwright/test';
import { Instance } from '../instance.mjs';
import { alice, asIf, atProvider, bob, confirmation, ended, enter, expect, problem, settled, signedIn, signIn, signInButton, test, verified } from './fixtures';

const widths = { small: { width: 320, height: 640 }, phone: { width: 390, height: 844 }, desktop: { width: 1280, height: 800 } };

async function faults(page: Page) {
  const { violations } = await new AxeBuilder({ page }).withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']).analyze();
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.target.join(' ')).join(', ')}`);
}

/** The page fits every width, and axe finds no faults, in light and in dark. Saves a screenshot of each. */
async function looksRight(page: Page, name: string) {
  await expect(page.getByRole('main')).toBeVisible();
  for (const [width, viewport] of Object.entries(widths)) {
    await page.setViewportSize(viewport);
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    expect(overflow, `${name} scrolls sideways at ${viewport.width} pixels`).toBeLessThanOrEqual(0);
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      // Widths in between have no layout of their own.
      if (width !== 'phone') expect(await faults(page), `${name}, ${width}, ${colorScheme}`).toEqual([]);
      await page.screenshot({ path: `screenshots/${name}-${width}-${colorScheme}.png`, fullPage: true });
    }
  }
}

test.describe('Every page fits and is accessible @screenshots', () => {
  test.describe.configure({ timeout: 120_000 });

  test('while nobody is signed in', async ({ page, instance }) => {
    await page.goto('/');
    await settled(page);
    await looksRight(page, 'landing');
    await page.goto('/account');
    await settled(page);
    await looksRight(page, 'account-signed-out');
    await page.goto('/callback?error=access_denied&state=unknown');
    await expect(problem(page)).toBeVisible();
    await looksRight(page, 'callback-refused');
    await page.goto('/no-such-page');
    await looksRight(page, 'not-found');

    await page.goto('/account');
    await signInButton(page).click();
    await atProvider(page, instance);
    await page.screenshot({ path: 'screenshots/provider.png', fullPage: true });
  });

  test('while someone is, and when that ends', async ({ page, context, instance, control }) => {
    await control.clock(-400);
    await signIn(page, instance, alice, '/account');
    await control.clock(0);
    await expect(verified(page)).toContainText(instance.issuer);
    await looksRight(page, 'account');

    const { statement, button } = confirmation(page);
    await statement.fill('half a sentence');
    await button.click();
    await atProvider(page, instance);
    await page.getByRole('button', { name: 'Cancel' }).click();
    await expect(page.getByRole('heading', { name: 'Nothing was confirmed' })).toBeVisible();
    await expect(verified(page)).toContainText(instance.issuer);
    await looksRight(page, 'account-declined');

    await page.goto('/');
    await signedIn(page);
    await looksRight(page, 'landing-signed-in');

    await page.goto('/account');
    await expect(verified(page)).toContainText(instance.issuer);
    await statement.fill('half a sentence');
    await control.endSessions('alice');
    // Two hours later the next call needs another token.
    await page.evaluate(() => {
      const now = Date.now.bind(Date);
      Date.now = () => now() + 7_200_000;
    });
    await button.click();
    await expect(ended(page)).toBeVisible();
    await looksRight(page, 'account-ended');

    const other = await context.newPage();
    await signIn(other, instance, bob);
    await signedIn(page, bob);
    await expect(verified(page)).toContainText(instance.issuer);
    await looksRight(page, 'account-another-person');
  });

  test('while a permission is missing', async ({ page, instance }) => {
    await asIf(page, (client) => ({ ...client, scopes: ['openid'] }));
    await page.goto('/account');
    await signInButton(page).click();
    await atProvider(page, instance);
    await enter(page, alice);
    await page.route(`${instance.authorizationEndpoint}?**`, (route) => {
      const url = new URL(route.request().url());
      url.searchParams.set('scope', 'openid');
      return route.continue({ url: url.href });
    });
    await page.getByRole('button', { name: 'Ask for the permission' }).click();
    await expect(problem(page)).toBeVisible();
    await expect(verified(page)).toContainText(instance.issuer);
    await looksRight(page, 'account-without-permission');
  });

  test('while it asks whether someone is still there', async ({ browser }) => {
    // A separate server, because this is a setting of the whole server.
    const instance = await Instance.start({ PIXYGATE_SESSION__IDLE_SIGN_OUT_SECONDS: '3600' });
    const context = await browser.newContext({ baseURL: instance.url });
    try {
      const page = await context.newPage();
      await signIn(page, instance);
      await page.evaluate(() => {
        const now = Date.now.bind(Date);
        Date.now = () => now() + 3_541_000;
        window.dispatchEvent(new Event('pageshow'));
      });
      await expect(page.getByRole('alert').filter({ hasText: 'Are you still there?' })).toBeVisible();
      await looksRight(page, 'still-there');
    } finally {
      await context.close();
      await instance.stop();
    }
  });
});

/** The focused element: its id, else its name. */
const focused = (page: Page) => page.evaluate(() => document.activeElement!.id || document.activeElement!.tagName);

/** Presses Tab until the link has the focus, then Enter. */
async function follow(page: Page, name: string) {
  const link = page.getByRole('banner').getByRole('link', { name });
  await expect(async () => {
    await page.keyboard.press('Tab');
    await expect(link).toBeFocused({ timeout: 100 });
  }).toPass({ intervals: [0] });
  await page.keyboard.press('Enter');
}

test('A page that is reached without a load gets the title and the focus, once', async ({ page, instance }) => {
  await signIn(page, instance);
  await page.goto('/');
  await signedIn(page);
  expect(await focused(page), 'a load moves nothing').toBe('BODY');
  await page.evaluate(() => {
    const times = Object.assign(window, { times: 0 });
    document.getElementById('main')!.addEventListener('focus', () => (times.times += 1));
  });
  const times = () => page.evaluate(() => (window as unknown as { times: number }).times);

  await follow(page, 'Account');
  await expect(page).toHaveTitle('Account · Pixygate');
  await expect(verified(page)).toContainText(instance.issuer);
  expect(await focused(page)).toBe('main');
  expect(await times(), 'and no load came in between').toBe(1);
  const { statement } = confirmation(page);
  await page.keyboard.press('Tab');
  await expect(statement).toBeFocused();
  await page.keyboard.type('half a sentence');

  // Another query or fragment is no other page.
  for (const href of ['/account?tab=2#confirm', '/account?tab=2']) {
    await page.evaluate((href) => {
      const link = Object.assign(document.createElement('a'), { href });
      document.querySelector('header')!.append(link);
      link.click();
    }, href);
    await expect(page).toHaveURL(href);
  }
  await expect(statement).toBeFocused();
  await expect(statement).toHaveValue('half a sentence');
  expect(await times()).toBe(1);

  await follow(page, 'Pixygate');
  await expect(page).toHaveURL('/');
  await expect(page).toHaveTitle('Start · Pixygate');
  expect(await focused(page)).toBe('main');
  await page.goBack();
  await expect(page).toHaveTitle('Account · Pixygate');
  expect(await focused(page)).toBe('main');
  expect(await times()).toBe(3);
});

test('The skip link is the first stop of the keyboard and leads to the content', async ({ page }) => {
  await page.goto('/');
  await settled(page);
  await page.keyboard.press('Tab');
  const skip = page.locator(':focus');
  await expect(skip).toHaveText(/skip/i);
  await expect(skip).toBeInViewport();
  await page.keyboard.press('Enter');
  await page.keyboard.press('Tab');
  await expect(page.getByRole('main').locator(':focus')).toHaveCount(1);
});

test('The title says where one is', async ({ page, instance }) => {
  const titles = new Set<string>();
  await signIn(page, instance);
  for (const path of ['/', '/account']) {
    await page.goto(path);
    await signedIn(page);
    await expect(page).toHaveTitle(/Pixygate/);
    titles.add(await page.title());
  }
  expect(titles.size).toBe(2);
});
