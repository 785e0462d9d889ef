import { alice, atProvider, bob, confirmation, ended, enter, expect, problem, signIn, signedIn, signedOut, test, verified } from './fixtures';
import type { Page } from '@playwright/test';

const endAll = (page: Page) => page.getByRole('button', { name: 'End all my sessions' });

test('All sessions of a person end at once, also in other browsers, and nobody else’s', async ({ page, browser, instance }) => {
  const [elsewhere, bobs] = await Promise.all([browser.newContext({ baseURL: instance.url }), browser.newContext({ baseURL: instance.url })]);
  const other = await elsewhere.newPage();
  const stranger = await bobs.newPage();
  await signIn(other, instance, alice, '/account');
  await signIn(stranger, instance, bob, '/account');
  await signIn(page, instance, alice, '/account');
  await expect(verified(other)).toContainText(instance.issuer);

  await endAll(page).click();
  await page.waitForURL(instance.url);
  await signedOut(page);

  // The other browser learns of it at its next call, and loses no input.
  await confirmation(other).statement.fill('still here');
  await confirmation(other).button.click();
  await expect(ended(other)).toBeVisible();
  await expect(confirmation(other).statement).toHaveValue('still here');
  await confirmation(stranger).statement.fill('as ever');
  await confirmation(stranger).button.click();
  await expect(confirmation(stranger).done).toBeVisible();
  await Promise.all([elsewhere.close(), bobs.close()]);
});

test('A user who signed in long ago signs in again before all sessions end', async ({ page, instance, control }) => {
  await control.clock(-3600);
  await signIn(page, instance, alice, '/account');
  await control.clock(0);
  await endAll(page).click();
  await atProvider(page, instance);
  await enter(page, alice);
  await page.waitForURL(instance.url);
  await signedOut(page);
});

test('A provider that refuses is told, and the person is still signed in', async ({ page, instance, control }) => {
  await signIn(page, instance, alice, '/account');
  await expect(verified(page)).toContainText(instance.issuer);
  await control.set({ down: true });
  await endAll(page).click();
  await expect(problem(page)).toContainText('503');
  await signedIn(page);
  await control.set({ down: false });
  await endAll(page).click();
  await page.waitForURL(instance.url);
  await signedOut(page);
});
