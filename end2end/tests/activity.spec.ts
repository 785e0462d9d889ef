import { AxeBuilder } from '@axe-core/playwright';
import type { Locator, Page, Route } from '@playwright/test';
import { atProvider, bob, enter, expect, login, problem, signIn, test } from './fixtures';

const admin = { name: 'admin', password: 'admin', shown: 'Ada Example' };

const records = (page: Page) => page.locator('.records .record');
const record = (page: Page, call: string) => records(page).filter({ hasText: call });
const details = (row: Locator) => row.getByRole('button', { name: /^Details of/ });
const filter = (page: Page) => page.getByRole('form', { name: 'Filter' });

async function opened(page: Page, address = '/activity') {
  await page.goto(address);
  await expect(records(page).first()).toBeVisible();
}

async function noFaults(page: Page) {
  const { violations } = await new AxeBuilder({ page }).withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']).analyze();
  expect(violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.target.join(' ')).join(', ')}`)).toEqual([]);
}

/** A call of this user that the gate denies. */
async function denied(page: Page) {
  await page.goto('/activity?whose=everybody');
  await expect(problem(page).first()).toContainText('Not allowed');
}

test('A denied call says why, and the filter stays in the address', async ({ page, instance }) => {
  await signIn(page, instance);
  await denied(page);
  await opened(page);
  const row = record(page, '/api/admin/activity').filter({ hasNotText: 'chart' }).first();
  await expect(row).toContainText('Denied');
  await expect(row).toContainText('403');
  await details(row).click();
  await expect(details(row)).toHaveAttribute('aria-expanded', 'true');
  const more = page.locator('.record-details');
  await expect(more).toContainText('insufficient_scope');
  await expect(more).toContainText('an administrator');
  await expect(more.getByRole('link', { name: 'Diagnose' })).toHaveAttribute('href', /^\/diagnose\?record=\d+$/);
  await expect(more.getByRole('button', { name: /sessions/ }), 'not for this user').toHaveCount(0);
  await noFaults(page);

  await filter(page).getByLabel('Outcome').selectOption('Denied');
  await filter(page).getByRole('button', { name: 'Show' }).click();
  await expect(page).toHaveURL('/activity?outcome=denied');
  await expect(records(page).filter({ hasText: 'Allowed' })).toHaveCount(0);
  await expect(records(page).first()).toContainText('Denied');
  await page.reload();
  await expect(records(page).first()).toContainText('Denied');
  await expect(filter(page).getByLabel('Outcome')).toHaveValue('denied');
  await page.goBack();
  await expect(page).toHaveURL('/activity');
  await expect(records(page).filter({ hasText: 'Allowed' }).first()).toBeVisible();
  await expect(filter(page).getByLabel('Outcome')).toHaveValue('');

  // A time range in the past has no calls.
  await page.goto('/activity?until=1000000000');
  await expect(page.getByRole('heading', { name: 'No calls match the filter' })).toBeVisible();
  await page.getByRole('main').getByRole('link', { name: 'Remove the filter' }).click();
  await expect(records(page).first()).toBeVisible();
});

test('A choice in the form stays until it is applied, and is applied', async ({ page, instance }) => {
  await signIn(page, instance);
  await opened(page);
  const field = (name: string) => filter(page).getByLabel(name, { exact: true });
  const show = () => filter(page).getByRole('button', { name: 'Show' }).click();
  await field('Outcome').selectOption('Allowed');
  await field('Time').selectOption('Last 24 hours');
  await expect(field('Outcome')).toHaveValue('allowed');
  await show();
  await expect(page).toHaveURL(/outcome=allowed&time=day$/);
  await expect(field('Time')).toHaveValue('day');

  await field('Time').selectOption('between');
  await field('From').fill('2026-01-02T03:04');
  await show();
  await expect(page).toHaveURL(/outcome=allowed&from=\d+$/);
  await expect(field('Time')).toHaveValue('between');
  await expect(field('From')).toHaveValue('2026-01-02T03:04');

  await field('Time').selectOption('Any time');
  await expect(field('From')).toHaveCount(0);
  await show();
  await expect(page).toHaveURL(/outcome=allowed$/);
  await expect(field('Time')).toHaveValue('');
});

test('New calls come by themselves, and wait while the list is paused', async ({ page, context, instance }) => {
  await signIn(page, instance);
  await opened(page);
  await expect(page.getByText('Live: new calls')).toBeVisible();
  const other = await context.newPage();
  await other.goto('/account');
  await expect(other.locator('dl.facts').first()).toBeVisible();
  await expect(record(page, '/api/whoami').first()).toBeVisible();

  const before = await record(page, '/api/whoami').count();
  await page.getByRole('button', { name: 'Pause' }).click();
  await other.reload();
  await expect(other.locator('dl.facts').first()).toBeVisible();
  const resume = page.getByRole('button', { name: /Continue \(\d+ waiting\)/ });
  await expect(resume).toBeVisible();
  expect(await record(page, '/api/whoami').count()).toBe(before);
  await resume.click();
  await expect.poll(() => record(page, '/api/whoami').count()).toBeGreaterThan(before);
  await other.close();
});

test('Older calls come on scrolling, and by the keyboard', async ({ page, instance }) => {
  await signIn(page, instance);
  // 130 records, as the server would page them.
  const all = Array.from({ length: 130 }, (_, place) => ({
    id: String(1_000_000 - place),
    at: Date.now() - place * 1000,
    request_id: `request-${place}`,
    method: 'GET',
    route: `/gw/orders/${place}`,
    status: 200,
    bytes: 5,
    took: 1200,
  }));
  const answer = (route: Route) => {
    const before = new URL(route.request().url()).searchParams.get('before');
    const older = all.filter(({ id }) => !before || Number(id) < Number(before));
    const records = older.slice(0, 50);
    return route.fulfill({ json: { records, ...(older.length > 50 ? { older: records.at(-1)!.id } : {}) } });
  };
  await page.route(/\/api\/activity(\?|$)/, answer);
  // The server takes all of its records for newer than these.
  await page.route(/\/api\/activity\/live/, (route) => route.abort());
  await page.goto('/activity');
  await expect(records(page)).toHaveCount(50);
  await page.getByRole('button', { name: 'Older' }).focus();
  await page.keyboard.press('Enter');
  await expect(record(page, 'GET /gw/orders/99')).toBeAttached();
  await page.mouse.wheel(0, 100_000);
  await expect(records(page)).toHaveCount(130);
  await expect(page.getByText('These are all.')).toBeVisible();
  await expect(page.getByRole('button', { name: 'Older' })).toHaveCount(0);
});

test('An administrator sees everybody’s calls and ends the sessions of a user', async ({ page, browser, instance, control }) => {
  // Not Alice: other tests sign her in with times of minutes ago, which would be before the end of her sessions.
  const elsewhere = await browser.newContext({ baseURL: instance.url });
  const bobs = await elsewhere.newPage();
  await signIn(bobs, instance, bob, '/account');
  await expect(bobs.locator('dl.facts').first()).toBeVisible();

  // So long ago that the gate requires another sign-in.
  await control.clock(-400);
  await signIn(page, instance, admin, '/activity');
  await control.clock(0);
  await page.getByRole('link', { name: 'Everybody’s' }).click();
  await expect(page).toHaveURL('/activity?whose=everybody');
  const row = record(page, '/api/whoami').filter({ hasText: bob.shown }).first();
  await details(row).click();
  const end = page.locator('.record-details').getByRole('button', { name: 'End this user’s sessions' });
  await end.click();
  const dialog = page.getByRole('dialog', { name: `End all sessions of ${bob.shown}?` });
  await expect(dialog).toBeVisible();
  await noFaults(page);
  await page.keyboard.press('Escape');
  await expect(dialog).toBeHidden();
  await expect(end, 'back where it was').toBeFocused();
  await end.click();
  await dialog.getByRole('button', { name: 'End the sessions' }).click();
  await atProvider(page, instance);
  await expect(login(page).password).toBeVisible();
  await enter(page, admin);
  await expect(page.getByRole('status').filter({ hasText: /All sessions of .* have ended/ })).toBeVisible();
  await expect(page).toHaveURL('/activity?whose=everybody');

  await bobs.reload();
  await expect(bobs.getByRole('main')).not.toContainText(instance.issuer);
  await elsewhere.close();
});
