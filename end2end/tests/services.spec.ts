import { AxeBuilder } from '@axe-core/playwright';
import type { Page } from '@playwright/test';
import { alice, expect, signIn, test } from './fixtures';

const admin = { name: 'admin', password: 'admin', shown: 'Ada Example' };

const service = (page: Page, name: string) => page.getByRole('region', { name, exact: true });
const route = (page: Page, call: string) => service(page, 'orders').locator('.route').filter({ has: page.getByRole('button', { name: `Try ${call}`, exact: true }) });

async function opened(page: Page, call: string) {
  await route(page, call).getByRole('button', { name: `Try ${call}`, exact: true }).click();
  const form = page.getByRole('group', { name: `A call to try: ${call}` });
  await expect(form).toBeVisible();
  return form;
}

async function noFaults(page: Page) {
  const { violations } = await new AxeBuilder({ page }).withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']).analyze();
  expect(violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.target.join(' ')).join(', ')}`)).toEqual([]);
}

test('The page says what each call requires and what is missing', async ({ page, instance }) => {
  await signIn(page, instance);
  await page.goto('/services');
  const place = route(page, 'POST /gw/orders/orders');
  await expect(place).toContainText('the scope orders:write');
  await expect(place).toContainText('you lack it');
  await expect(place).toContainText('asks your provider');
  await expect(service(page, 'This server').locator('.route').filter({ hasText: '/api/whoami' })).toContainText('You may call this');
  await noFaults(page);
});

test('A call that needs a permission is made after the sign-in, as it was typed', async ({ page, instance }) => {
  await signIn(page, instance, admin);
  await page.goto('/services');
  let form = await opened(page, 'POST /gw/orders/orders');
  await expect(page).toHaveURL(/\?try=/);
  await expect(form.getByLabel('Path')).toHaveValue('/orders');
  const body = '{"item": "Tea & “milk”", "quantity": 2}';
  await form.getByLabel('Body', { exact: true }).fill(body);
  await form.getByRole('button', { name: 'Send' }).click();
  // The provider asks nothing: it knows this user, and the permission is theirs.
  await expect(form.getByText(/^Answered with 201/)).toBeVisible();
  await expect(form.getByLabel('Body', { exact: true }), 'what was typed').toHaveValue(body);
  await expect(form.locator('pre.body')).toContainText('"item": "Tea & “milk”"');
  await noFaults(page);

  // The list has it, and the curl command has no token.
  form = await opened(page, 'GET /gw/orders/orders');
  await form.getByRole('button', { name: 'Send' }).click();
  await expect(form.getByText(/^Answered with 200/)).toBeVisible();
  await expect(form.locator('pre.body')).toContainText('Tea & “milk”');
  await form.getByText('The same call with curl').click();
  const command = form.locator('.curl pre').last();
  await expect(command).toHaveText(`curl -i ${instance.url}/gw/orders/orders \\\n  -H "Authorization: Bearer $TOKEN"`);
  expect(await page.content()).not.toMatch(/eyJ[\w-]+\.[\w-]+\.[\w-]+/);

  // A value for the placeholder.
  form = await opened(page, 'DELETE /gw/orders/orders/{id}');
  await form.getByRole('button', { name: 'Send' }).click();
  await expect(form.getByRole('alert')).toContainText('Put a value in place of {id}');
  await expect(form.getByLabel('Path')).toBeFocused();
  await form.getByLabel('Path').fill('/orders/1');
  await form.getByRole('button', { name: 'Send' }).click();
  await expect(form.locator('pre.body')).toContainText('"status": "cancelled"');
});

test('A call that stays denied says why', async ({ page, instance }) => {
  await signIn(page, instance, alice);
  await page.goto('/services');
  const form = await opened(page, 'POST /gw/orders/orders');
  await form.getByLabel('Body', { exact: true }).fill('{"item":"Tea","quantity":1}');
  await form.getByRole('button', { name: 'Send' }).click();
  // The provider does not give the permission, so the second answer counts.
  await expect(form.getByText(/^Answered with 403/)).toBeVisible();
  const why = form.getByRole('region', { name: 'Denied' });
  await expect(why).toContainText('A permission is missing');
  await expect(form.getByLabel('Body', { exact: true })).toHaveValue('{"item":"Tea","quantity":1}');
  await why.getByRole('link', { name: 'Find it in the activity' }).click();
  await expect(page).toHaveURL('/activity?outcome=denied&reason=insufficient_scope');
  await expect(page.locator('.records .record').first()).toContainText('/gw/orders/orders');
});

test('Events are shown as they come, until they are stopped', async ({ page, context, instance }) => {
  await signIn(page, instance, admin);
  await page.goto('/services');
  const form = await opened(page, 'GET /gw/orders/orders/events');
  await form.getByRole('button', { name: 'Send' }).click();
  await expect(form.getByText(/more is coming/)).toBeVisible();
  const other = await context.newPage();
  await other.goto('/services');
  const placing = await opened(other, 'POST /gw/orders/orders');
  await placing.getByLabel('Body', { exact: true }).fill('{"item":"Live tea","quantity":1}');
  await placing.getByRole('button', { name: 'Send' }).click();
  await expect(placing.getByText(/^Answered with 201/)).toBeVisible();
  await expect(form.locator('pre.body')).toContainText('Live tea');
  await form.getByRole('button', { name: 'Stop' }).click();
  await expect(form.getByRole('button', { name: 'Stop' })).toHaveCount(0);
  await expect(form.locator('pre.body'), 'what came stays').toContainText('Live tea');
  await other.close();
});
