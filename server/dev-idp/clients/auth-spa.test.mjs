// @asgardeo/auth-spa in a browser, unmodified, configured with the base URL only.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch, open, serve, signIn } from './browser.mjs';
import { start } from './provider.mjs';

let app, provider, browser;

before(async () => {
  app = await serve('node_modules/@asgardeo/auth-spa/dist/asgardeo-spa.production.min.js');
  [provider, browser] = await Promise.all([start(app.redirectUri), launch()]);
});
after(async () => {
  await browser.close();
  provider.stop();
  app.stop();
});

const script = () => `
  var auth = AsgardeoAuth.AsgardeoSPAClient.getInstance();
  var ready = auth.initialize({
    baseUrl: '${provider.base}',
    clientID: 'pixygate',
    signInRedirectURL: '${app.redirectUri}',
    signOutRedirectURL: '${app.home}',
    scope: ['openid', 'profile', 'email'],
    storage: 'sessionStorage',
  });`;

test('sign in, refresh, userinfo, sign out, with baseUrl only', async () => {
  const page = await open(browser, app, script());
  await page.evaluate('ready.then(() => { auth.signIn(); return 0; })');
  await page.waitForURL(/\/signin\//);
  await signIn(page, 'alice');
  await page.waitForURL(/\/callback\?/);
  const info = await page.evaluate('ready.then(() => auth.signIn({ callOnlyOnRedirect: true }))');
  assert.equal(info.username, 'alice');
  assert.equal(info.displayName, 'alice');
  assert.ok(info.sessionState, 'the extra session_state is kept');

  const before = await page.evaluate('auth.getAccessToken()');
  await page.evaluate('auth.refreshAccessToken()');
  const after = await page.evaluate('auth.getAccessToken()');
  assert.notEqual(before, after);
  const decoded = await page.evaluate('auth.getDecodedIDToken()');
  assert.equal(decoded.iss, provider.issuer);
  assert.equal(await page.evaluate('auth.isAuthenticated()'), true);

  await page.evaluate('auth.signOut().catch(() => {}); 0');
  // The library sends its client_id and no hint, so the provider asks for confirmation.
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.waitForURL(`${app.home}?state=sign_out_success`);
  const sessions = await provider.control('GET', 'sessions');
  assert.deepEqual(sessions, []);
});

test('an issuer that is not the token endpoint is refused by the library', async () => {
  await provider.control('PATCH', 'switches', { id_token: { iss: provider.base } });
  const page = await open(browser, app, script());
  await page.evaluate('ready.then(() => { auth.signIn(); return 0; })');
  await page.waitForURL(/\/signin\//);
  await signIn(page, 'alice');
  await page.waitForURL(/\/callback\?/);
  const refused = await page.evaluate(
    `ready.then(() => auth.signIn({ callOnlyOnRedirect: true })).then(() => 'accepted', (error) => error.code ?? String(error))`);
  assert.notEqual(refused, 'accepted');
  await provider.control('PATCH', 'switches', { id_token: null });
});
