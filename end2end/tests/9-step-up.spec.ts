import { alice, atProvider, bob, confirmation, ended, enter, expect, problem, signIn, signedIn, test } from './fixtures';
import type { Instance } from '../instance.mjs';
import type { Control } from './control';
import type { Page } from '@playwright/test';

/** Longer ago than the policy of `POST /api/confirm` allows. */
const LONG_AGO = -400;

const statement = (page: Page) => confirmation(page).statement;
const confirm = (page: Page) => confirmation(page).button;
const confirmed = (page: Page) => confirmation(page).done;

/** The statuses that the calls got. */
function calls(page: Page) {
  const statuses: number[] = [];
  page.on('response', (response) => {
    if (new URL(response.url()).pathname === '/api/confirm') statuses.push(response.status());
  });
  return statuses;
}

/** Signed in so long ago that the gate asks for it again. */
async function signedInLongAgo(page: Page, instance: Instance, control: Control) {
  await control.clock(LONG_AGO);
  await signIn(page, instance, alice, '/account?tab=2');
  await control.clock(0);
}

test.describe('9. A call that needs a more recent sign-in', () => {
  test('is made at once when the sign-in is recent', async ({ page, instance }) => {
    const statuses = calls(page);
    await signIn(page, instance, alice, '/account');
    await statement(page).fill('it is me');
    await confirm(page).click();
    await expect(confirmed(page)).toContainText('it is me');
    expect(statuses).toEqual([200]);
  });

  test('leads to the sign-in, back to the same place, and is made there', async ({ page, instance, control }) => {
    const statuses = calls(page);
    await signedInLongAgo(page, instance, control);
    await statement(page).fill('it is still me & "more"');
    await confirm(page).click();
    await atProvider(page, instance);
    await enter(page, alice);
    await expect(confirmed(page)).toContainText('Confirmed: it is still me & "more"');
    expect(new URL(page.url()).pathname + new URL(page.url()).search).toBe('/account?tab=2');
    expect(statuses, 'refused once, made once').toEqual([401, 200]);
    await signedIn(page);
    // A reload does not make it again.
    await page.reload();
    await expect(statement(page)).toBeVisible();
    expect(statuses).toEqual([401, 200]);
  });

  test('is not made for another person', async ({ page, instance, control }) => {
    const statuses = calls(page);
    await signedInLongAgo(page, instance, control);
    await statement(page).fill('it is Alice');
    await confirm(page).click();
    await atProvider(page, instance);
    await enter(page, bob);
    await signedIn(page, bob);
    await expect(statement(page)).toHaveValue('');
    expect(statuses).toEqual([401]);
  });

  test('that the person declines: says so and gives back what was typed, and is made when they try again', async ({ page, instance, control }) => {
    const statuses = calls(page);
    await signedInLongAgo(page, instance, control);
    await statement(page).fill('it is me & "more"');
    await confirm(page).click();
    await atProvider(page, instance);
    await page.getByRole('button', { name: 'Cancel' }).click();
    const told = page.getByRole('alert').filter({ hasText: 'Nothing was confirmed' });
    await expect(told).toContainText('You did not sign in again');
    await expect(told).toContainText('access_denied');
    await expect(statement(page)).toHaveValue('it is me & "more"');
    expect(new URL(page.url()).pathname + new URL(page.url()).search).toBe('/account?tab=2');
    await signedIn(page);
    expect(statuses, 'it was not made').toEqual([401]);

    await told.getByRole('button', { name: 'Sign in again and confirm' }).click();
    await atProvider(page, instance);
    await enter(page, alice);
    await expect(confirmed(page)).toContainText('Confirmed: it is me & "more"');
    await expect(told).toBeHidden();
    expect(statuses, 'refused each time, made once').toEqual([401, 401, 200]);
  });

  test('says what is missing when the person comes back without it', async ({ page, instance, control }) => {
    await signedInLongAgo(page, instance, control);
    await statement(page).fill('no');
    await confirm(page).click();
    await atProvider(page, instance);
    await page.goBack();
    // The page is there again and not stuck.
    await expect(confirm(page)).toBeEnabled();
    await signedIn(page);
  });
});

test.describe('A session that the provider has ended', () => {
  test('keeps the page, and what was typed, until the person is back in a window of its own', async ({
    page,
    context,
    instance,
    control,
  }) => {
    await control.set({ lifetimes: { access_token: 8 } });
    await signIn(page, instance, alice, '/account');
    await statement(page).fill('half a sentence');
    await control.endSessions('alice');
    // The refresh ahead of the expiry finds out; nobody clicked.
    await expect(ended(page)).toBeVisible();
    await expect(statement(page)).toBeHidden();

    const opened = context.waitForEvent('page');
    await page.getByRole('main').getByRole('button', { name: 'Sign in', exact: true }).click();
    const popup = await opened;
    await atProvider(popup, instance);
    await enter(popup, alice);
    await expect(statement(page)).toBeVisible();
    await expect(statement(page)).toHaveValue('half a sentence');
    if (!popup.isClosed()) await popup.waitForEvent('close');
    await expect(problem(page)).toBeHidden();
  });
});
