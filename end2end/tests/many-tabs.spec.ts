import { Instance } from '../instance.mjs';
import { alice, confirmation, ended, expect, hold, refreshed, show, signedIn, signedOut, signIn, signOutButton, test, verified } from './fixtures';
import { Control } from './control';
import { claimsOf } from './forge';

// The test's tokens have short lifetimes, and the tests wait for their expiry.
test.describe.configure({ timeout: 90_000 });

const TABS = 5;
const CALLS = 50;

test('Fifty calls at once in each of five tabs, whose token has expired, make one request for another', async ({ browser }) => {
  // A separate server, because its rate limit must allow this many calls of one user.
  const instance = await Instance.start({ PIXYGATE_GATE__RATE_LIMIT: '1000/s' });
  const control = new Control(instance.provider);
  const context = await browser.newContext({ baseURL: instance.url });
  try {
    let newest = '';
    context.on('response', async (response) => {
      if (response.url() === instance.tokenEndpoint && response.ok()) newest = (await response.json()).access_token ?? newest;
    });
    await control.set({ lifetimes: { access_token: 3 } });
    const tabs = await Promise.all(Array.from({ length: TABS }, () => context.newPage()));
    await signIn(tabs[0]!, instance, alice, '/account');
    for (const tab of tabs) {
      // The first tab is loaded already: a reload could lose a refresh that is in flight.
      if (tab !== tabs[0]) await tab.goto('/account');
      await expect(verified(tab)).toContainText(instance.issuer);
      await confirmation(tab).statement.fill('all at once');
      // A hidden tab does not refresh ahead.
      await show(tab, 'hidden');
    }
    await expect.poll(() => Date.now() / 1000 - Number(claimsOf(newest)['exp']), { timeout: 15_000 }).toBeGreaterThan(0);
    const stale = newest;
    await control.set({ lifetimes: { access_token: 3600 } });
    const before = await control.tokenRequests();

    let sent = 0;
    const answers: Promise<{ status: number; token: string | undefined }>[] = [];
    const calls = (url: string) => new URL(url).pathname === '/api/confirm';
    context.on('request', (request) => {
      if (calls(request.url())) sent += 1;
    });
    context.on('response', (response) => {
      if (!calls(response.url())) return;
      const token = response.request().allHeaders().then((headers) => headers['authorization']?.split(' ')[1]);
      answers.push(token.then((token) => ({ status: response.status(), token })));
    });
    // The first response is held until all calls need a token, so that none of them comes late.
    const { held } = await hold(context, instance.tokenEndpoint);
    // In one task, so that the page has no time to disable the button.
    const click = (button: HTMLElement, times: number) => {
      for (let time = 0; time < times; time += 1) button.click();
    };
    await Promise.all(tabs.map((tab) => confirmation(tab).button.evaluate(click, CALLS)));
    const route = await held;
    for (const tab of tabs) await expect(confirmation(tab).button).toBeDisabled();
    expect(sent, 'no call goes out with the old token').toBe(0);
    await route.continue();

    await expect.poll(() => answers.length, { timeout: 30_000 }).toBe(TABS * CALLS);
    const got = await Promise.all(answers);
    expect(got.filter(({ status }) => status !== 200)).toEqual([]);
    expect(newest).not.toBe(stale);
    expect(got.filter(({ token }) => token !== newest)).toEqual([]);
    for (const tab of tabs) await expect(confirmation(tab).done).toContainText('all at once');
    expect(sent).toBe(TABS * CALLS);
    expect((await control.tokenRequests()) - before, 'requests at the token endpoint').toBe(1);
  } finally {
    await context.close();
    await instance.stop();
  }
});

test('A rotated refresh token that is used again ends the session in every tab, which say why', async ({ page, context, instance, control }) => {
  await control.set({ lifetimes: { access_token: 8 } });
  const exchanged = page.waitForResponse(instance.tokenEndpoint, { timeout: 30_000 });
  await signIn(page, instance, alice, '/account');
  const { refresh_token: first } = await (await exchanged).json();
  await expect(verified(page)).toContainText(instance.issuer);
  const second = await context.newPage();
  await second.goto('/account');
  await expect(verified(second)).toContainText(instance.issuer);
  await confirmation(second).statement.fill('half a sentence');
  await show(second, 'hidden');
  const asked: string[] = [];
  second.on('request', (request) => request.url().startsWith(instance.provider) && asked.push(request.url()));

  const rotated = await refreshed(page);
  expect(rotated.status()).toBe(200);
  expect((await rotated.json()).refresh_token, 'rotated').not.toBe(first);
  for (const tab of [page, second]) await signedIn(tab);

  // As from a copy of the browser, or a tab that received no messages.
  await page.route(instance.tokenEndpoint, (route) => {
    const form = new URLSearchParams(route.request().postData() ?? '');
    form.set('refresh_token', first);
    return route.continue({ postData: form.toString() });
  });
  const refused = await refreshed(page);
  expect(refused.status()).toBe(400);
  expect(await refused.json()).toMatchObject({ error: 'invalid_grant' });
  for (const tab of [page, second]) {
    await expect(ended(tab)).toBeVisible();
    await signedOut(tab);
    await expect(verified(tab)).toBeHidden();
  }
  expect(asked, 'it heard of it').toEqual([]);
  // A tab that is opened now shows it as well.
  const third = await context.newPage();
  await third.goto('/account');
  await expect(ended(third)).toBeVisible();
});

test('A page that is closed while the revocation hangs has signed out all the same', async ({ page, context, instance, control }) => {
  await signIn(page, instance, alice, '/account');
  await control.set({ delay_ms: 60_000, delay_endpoints: ['revoke'] });
  const revoking = page.waitForRequest((request) => request.url().endsWith('/oauth2/revoke'));
  await signOutButton(page).click();
  await revoking;
  await expect(page.getByText('Signing out…')).toBeVisible();
  await page.close();
  const next = await context.newPage();
  await next.goto('/account');
  await signedOut(next);
  await expect(verified(next)).toBeHidden();
  await expect(ended(next)).toBeHidden();
});
