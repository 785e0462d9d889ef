import type { Page } from '@playwright/test';
import type { Instance } from '../instance.mjs';
import { alice, asIf, atProvider, enter, expect, expired, explained, hold, problem, signedIn, signedOut, signIn, signInAndLeave, signInButton, test, verified } from './fixtures';

async function toLogin(page: Page, origin: { provider: string }, from = '/') {
  await page.goto(from);
  await signInButton(page).click();
  await page.waitForURL((url) => url.origin === origin.provider);
}

test.describe('Wrong turns end on a page that says what happened', () => {
  test('access denied: Cancel at the provider', async ({ page, instance }) => {
    await toLogin(page, instance, '/account?tab=1');
    await page.getByRole('button', { name: /cancel/i }).or(page.getByRole('link', { name: /cancel/i })).click();
    await explained(page, 'Sign-in was cancelled');
    await signedOut(page);
    // Another attempt leads to the page that the user wanted.
    await problem(page).getByText('Sign in', { exact: true }).click();
    await atProvider(page, instance);
    await enter(page, alice);
    await signedIn(page);
    await expect(page).toHaveURL('/account?tab=1');
  });

  test('the provider goes down before the code is exchanged', async ({ page, instance, control }) => {
    await toLogin(page, instance);
    await control.set({ down_endpoints: ['token'] });
    await enter(page, alice);
    await explained(page, 'The sign-in service does not answer');
    await control.calm();
    await problem(page).getByText('Sign in', { exact: true }).click();
    await signedIn(page);
  });

  test('the network fails when the code is exchanged', async ({ page, instance }) => {
    await toLogin(page, instance);
    await page.route(instance.tokenEndpoint, (route) => route.abort('connectionrefused'));
    await enter(page, alice);
    await explained(page, 'The sign-in service does not answer');
    await page.unroute(instance.tokenEndpoint);
    await problem(page).getByText('Sign in', { exact: true }).click();
    await signedIn(page);
  });

  test('the provider is down when someone wants to sign in', async ({ page, instance }) => {
    await page.goto('/account');
    await signedOut(page);
    // No server listens there any more.
    const provider = `${instance.provider}/**`;
    await page.route(provider, (route) => route.abort('connectionrefused'));
    await signInButton(page).click();
    await explained(page, 'The sign-in service does not answer');
    await page.unroute(provider);
    await problem(page).getByText('Sign in', { exact: true }).click();
    await atProvider(page, instance);
    await enter(page, alice);
    await signedIn(page);
  });

  test('the provider is down: whoever is signed in stays so', async ({ page, instance, control }) => {
    await signIn(page, instance);
    await control.set({ down: true });
    await page.goto('/account');
    await signedIn(page);
    await expect(verified(page)).toContainText(instance.issuer);
  });

  test('the provider is down when the token has to be replaced: whoever is signed in stays so', async ({ page, instance, control }) => {
    const exp = await signInAndLeave(page, instance, control);
    await control.set({ down: true });
    await expired(exp);
    const asked: string[] = [];
    page.on('request', (request) => request.url() === instance.tokenEndpoint && asked.push(request.method()));
    await page.goto('/account');
    await expect(problem(page).getByRole('button', { name: 'Try again' }).first()).toBeVisible();
    await signedIn(page);
    expect(asked, 'a refresh was tried').toContain('POST');
    await control.calm();
    await page.reload();
    await signedIn(page);
    await expect(verified(page)).toContainText(instance.issuer);
  });

  test('a refused refresh ends the session and says so', async ({ page, instance, control }) => {
    const exp = await signInAndLeave(page, instance, control);
    await control.set({ token_error: 'invalid_grant' });
    await expired(exp);
    await page.goto('/account?tab=1');
    await signedOut(page);
    await control.calm();
    await page.getByRole('main').getByText('Sign in', { exact: true }).click();
    await signedIn(page);
    await expect(page).toHaveURL('/account?tab=1');
  });

  test('a callback that nobody asked for', async ({ page, instance }) => {
    const exchanged: string[] = [];
    page.on('request', (request) => request.url() === instance.tokenEndpoint && exchanged.push(request.url()));
    await page.goto(`/callback?code=attacker&state=${'A'.repeat(43)}&iss=${encodeURIComponent(instance.issuer)}`);
    await explained(page, 'This sign-in is over');
    await signedOut(page);
    expect(exchanged).toEqual([]);
  });

  test('a callback that nobody asked for leaves a running session as it is', async ({ page, instance }) => {
    await signIn(page, instance);
    await page.goto(`/callback?code=attacker&state=${'A'.repeat(43)}&iss=${encodeURIComponent(instance.issuer)}`);
    await signedIn(page);
    await expect(page).toHaveURL('/');
    await expect(problem(page)).toBeHidden();
  });

  test('the callback, reloaded while the code is on its way: it is used once, and starting again gets in', async ({ page, instance }) => {
    await toLogin(page, instance);
    const exchanged: string[] = [];
    page.on('request', (request) => request.url() === instance.tokenEndpoint && exchanged.push(request.method()));
    const { held } = await hold(page, instance.tokenEndpoint);
    await enter(page, alice);
    await held;
    await expect(page).toHaveURL('/callback');
    await page.reload();
    await explained(page, 'This sign-in is over');
    await signedOut(page);
    expect(exchanged).toEqual(['POST']);
    await problem(page).getByText('Sign in', { exact: true }).click();
    // The session at the provider is still open, so it asks for no password.
    await signedIn(page);
  });

  test('the callback, opened without a query by someone who is signed in: they land on the start page', async ({ page, instance }) => {
    await signIn(page, instance, alice, '/account');
    await page.goto('/callback');
    await expect(page).toHaveURL('/');
    await signedIn(page);
    await expect(problem(page)).toBeHidden();
  });

  test('the callback, bookmarked: opened when signed in and when signed out', async ({ page, context, instance }) => {
    let bookmark = '';
    page.on('request', (request) => {
      if (request.isNavigationRequest() && request.url().startsWith(`${instance.url}/callback?`)) bookmark = request.url();
    });
    await signIn(page, instance);
    const second = await context.newPage();
    await second.goto(bookmark);
    await signedIn(second);
    await expect(problem(second)).toBeHidden();
    expect(second.url()).not.toContain('code=');

    await context.clearCookies();
    await second.evaluate(async () => {
      for (const { name } of await indexedDB.databases()) indexedDB.deleteDatabase(name!);
    });
    await page.close();
    await second.close();
    const third = await context.newPage();
    await third.goto(bookmark);
    await explained(third, 'This sign-in is over');
    await problem(third).getByText('Sign in', { exact: true }).click();
    await atProvider(third, instance);
    await enter(third, alice);
    await signedIn(third);
  });

  test('the back button after sign-in is no dead end', async ({ page, instance }) => {
    await signIn(page, instance, alice, '/account');
    // The provider's page, which it has answered already; in front of it is the page that the user started from.
    await page.goBack();
    expect(new URL(page.url()).origin).toBe(instance.provider);
    await page.goBack();
    await expect(page).toHaveURL('/account');
    await signedIn(page);
    await expect(verified(page)).toContainText(instance.issuer);
    await expect(problem(page)).toBeHidden();
  });

  test('the back button from the provider', async ({ page, instance }) => {
    await toLogin(page, instance);
    await page.goBack();
    expect(new URL(page.url()).origin).toBe(instance.url);
    await expect(signInButton(page)).toBeEnabled();
    await signInButton(page).click();
    await atProvider(page, instance);
    await enter(page, alice);
    await signedIn(page);
  });

  test('two sign-ins in two tabs do not get into each other’s way', async ({ page, context, instance }) => {
    const second = await context.newPage();
    await toLogin(page, instance, '/account?tab=first');
    await toLogin(second, instance, '/account?tab=second');
    await enter(page, alice);
    await signedIn(page);
    await expect(page).toHaveURL('/account?tab=first');
    await enter(second, alice);
    await signedIn(second);
    await expect(second).toHaveURL('/account?tab=second');
  });

  test.describe('at a provider that wants the request pushed', () => {
    const endpoint = (instance: Instance) => `${instance.tenant}/oauth2/par`;

    /** The parameters in the URL of the provider's sign-in page. */
    function taken(page: Page, instance: Instance) {
      const queries: string[][] = [];
      page.on('request', (request) => {
        if (request.url().startsWith(instance.authorizationEndpoint)) queries.push([...new URL(request.url()).searchParams.keys()].sort());
      });
      return queries;
    }

    const pushed = ['client_id', 'request_uri'];

    test.beforeEach(({ page }) =>
      asIf(page, (client) => ({
        ...client,
        provider: { ...(client['provider'] as object), require_pushed_authorization_requests: true },
      })),
    );

    test('it is, and the sign-in works', async ({ page, instance }) => {
      const queries = taken(page, instance);
      await signIn(page, instance, alice, '/account?tab=1');
      await expect(page).toHaveURL('/account?tab=1');
      expect(queries).toEqual([pushed]);
    });

    test('and cannot take it, the page says so', async ({ page, instance, control }) => {
      const queries = taken(page, instance);
      await control.set({ down_endpoints: ['par'] });
      await page.goto('/');
      await signInButton(page).click();
      await explained(page, 'The sign-in service does not answer');
      expect(queries, 'nobody is sent there without it').toEqual([]);
      await control.calm();
      await problem(page).getByText('Sign in', { exact: true }).click();
      await atProvider(page, instance);
      expect(queries).toEqual([pushed]);
    });

    test('but not from this site, the page says whose matter that is', async ({ page, instance }) => {
      const queries = taken(page, instance);
      // The browser's error for a response without CORS headers.
      await page.route(endpoint(instance), (route) => (route.request().method() === 'POST' ? route.abort() : route.fallback()));
      await page.goto('/');
      await signInButton(page).click();
      await explained(page, 'The sign-in service does not talk to this site', /par/);
      expect(queries).toEqual([]);
    });

    test('and refuses it, the page says what it said', async ({ page, instance }) => {
      const queries = taken(page, instance);
      await page.route(endpoint(instance), async (route) => {
        const response = await route.fetch();
        await route.fulfill({ response, status: 400, json: { error: 'invalid_client', error_description: 'Nobody knows this client' } });
      });
      await page.goto('/');
      await signInButton(page).click();
      await explained(page, 'Signing in did not succeed', /invalid_client/);
      expect(queries).toEqual([]);
    });
  });

  const attacks = [
    '//attacker.example',
    'https://attacker.example/',
    'javascript:alert(1)',
    '/\\attacker.example',
    // As text, these are paths of this origin; browsers interpret them otherwise.
    '/.//attacker.example',
    '/a/..//attacker.example',
    '/%2e//attacker.example',
  ];
  for (const target of attacks) {
    test(`nobody is sent to ${target}`, async ({ page, instance }) => {
      const errors: Error[] = [];
      page.on('pageerror', (error) => errors.push(error));
      await page.goto(`/callback?return_to=${encodeURIComponent(target)}`);
      await expect(problem(page).or(signInButton(page)).first()).toBeVisible();
      await page.goto(`/sign-in?return_to=${encodeURIComponent(target)}`);
      await atProvider(page, instance);
      await enter(page, alice);
      await signedIn(page);
      await expect(page).toHaveURL('/');
      // A signed-in user is redirected at once, without the provider.
      await page.goto(`/sign-in?return_to=${encodeURIComponent(target)}`);
      await expect(page).toHaveURL('/');
      await signedIn(page);
      expect(errors).toEqual([]);
    });
  }

  test('a path of this site is where the link to the sign-in leads', async ({ page, instance }) => {
    const link = `/sign-in?return_to=${encodeURIComponent('/account?tab=a.b#top')}`;
    await page.goto(link);
    await atProvider(page, instance);
    await enter(page, alice);
    await signedIn(page);
    await expect(page).toHaveURL('/account?tab=a.b#top');
    await page.goto(link);
    await expect(page).toHaveURL('/account?tab=a.b#top');
    await signedIn(page);
  });
});
