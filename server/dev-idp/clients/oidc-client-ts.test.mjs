// oidc-client-ts in a browser, unmodified.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch, open as openPage, serve, signIn } from './browser.mjs';
import { start } from './provider.mjs';

let app, provider, browser;

before(async () => {
  app = await serve('node_modules/oidc-client-ts/dist/browser/oidc-client-ts.min.js');
  [provider, browser] = await Promise.all([start(app.redirectUri), launch()]);
});
after(async () => {
  await browser.close();
  provider.stop();
  app.stop();
});

const script = (more = '') => `
  var manager = new oidc.UserManager({
    authority: '${provider.issuer}',
    client_id: 'pixygate',
    redirect_uri: '${app.redirectUri}',
    post_logout_redirect_uri: '${app.home}',
    scope: 'openid profile email',
    ${more}
  });`;

const open = (more) => openPage(browser, app, script(more));

const leave = async (page, call) => {
  await page.evaluate(`${call}.catch((error) => { document.title = error.message; }); 0`);
};

async function signedIn(page, name = 'alice') {
  await leave(page, 'manager.signinRedirect()');
  await page.waitForURL(/\/signin\//);
  await signIn(page, name);
  await page.waitForURL(/\/callback\?/);
  return page.evaluate('manager.signinCallback()');
}

test('a wrong password is refused, the right one signs in; refresh; reuse refused; sign-out', async () => {
  const page = await open();
  await leave(page, 'manager.signinRedirect()');
  await page.waitForURL(/\/signin\//);
  await signIn(page, 'alice', 'wrong');
  await page.getByRole('alert').waitFor();
  assert.equal(await page.getByLabel('Username').inputValue(), 'alice');
  await signIn(page, 'alice');
  await page.waitForURL(/\/callback\?/);
  const user = await page.evaluate('manager.signinCallback()');
  assert.equal(user.profile.name, 'Alice Example');

  const refreshed = await page.evaluate('manager.signinSilent()');
  assert.notEqual(refreshed.refresh_token, user.refresh_token);
  const reused = await page.evaluate(`manager.storeUser(new oidc.User(${JSON.stringify(user)}))
    .then(() => manager.signinSilent()).then(() => 'accepted', (error) => error.error)`);
  assert.equal(reused, 'invalid_grant');

  await page.evaluate(`manager.storeUser(new oidc.User(${JSON.stringify(refreshed)}))`);
  await leave(page, 'manager.signoutRedirect()');
  await page.waitForURL((url) => url.origin === app.origin && url.pathname === '/');
  await leave(page, 'manager.signinRedirect()');
  await page.waitForURL(/\/signin\//);
});

test('cancel comes back as access_denied', async () => {
  const page = await open();
  await leave(page, 'manager.signinRedirect()');
  await page.getByRole('button', { name: 'Cancel' }).click();
  await page.waitForURL(/\/callback\?/);
  const error = await page.evaluate(`manager.signinCallback().catch((error) => error.error)`);
  assert.equal(error, 'access_denied');
});

test('DPoP with a key of the browser, nonce asked for', async () => {
  await provider.control('PATCH', 'switches', { require_dpop_nonce: true });
  const page = await open(`dpop: { bind_authorization_code: true, store: new oidc.IndexedDbDPoPStore() },`);
  const user = await signedIn(page);
  assert.equal(user.token_type, 'DPoP');
  const refreshed = await page.evaluate('manager.signinSilent()');
  assert.equal(refreshed.token_type, 'DPoP');
  await provider.control('PATCH', 'switches', { require_dpop_nonce: false });
});

test('userinfo over CORS, and nothing for a foreign origin', async () => {
  const page = await open('loadUserInfo: true,');
  const user = await signedIn(page, 'bob');
  assert.equal(user.profile.email, 'bob@example.com');
  const foreign = await (await browser.newContext()).newPage();
  await foreign.route('http://localhost:4000/**', (route) => route.fulfill({ contentType: 'text/html', body: 'x' }));
  await foreign.goto('http://localhost:4000/');
  const call = (url) => foreign.evaluate((it) => fetch(it).then((r) => r.status, (error) => error.name), url);
  assert.equal(await call(`${provider.base}/oauth2/jwks`), 'TypeError');
  assert.equal(await page.evaluate((it) => fetch(it).then((r) => r.status), `${provider.base}/oauth2/jwks`), 200);
});

test('the login page works without scripts, from the keyboard alone, and loads nothing from elsewhere', async () => {
  const page = await open();
  await leave(page, 'manager.signinRedirect()');
  await page.waitForURL(/\/signin\//);
  const context = await browser.newContext({
    javaScriptEnabled: false,
    storageState: await page.context().storageState(),
    viewport: { width: 320, height: 640 },
  });
  const bare = await context.newPage();
  const elsewhere = [];
  bare.on('request', (request) => request.url().startsWith(provider.origin) || elsewhere.push(request.url()));
  await bare.goto(page.url());
  await bare.locator('#username:focus').waitFor();
  await bare.keyboard.type('alice');
  await bare.keyboard.press('Tab');
  await bare.keyboard.type('alice');
  assert.deepEqual(elsewhere, []);
  await bare.keyboard.press('Enter');
  await bare.waitForURL(/\/callback\?code=/);
  await bare.goto(`${provider.origin}/`);
  await bare.getByRole('heading', { name: 'Control page' }).waitFor();
  await bare.getByLabel('Opaque access tokens').check();
  await bare.getByRole('button', { name: 'Turn the switches' }).click();
  await bare.waitForURL(`${provider.origin}/`);
  assert.equal((await provider.control('GET', 'switches')).opaque_access_tokens, true);
  await bare.getByRole('button', { name: 'Put everything back' }).click();
  await bare.waitForURL(`${provider.origin}/`);
  assert.equal((await provider.control('GET', 'switches')).opaque_access_tokens, false);
});
