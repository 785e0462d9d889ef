import { test as base, expect, type BrowserContext, type Page, type Request, type Route } from '@playwright/test';
import { Instance } from '../instance.mjs';
import { Control } from './control';
import { claimsOf } from './forge';

export { expect };

/** Faults that no page may have; checked after every test. */
class Watch {
  /** Hosts that a test may contact. */
  readonly expected = new Set<string>();
  private readonly faults: string[] = [];

  constructor(context: BrowserContext, instance: Instance) {
    for (const url of [instance.url, instance.provider]) this.expected.add(new URL(url).host);
    context.on('request', (request) => {
      const url = new URL(request.url());
      if (url.protocol.startsWith('http') && !this.expected.has(url.host)) this.faults.push(`a request to ${url.host}`);
    });
    context.on('console', (message) => {
      if (message.type() === 'warning' || /content security policy|refused to|panicked|hydration/i.test(message.text())) this.faults.push(message.text());
    });
    // Firefox also reports blocked requests here.
    context.on('weberror', (error) => {
      const fault = String(error.error());
      if (!fault.includes('Cross-Origin Request Blocked')) this.faults.push(fault);
    });
  }

  /** The faults so far, for a test that causes them on purpose. */
  take() {
    return this.faults.splice(0);
  }

  check() {
    expect(this.faults, 'requests to other hosts, violations of the CSP, panics, script errors, warnings').toEqual([]);
  }
}

export const test = base.extend<
  { control: Control; watch: Watch },
  { instance: Instance }
>({
  instance: [
    async ({}, use) => {
      const instance = await Instance.start();
      await use(instance);
      await instance.stop();
    },
    { scope: 'worker' },
  ],
  baseURL: async ({ instance }, use) => use(instance.url),
  control: [
    async ({ instance }, use) => {
      const control = new Control(instance.provider);
      await use(control);
      await control.reset();
    },
    { auto: true },
  ],
  watch: [
    async ({ context, instance }, use) => {
      const watch = new Watch(context, instance);
      await use(watch);
      watch.check();
    },
    { auto: true },
  ],
});

export const alice = { name: 'alice', password: 'alice', shown: 'Alice Example' };
export const bob = { name: 'bob', password: 'bob', shown: 'Bob Example' };

/** The first sign-in button or link of the page, which is the header's if it has one. */
export const signInButton = (page: Page) =>
  page.getByRole('button', { name: 'Sign in', exact: true }).or(page.getByRole('link', { name: 'Sign in', exact: true })).first();

export const signOutButton = (page: Page) =>
  page.getByRole('button', { name: 'Sign out', exact: true }).or(page.getByRole('link', { name: 'Sign out', exact: true })).first();

export const problem = (page: Page) => page.getByRole('alert').and(page.locator('.notice[data-kind=error]'));

/** The page shows this title, and a next step. */
export async function explained(page: Page, title: string, about: string | RegExp = /./) {
  await expect(problem(page).getByRole('heading')).toHaveText(title);
  await expect(problem(page)).toContainText(about);
  await expect(problem(page).getByRole('link', { name: 'Sign in', exact: true })).toBeVisible();
  await expect(problem(page).getByRole('link', { name: 'To the start page', exact: true })).toBeVisible();
}

export const who = (page: Page) => page.getByRole('banner').locator('.who');

/** The account page's view of the server's response. */
export const verified = (page: Page) => page.getByRole('region', { name: 'What the server verified' }).locator('dl.facts');

/** The form of the account page that requires a recent sign-in. */
export const confirmation = (page: Page) => ({
  statement: page.getByLabel('What you confirm'),
  button: page.getByRole('button', { name: 'Confirm', exact: true }),
  done: page.getByRole('status').filter({ hasText: 'Confirmed:' }),
});

/** The page's text after the provider has ended the session. */
export const ended = (page: Page) => page.getByRole('main').getByRole('alert').filter({ hasText: 'Your session has ended' });

/** The provider's sign-in page. */
export const login = (page: Page) => ({
  name: page.getByLabel(/name/i).first(),
  password: page.getByLabel(/password/i).first(),
  submit: page.getByRole('button', { name: /sign in|continue|log in/i }).first(),
});

