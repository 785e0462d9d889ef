import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { AxeBuilder } from '@axe-core/playwright';
import type { Page } from '@playwright/test';
import { Instance } from '../instance.mjs';
import { alice, bob, expect, signIn, test as base } from './fixtures';

/** A small service of orders. */
class Orders {
  private readonly placed: { id: number; item: string; status: string }[] = [];
  private readonly listening = new Set<ServerResponse>();
  private readonly server: Server = createServer((request, response) => void this.answer(request, response));

  async start() {
    await once(this.server.listen(0, '127.0.0.1'), 'listening');
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async stop() {
    this.server.closeAllConnections();
    await once(this.server.close(), 'close');
  }

  private async answer(request: IncomingMessage, response: ServerResponse) {
    const json = (status: number, body: object) => response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    if (request.url === '/orders/events') {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write(': open\n\n');
      this.listening.add(response);
      return request.on('close', () => this.listening.delete(response));
    }
    if (request.method === 'POST') {
      let body = '';
      for await (const chunk of request) body += chunk;
      const order = { ...JSON.parse(body), id: this.placed.length + 1, status: 'placed' };
      this.placed.push(order);
      for (const one of this.listening) one.write(`data: ${JSON.stringify(order)}\n\n`);
      return json(201, order);
    }
    if (request.method === 'DELETE') {
      const order = this.placed.find(({ id }) => request.url === `/orders/${id}`);
      if (!order) return json(404, {});
      order.status = 'cancelled';
      return json(200, order);
    }
    return json(200, this.placed);
  }
}

const routes = [
  { methods: 'GET', path: '/orders', scopes: 'orders:read', description: 'list your orders' },
  { methods: 'POST', path: '/orders', scopes: 'orders:write', description: 'place an order' },
  { methods: 'GET', path: '/orders/events', scopes: 'orders:read', description: 'changes to your orders' },
  { methods: 'DELETE', path: '/orders/{id}', scopes: 'orders:write', description: 'cancel an order' },
];

const test = base.extend<{}, { instance: Instance }>({
  instance: [
    async ({}, use) => {
      const orders = new Orders();
      const settings: Record<string, string> = {
        PIXYGATE_UPSTREAM__0__NAME: 'orders',
        PIXYGATE_UPSTREAM__0__PREFIX: '/gw/orders',
        PIXYGATE_UPSTREAM__0__TARGET: await orders.start(),
      };
      routes.forEach((route, place) => {
        for (const [key, value] of Object.entries(route)) settings[`PIXYGATE_UPSTREAM__0__ROUTE__${place}__${key.toUpperCase()}`] = value;
      });
      const instance = await Instance.start(settings);
      await use(instance);
      await instance.stop();
      await orders.stop();
    },
    { scope: 'worker' },
  ],
});

const admin = { name: 'admin', password: 'admin', shown: 'Ada Example' };

const service = (page: Page, name: string) => page.getByRole('region', { name, exact: true });
const tryIt = (page: Page, call: string) => page.getByRole('button', { name: `Try ${call}`, exact: true });
const route = (page: Page, call: string) => page.locator('.route').filter({ has: tryIt(page, call) });

async function opened(page: Page, call: string) {
  await tryIt(page, call).click();
  const form = page.getByRole('group', { name: `A call to try: ${call}`, exact: true });
  await expect(form).toBeVisible();
  return form;
}

async function noFaults(page: Page) {
  const { violations } = await new AxeBuilder({ page }).withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']).analyze();
  expect(violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.target.join(' ')).join(', ')}`)).toEqual([]);
}

test('The page says what each call requires and what is missing', async ({ page, instance }) => {
  await signIn(page, instance, bob);
  await page.goto('/services');
  const place = route(page, 'POST /gw/orders/orders');
  await expect(place).toContainText('Something is missing');
  await expect(place).toContainText('the scope orders:write you lack it');
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
  await form.getByRole('textbox', { name: 'Body' }).fill(body);
  const left = page.waitForRequest((request) => request.isNavigationRequest() && request.url().startsWith(instance.authorizationEndpoint));
  await form.getByRole('button', { name: 'Send' }).click();
  // The provider asks nothing: the user is signed in there, and has the permission.
  expect((await left).url()).toContain('orders%3Awrite');
  await expect(form.getByText(/^Answered with 201/)).toBeVisible();
  await expect(form.getByRole('textbox', { name: 'Body' }), 'what was typed').toHaveValue(body);
  await expect(form.locator('pre.body')).toContainText('"item": "Tea & “milk”"');
  await noFaults(page);

  // The list contains it, and the curl command contains no token.
  form = await opened(page, 'GET /gw/orders/orders');
  await form.getByRole('button', { name: 'Send' }).click();
  await expect(form.getByText(/^Answered with 200/)).toBeVisible();
  await expect(form.locator('pre.body')).toContainText('Tea & “milk”');
  await form.getByText('The same call with curl').click();
  const command = await form.locator('.curl pre').last().textContent();
  expect(command).toBe(`curl -i ${instance.url}/gw/orders/orders \\\n  -H "Authorization: Bearer $TOKEN"`);
  expect(await page.content()).not.toMatch(/eyJ[\w-]+\.[\w-]+\.[\w-]+/);

  // Sets the placeholder's value.
  form = await opened(page, 'DELETE /gw/orders/orders/{id}');
  await form.getByRole('button', { name: 'Send' }).click();
  await expect(form.getByRole('alert')).toContainText('Put a value in place of {id}');
  await expect(form.getByLabel('Path')).toBeFocused();
  await form.getByLabel('Path').fill('/orders/1');
  await form.getByRole('button', { name: 'Send' }).click();
  await expect(form.locator('pre.body')).toContainText('"status": "cancelled"');
});

test('A call that stays denied says why', async ({ page, instance }) => {
  await signIn(page, instance, bob);
  await page.goto('/services');
  const form = await opened(page, 'POST /gw/orders/orders');
  const body = '{"item":"Tea","quantity":1}';
  await form.getByRole('textbox', { name: 'Body' }).fill(body);
  await form.getByRole('button', { name: 'Send' }).click();
  // The provider does not grant the permission, so the second response is shown.
  await expect(form.getByText(/^Answered with 403/)).toBeVisible();
  const why = form.getByRole('region', { name: 'Denied' });
  await expect(why).toContainText('A permission is missing');
  await expect(form.getByRole('textbox', { name: 'Body' })).toHaveValue(body);
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
  await placing.getByRole('textbox', { name: 'Body' }).fill('{"item":"Live tea","quantity":1}');
  await placing.getByRole('button', { name: 'Send' }).click();
  await expect(placing.getByText(/^Answered with 201/)).toBeVisible();
  await expect(form.locator('pre.body')).toContainText('Live tea');
  await form.getByRole('button', { name: 'Stop' }).click();
  await expect(form.getByRole('button', { name: 'Stop' })).toHaveCount(0);
  await expect(form.locator('pre.body'), 'what came stays').toContainText('Live tea');
  await other.close();
});

test('A sign-in that is cancelled makes no call, and nothing that was typed is lost', async ({ page, instance }) => {
  await signIn(page, instance, alice);
  await page.goto('/services');
  const form = await opened(page, 'POST /api/confirm');
  await form.getByLabel('Kind of body').selectOption('application/json');
  await form.getByRole('textbox', { name: 'Body' }).fill('{"statement":"it is me"}');
  await page.route(`${instance.authorizationEndpoint}**`, (route) => {
    const asked = new URL(route.request().url()).searchParams;
    const back = new URL(asked.get('redirect_uri')!);
    back.search = String(new URLSearchParams({ error: 'access_denied', state: asked.get('state')!, iss: instance.issuer }));
    return route.fulfill({ status: 302, headers: { location: String(back) } });
  });
  // This one call requires a stronger sign-in.
  await page.route('**/api/confirm', (route) =>
    route.fulfill({
      status: 401,
      headers: { 'www-authenticate': 'Bearer error="insufficient_user_authentication", max_age="300"' },
      json: { error: 'insufficient_user_authentication', reason: 'insufficient_user_authentication', request_id: '4711' },
    }),
  );
  await form.getByRole('button', { name: 'Send' }).click();
  await expect(form.getByRole('heading', { name: 'The call was not made' })).toBeVisible();
  await expect(form.getByRole('textbox', { name: 'Body' })).toHaveValue('{"statement":"it is me"}');
  await expect(form.getByLabel('Kind of body')).toHaveValue('application/json');
});
