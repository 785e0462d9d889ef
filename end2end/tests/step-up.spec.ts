import { alice, asIf, atProvider, bob, confirmation, ended, enter, expect, problem, signIn, signInButton, signedIn, test, verified } from './fixtures';
import type { Instance } from '../instance.mjs';
import type { Control } from './control';
import type { Page } from '@playwright/test';

/** Longer ago than the policy of `POST /api/confirm` allows. */
const LONG_AGO = -400;

const statement = (page: Page) => confirmation(page).statement;
const confirm = (page: Page) => confirmation(page).button;
const confirmed = (page: Page) => confirmation(page).done;

/** The statuses of the calls. */
function calls(page: Page) {
  const statuses: number[] = [];
  page.on('response', (response) => {
    if (new URL(response.url()).pathname === '/api/confirm') statuses.push(response.status());
  });
  return statuses;
}

/** Signed in so long ago that the gate requires a new sign-in. */
async function signedInLongAgo(page: Page, instance: Instance, control: Control) {
  await control.clock(LONG_AGO);
  await signIn(page, instance, alice, '/account?tab=2');
  await control.clock(0);
}

test.describe('A call that needs a more recent sign-in', () => {
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
    // A reload does not repeat the call.
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

  test('is not made for who comes back by the back button, and leads to the sign-in again', async ({ page, instance, control }) => {
    const statuses = calls(page);
    await signedInLongAgo(page, instance, control);
    await statement(page).fill('not yet');
    await confirm(page).click();
    await atProvider(page, instance);
    await page.goBack();
    await signedIn(page);
    await expect(page).toHaveURL('/account?tab=2');
    // No call was made so far, the input is still there, and the page can be used.
    await expect(statement(page)).toHaveValue('not yet');
    await expect(page.getByRole('alert').filter({ hasText: 'Nothing was confirmed' })).toContainText('You did not sign in again');
    expect(statuses).toEqual([401]);
    // A reload starts again.
    await page.reload();
    await expect(statement(page)).toHaveValue('');
    await expect(page.getByRole('alert')).toBeHidden();
    await statement(page).fill('now');
    await confirm(page).click();
    await atProvider(page, instance);
    await enter(page, alice);
    await expect(confirmed(page)).toContainText('Confirmed: now');
    expect(statuses).toEqual([401, 401, 200]);
  });
});

test.describe('A scope that the sign-in did not bring', () => {
  const opened = (page: Page) => page.getByRole('region', { name: 'What the scope “profile” opens' });
  const ask = (page: Page) => opened(page).getByRole('button', { name: 'Ask for the permission' });

  /** The requests to the provider and to the gate. */
  function wire(page: Page, instance: Instance) {
    const seen = { scopes: [] as (string | null)[], statuses: [] as number[] };
    page.on('request', (request) => {
      if (request.url().startsWith(instance.authorizationEndpoint)) seen.scopes.push(new URL(request.url()).searchParams.get('scope'));
    });
    page.on('response', (response) => {
      if (new URL(response.url()).pathname === '/api/profile') seen.statuses.push(response.status());
    });
    return seen;
  }

  /** Signed in by pages that request `openid` only. */
  async function signedInWithLess(page: Page, instance: Instance) {
    await asIf(page, (client) => ({ ...client, scopes: ['openid'] }));
    await page.goto('/account');
    await signInButton(page).click();
    await atProvider(page, instance);
    await enter(page, alice);
    await expect(verified(page)).toContainText(instance.issuer);
    await expect(opened(page)).toContainText('Your sign-in does not include the permission for this.');
  }

  test('is asked for when the person wants it, and opens what it is for', async ({ page, instance }) => {
    const seen = wire(page, instance);
    await signedInWithLess(page, instance);
    expect(seen, 'not before').toEqual({ scopes: ['openid'], statuses: [] });
    await ask(page).click();
    await expect(opened(page).locator('dl.facts')).toContainText('Alice Example');
    await expect(ask(page)).toBeHidden();
    expect(seen).toEqual({ scopes: ['openid', 'openid profile'], statuses: [403, 200] });
  });

  test('and never brings is asked for once, and the page says so', async ({ page, instance }) => {
    const seen = wire(page, instance);
    await signedInWithLess(page, instance);
    await page.route(`${instance.authorizationEndpoint}?**`, (route) => {
      const url = new URL(route.request().url());
      url.searchParams.set('scope', 'openid');
      return route.continue({ url: url.href });
    });
    await ask(page).click();
    await expect(problem(page)).toContainText('The permission was not given');
    await expect(problem(page)).toContainText('The sign-in page left it out');
    await ask(page).click();
    await expect(problem(page)).toContainText('Not allowed');
    await expect(problem(page)).toContainText('Your sign-in does not include the permission for this.');
    await expect(verified(page)).toContainText(instance.issuer);
    expect(seen).toEqual({ scopes: ['openid', 'openid profile'], statuses: [403, 403] });
  });

  test('and that the person declines is said to be missing, until they think better of it', async ({ page, context, instance }) => {
    await signedInWithLess(page, instance);
    // The provider must show its sign-in page, so that the user can cancel.
    await context.clearCookies();
    await ask(page).click();
    await atProvider(page, instance);
    await page.getByRole('button', { name: 'Cancel' }).click();
    await expect(problem(page)).toContainText('The permission was not given');
    await expect(problem(page)).toContainText('access_denied');
    await ask(page).click();
    await atProvider(page, instance);
    await enter(page, alice);
    await expect(opened(page).locator('dl.facts')).toContainText('Alice Example');
    await expect(problem(page)).toBeHidden();
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
    // The refresh ahead of the expiry discovers it, without a click.
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