export async function atProvider(page: Page, instance: Instance) {
  await page.waitForURL((url) => url.origin === instance.provider);
}

/** Fills in the provider's page. */
export async function enter(page: Page, person: { name: string; password: string }) {
  const { name, password, submit } = login(page);
  await name.fill(person.name);
  await password.fill(person.password);
  await submit.click();
}

/** Signs in from a page with a **Sign in**. */
export async function signIn(page: Page, instance: Instance, person = alice, from = '/') {
  await page.goto(from);
  await signInButton(page).click();
  await atProvider(page, instance);
  await enter(page, person);
  await signedIn(page, person);
}

export async function signedIn(page: Page, person = alice) {
  await expect(who(page)).toContainText(person.shown);
  // Until the session is read, the name is a placeholder and the button is disabled.
  await expect(signOutButton(page)).toBeEnabled();
}

export async function signedOut(page: Page) {
  await expect(signInButton(page)).toBeVisible();
  await expect(signOutButton(page)).toBeHidden();
}

/** Signs out, up to the page to which the provider redirects. The page before it already says "signed out", perhaps at the same address. */
export async function signOut(page: Page, instance: Instance) {
  await page.evaluate(() => Object.assign(window, { before: true }));
  await signOutButton(page).click();
  const back = (home: string) => location.href === home && !('before' in window);
  // Between two pages there is no page to evaluate in.
  await expect.poll(() => page.evaluate(back, `${instance.url}/`).catch(() => false), { timeout: 20_000 }).toBe(true);
  await signedOut(page);
}

/** A token request. */
export const isRefresh = (request: Request) => request.postData()?.includes('grant_type=refresh_token') ?? false;

/** The response to the next token request. It is sent when a token is due, not at once. */
export const refreshed = (page: Page) => page.waitForResponse((response) => isRefresh(response.request()), { timeout: 30_000 });

/** Signs in with a lifetime so short that a refresh is due at once, and leaves before it: a response to a page that is being left would
 * lose the new refresh token. Returns the `exp` of the access token. */
export async function signInAndLeave(page: Page, instance: Instance, control: Control) {
  await control.set({ lifetimes: { access_token: 2 } });
  await page.route(instance.tokenEndpoint, (route) => (isRefresh(route.request()) ? route.abort() : route.fallback()));
  // With the timeout of a whole sign-in.
  const exchanged = page.waitForResponse((response) => response.url() === instance.tokenEndpoint && response.ok(), { timeout: 30_000 });
  await signIn(page, instance);
  const { access_token } = await (await exchanged).json();
  await page.goto('about:blank');
  await page.unroute(instance.tokenEndpoint);
  return Number(claimsOf(access_token)['exp']);
}

/** Holds the next request to an address, until the test releases it. */
export async function hold(on: Page | BrowserContext, url: string | RegExp) {
  let take!: (route: Route) => void;
  const held = new Promise<Route>((resolve) => (take = resolve));
  await on.route(url, take, { times: 1 });
  return { held };
}

/** From now on the pages get these data of client and provider, instead of the server's. */
export const asIf = (page: Page, change: (client: Record<string, unknown>) => object) =>
  page.addInitScript(`document.addEventListener('readystatechange', () => {
    const data = document.getElementById('pixygate-client');
    if (document.readyState === 'interactive' && data) data.textContent = JSON.stringify((${change})(JSON.parse(data.textContent)));
  })`);

/** Headless browsers never hide a tab, so an event simulates it. */
export const show = (page: Page, state: 'hidden' | 'visible') =>
  page.evaluate((state) => {
    Object.defineProperty(document, 'visibilityState', { configurable: true, get: () => state });
    document.dispatchEvent(new Event('visibilitychange'));
  }, state);

/** The page works: its scripts run, and the stored session was read. */
export async function settled(page: Page) {
  await expect
    .poll(() => page.evaluate(async () => (await indexedDB.databases()).some(({ name }) => name === 'pixygate')))
    .toBe(true);
}

/** Waits until a token with the given `exp` has expired. In real time, because the server's clock cannot be set. */
export async function expired(exp: number) {
  await expect.poll(() => Date.now() / 1000, { timeout: 15_000, intervals: [100] }).toBeGreaterThan(exp);
}
