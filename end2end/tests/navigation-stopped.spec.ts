import { alice, expect, problem, signIn, test } from './fixtures';
import type { Instance } from '../instance.mjs';
import type { Control } from './control';
import type { Page } from '@playwright/test';

test('a call follows no redirect, and the token goes no further', async ({ page, instance }) => {
  await signIn(page, instance, alice);
  await page.route('**/api/whoami', (route) => {
    return route.fulfill({ status: 307, headers: { location: 'http://elsewhere.localhost:9/api/whoami' } });
  });
  await page.goto('/account');
  // A request to another host would already fail the test.
  await expect(problem(page).filter({ hasText: 'answers with a redirect' })).toBeVisible();
});

test('signing in leads back to the fragment', async ({ page, instance }) => {
  await signIn(page, instance, alice, '/?a=b#there');
  const { pathname, search, hash } = new URL(page.url());
  expect(pathname + search + hash).toBe('/?a=b#there');
});

test.describe('A page that was left for a sign-in that never came', () => {
  const confirm = (page: Page) => page.getByRole('button', { name: 'Confirm', exact: true });

  /** On the way to the provider, whose page does not load. */
  async function onTheWay(page: Page, instance: Instance, control: Control, answer: 'none' | 'no page') {
    await control.clock(-400);
    await signIn(page, instance, alice, '/account');
    await control.clock(0);
    const asked = page.waitForRequest(/\/authorize\?/);
    await page.route(/\/authorize\?/, (route) => (answer === 'none' ? undefined : route.fulfill({ status: 204 })));
    await page.getByLabel('What you confirm').fill('it is me');
    await confirm(page).click();
    await asked;
  }

  async function goesOn(page: Page) {
    await expect(confirm(page)).toBeEnabled();
    await expect(problem(page).filter({ hasText: 'Sign in again for this' })).toBeVisible();
  }

  // Stopping a load can only be simulated in Chromium.
  test('goes on when the person stops it', { tag: '@chromium' }, async ({ page, context, instance, control }) => {
    await onTheWay(page, instance, control, 'none');
    const browser = await context.newCDPSession(page);
    await browser.send('Page.stopLoading');
    await goesOn(page);
    // It is the same page, so the input is still there, and a reload does not restore it.
    await expect(page.getByLabel('What you confirm')).toHaveValue('it is me');
    expect(await page.evaluate(() => history.state)).toBe(null);
    await page.reload();
    await expect(confirm(page)).toBeVisible();
    await expect(page.getByLabel('What you confirm')).toHaveValue('');
    await expect(page.getByRole('alert')).toBeHidden();
  });

  test('goes on when the provider answers with no page and the person does something', async ({ page, instance, control }) => {
    await onTheWay(page, instance, control, 'no page');
    // Playwright's locators would wait for the page that never loads.
    const disabled = () => page.evaluate(() => document.querySelector<HTMLButtonElement>('main form button')!.disabled);
    const told = () => page.evaluate(() => document.querySelector('main [role=alert]')?.textContent ?? '');
    await expect.poll(disabled).toBe(true);
    await page.keyboard.press('Shift');
    await expect.poll(disabled).toBe(false);
    await expect.poll(told).toContain('Sign in again for this');
  });
});
