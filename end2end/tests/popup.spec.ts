import type { Page } from '@playwright/test';
import type { Instance } from '../instance.mjs';
import type { Control } from './control';
import { alice, atProvider, confirmation, ended, enter, expect, login, problem, signedIn, signIn, verified } from './fixtures';
import { test } from './profile';

// The test's tokens have short lifetimes, and the tests wait for their expiry.
test.describe.configure({ timeout: 90_000 });

/** The page's texts about the window. */
const told = (page: Page) => ended(page).getByRole('alert');
const button = (page: Page) => ended(page).getByRole('button', { name: 'Sign in', exact: true });

/** The provider has ended the session of a user who was typing. */
async function interrupted(page: Page, instance: Instance, control: Control) {
  await control.set({ lifetimes: { access_token: 8 } });
  await signIn(page, instance, alice, '/account');
  await expect(verified(page)).toContainText(instance.issuer);
  await confirmation(page).statement.fill('half a sentence');
  await control.endSessions('alice');
  await expect(ended(page)).toBeVisible({ timeout: 30_000 });
  await control.calm();
}

/** The page is as before, with a session that works. */
async function goesOn(page: Page) {
  await signedIn(page);
  await expect(ended(page)).toBeHidden();
  await expect(problem(page)).toBeHidden();
  const { statement, button, done } = confirmation(page);
  await expect(statement).toHaveValue('half a sentence');
  await button.click();
  await expect(done).toContainText('half a sentence');
}

/** Whether the page has the user's focus. Playwright gives every page the focus. */
const focus = (page: Page, there: boolean) => page.evaluate((there) => (document.hasFocus = () => there), there).then(() => {});

/** A click that is no user activation, and does not allow the page to open a window. Playwright's own clicks are. */
async function clickWithoutRight(page: Page) {
  const session = await page.context().newCDPSession(page);
  const evaluate = async (expression: string) =>
    (await session.send('Runtime.evaluate', { expression, userGesture: false, returnByValue: true })).result.value;
  await expect.poll(() => evaluate('navigator.userActivation.isActive'), { timeout: 15_000 }).toBe(false);
  await evaluate("[...document.querySelectorAll('main .notice button')].find((it) => it.textContent === 'Sign in').click()");
}

test.describe('A sign-in in a window of its own', { tag: '@chromium' }, () => {
  test('that is closed early says so, loses nothing and can be started again', async ({ page, context, instance, control }) => {
    await interrupted(page, instance, control);
    const opened = context.waitForEvent('page');
    await focus(page, false);
    await button(page).click();
    const popup = await opened;
    await atProvider(popup, instance);
    await expect(login(popup).password).toBeVisible();
    await expect(told(page)).toBeHidden();
    await popup.close();
    await focus(page, true);
    await expect(told(page)).toContainText('It was closed');
    await expect(ended(page)).toBeVisible();
    expect(context.pages()).toEqual([page]);

    const again = context.waitForEvent('page');
    await button(page).click();
    const second = await again;
    await atProvider(second, instance);
    await enter(second, alice);
    await goesOn(page);
    if (!second.isClosed()) await second.waitForEvent('close');
  });

  test('in which the person says no, and starts again, closes, and the page goes on', async ({ page, context, instance, control }) => {
    await interrupted(page, instance, control);
    const opened = context.waitForEvent('page');
    await focus(page, false);
    await button(page).click();
    const popup = await opened;
    await atProvider(popup, instance);
    await popup.getByRole('button', { name: 'Cancel' }).click();
    await expect(problem(popup).getByRole('heading')).toHaveText('Sign-in was cancelled');
    await expect(told(page)).toBeHidden();
    await problem(popup).getByRole('link', { name: 'Sign in', exact: true }).click();
    await atProvider(popup, instance);
    const closed = popup.waitForEvent('close');
    await enter(popup, alice);
    await closed;
    await focus(page, true);
    await goesOn(page);
  });

  test('that the browser blocks says so, loses nothing and offers other ways', async ({ page, context, instance, control }) => {
    await interrupted(page, instance, control);
    await clickWithoutRight(page);
    await expect(told(page)).toContainText('did not open');
    expect(context.pages()).toEqual([page]);
    // The page was not left, and the sign-in can continue.
    const opened = context.waitForEvent('page');
    await button(page).click();
    const popup = await opened;
    await atProvider(popup, instance);
    await enter(popup, alice);
    await goesOn(page);
  });

  test('that the browser always blocks is made in a tab instead', async ({ page, context, instance, control }) => {
    // As extensions do, even on a click.
    await page.addInitScript(() => (window.open = () => null));
    await interrupted(page, instance, control);
    await button(page).click();
    await expect(told(page)).toContainText('did not open');
    const opened = context.waitForEvent('page');
    await ended(page).getByRole('link', { name: 'Sign in in a new tab' }).click();
    const tab = await opened;
    await atProvider(tab, instance);
    await enter(tab, alice);
    await signedIn(tab);
    await goesOn(page);
  });
});
