import type { Page, Request } from '@playwright/test';
import type { Instance } from '../instance.mjs';
import { alice, atProvider, enter, expect, explained, problem, signedIn, signedOut, signIn, signInButton, test } from './fixtures';
import { forgeIdTokens, halfHash, type Forgery } from './forge';

/** Goes through the login page, and changes the callback's query. */
async function callbackWith(page: Page, instance: Instance, change: (query: URLSearchParams) => void) {
  // The provider's response to the login form redirects to the callback; the redirect itself cannot be intercepted.
  await page.route(`${instance.tenant}/**`, async (route) => {
    if (!route.request().isNavigationRequest() || route.request().method() !== 'POST') return route.fallback();
    const response = await route.fetch({ maxRedirects: 0 });
    const location = new URL(response.headers()['location'] ?? '/', instance.url);
    expect(location.href).toContain(`${instance.url}/callback?`);
    change(location.searchParams);
    await route.fulfill({ response, headers: { ...response.headers(), location: location.href } });
  });
  await page.goto('/');
  await signInButton(page).click();
  await atProvider(page, instance);
  await enter(page, alice);
}

/** The response was not used, and no user is signed in. */
async function refused(page: Page, about: RegExp, title = 'This sign-in was stopped') {
  await explained(page, title, about);
  await signedOut(page);
  expect(new URL(page.url()).search, 'the query stays in the address').not.toMatch(/code|state/);
}

test.describe('The callback', () => {
  test('exchanges the code in the browser, once, and never on the server', async ({ page, instance, control }) => {
    const exchanges: Request[] = [];
    page.on('request', (request) => {
      if (request.url() === instance.tokenEndpoint && request.method() === 'POST') exchanges.push(request);
    });
    await signIn(page, instance);
    expect(exchanges).toHaveLength(1);
    expect((await exchanges[0]!.allHeaders())['origin']).toBe(instance.url);
    const form = new URLSearchParams(exchanges[0]!.postData() ?? '');
    expect(form.get('grant_type')).toBe('authorization_code');
    expect(form.get('code_verifier')).toMatch(/^[\w.~-]{43,128}$/);
    expect(form.has('client_secret')).toBe(false);
    expect(await control.tokenRequests(), 'requests that the provider saw').toBe(1);
  });

  test('takes the code out of the address bar and the history', async ({ page, instance }) => {
    let callback = '';
    page.on('request', (request) => {
      if (request.isNavigationRequest() && request.url().startsWith(`${instance.url}/callback?`)) callback = request.url();
    });
    let during = '';
    await page.route(instance.tokenEndpoint, async (route) => {
      during = await page.evaluate(() => location.href);
      await route.continue();
    });
    await signIn(page, instance);
    const code = new URL(callback).searchParams.get('code')!;
    expect(code.length).toBeGreaterThan(8);
    expect(during, 'gone before anything else is done').toBe(`${instance.url}/callback`);
    expect(page.url()).not.toContain(code);
    const history = await page.evaluate(() =>
      (globalThis as unknown as { navigation: { entries(): { url: string }[] } }).navigation.entries().map((entry) => entry.url),
    );
    expect(history.length).toBeGreaterThan(0);
    expect(history.join('\n')).not.toContain(code);
    expect(history, 'the back button does not lead to the callback').not.toContain(`${instance.url}/callback`);
  });

  test('leads to where the person was going', async ({ page, instance }) => {
    await signIn(page, instance, alice, '/account?tab=1&of=2');
    await expect(page).toHaveURL('/account?tab=1&of=2');
  });

  for (const [name, change, about, title] of [
    ['another state', (query) => query.set('state', 'A'.repeat(43)), /completed before/, 'This sign-in is over'],
    ['no state', (query) => query.delete('state'), /`state`/],
    ['another iss', (query) => query.set('iss', 'https://attacker.example'), /`iss`/],
    ['no iss, which the provider announces', (query) => query.delete('iss'), /`iss`/],
    ['the state twice', (query) => query.append('state', query.get('state')!), /more than once/],
  ] satisfies [string, (query: URLSearchParams) => void, RegExp, string?][]) {
    test(`is refused with ${name}`, async ({ page, instance }) => {
      const exchanged: string[] = [];
      page.on('request', (request) => request.url() === instance.tokenEndpoint && exchanged.push(request.method()));
      await callbackWith(page, instance, change);
      await refused(page, about, title);
      expect(exchanged, 'the code must not be exchanged').toEqual([]);
    });
  }

  test('that is refused can be started again, and works', async ({ page, instance }) => {
    await callbackWith(page, instance, (query) => query.set('state', 'A'.repeat(43)));
    await expect(problem(page)).toBeVisible();
    await problem(page).getByText('Sign in', { exact: true }).click();
    // The session at the provider is still open, so it asks for no password.
    await signedIn(page);
  });
});

test.describe('The ID token', () => {
  const now = () => Math.floor(Date.now() / 1000);

  async function signInWith(page: Page, instance: Instance, forgery: Forgery) {
    await forgeIdTokens(page, instance, forgery);
    await page.goto('/');
    await signInButton(page).click();
    await atProvider(page, instance);
    await enter(page, alice);
  }

  test('is accepted when a forgery has no defect, so the refusals below are about the defect', async ({ page, instance }) => {
    await signInWith(page, instance, {});
    await signedIn(page);
  });

  /** Each with the page's text about it, so that no other check can be the reason. */
  const defects: Record<string, Forgery & { about: RegExp }> = {
    'a signature by another key': { about: /signature does not verify/, stranger: true },
    'no signature (alg none)': {
      about: /signed with `none`/,
      header: (header) => ({ ...header, alg: 'none' }),
      token: (token) => `${token.slice(0, token.lastIndexOf('.'))}.`,
    },
    'a bit of the payload flipped': {
      about: /signature does not verify/,
      token: (token) => {
        const [header, payload, signature] = token.split('.') as [string, string, string];
        const claims = Buffer.from(payload, 'base64url').toString().replace('"sub":"', '"sub":"x');
        return [header, Buffer.from(claims).toString('base64url'), signature].join('.');
      },
    },
    'another issuer': { about: /`iss` is/, claims: (claims) => ({ ...claims, iss: `${claims['iss']}/` }) },
    'another audience': { about: /`aud` is/, claims: (claims) => ({ ...claims, aud: 'somebody-else' }) },
    'several audiences and another azp': {
      about: /`azp` is/,
      claims: (claims) => ({ ...claims, aud: ['pixygate', 'somebody-else'], azp: 'somebody-else' }),
    },
    'an azp of another client': { about: /`azp` is/, claims: (claims) => ({ ...claims, azp: 'somebody-else' }) },
    'an exp that has passed': { about: /`exp` is/, claims: (claims) => ({ ...claims, iat: now() - 7200, exp: now() - 3600 }) },
    'no exp': { about: /`exp` is absent/, claims: ({ exp: _, ...claims }) => claims },
    'another nonce': { about: /`nonce` is not/, claims: (claims) => ({ ...claims, nonce: 'another' }) },
    'no nonce': { about: /`nonce` is not/, claims: ({ nonce: _, ...claims }) => claims },
    'the at_hash of another access token': { about: /`at_hash` is not/, claims: (claims) => ({ ...claims, at_hash: halfHash('another') }) },
    'no sub': { about: /`sub` is absent/, claims: ({ sub: _, ...claims }) => claims },
  };

  for (const [defect, { about, ...forgery }] of Object.entries(defects)) {
    test(`is refused with ${defect}`, async ({ page, instance }) => {
      await signInWith(page, instance, forgery);
      await refused(page, about);
      await page.goto('/account');
      await signedOut(page);
    });
  }

  test('is refused when it is missing', async ({ page, instance }) => {
    await page.route(instance.tokenEndpoint, async (route) => {
      const response = await route.fetch();
      const { id_token: _, ...body } = await response.json();
      await route.fulfill({ response, json: body });
    });
    await page.goto('/');
    await signInButton(page).click();
    await atProvider(page, instance);
    await enter(page, alice);
    await refused(page, /no ID token/);
  });
});
