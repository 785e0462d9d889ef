import { createHash } from 'node:crypto';
import { mkdtemp } from 'node:fs/promises';
import { test } from '@playwright/test';
import { lemonldap } from './providers/lemonldap';
import { canaille } from './providers/canaille';
import { oidcProvider } from './providers/oidc-provider';
import { decoded } from './observed';

for (const [name, start, port] of [['llng', lemonldap, 4001], ['canaille', canaille, 4002], ['panva', oidcProvider, 4003]] as const)
  test(name, async ({ page, context }) => {
    const app = 'http://localhost:4999';
    const provider = await start({ port, app, folder: await mkdtemp('/tmp/interop-try/probe/') });
    try {
      const metadata = (await (await fetch(`${provider.issuer.replace(/\/$/, '')}/.well-known/openid-configuration`)).json()) as any;
      console.log(JSON.stringify(metadata));
      console.log(await (await fetch(metadata.jwks_uri)).text());
      await context.route((url) => url.port === '4999', (route) => route.fulfill({ body: '<h1>app</h1>', contentType: 'text/html' }));
      await context.route((url) => !['127.0.0.1', 'localhost'].includes(url.hostname), (route) => route.abort());
      const verifier = 'v'.repeat(50);
      const q = new URLSearchParams({ response_type: 'code', client_id: provider.clientId, redirect_uri: `${app}/callback`, scope: 'openid profile email', state: 's'.repeat(22), nonce: 'n'.repeat(22), code_challenge: createHash('sha256').update(verifier).digest('base64url'), code_challenge_method: 'S256' });
      await page.goto(`${metadata.authorization_endpoint}?${q}`);
      try { await provider.enter(page); await page.waitForURL(`${app}/callback**`); } catch (error) { console.log(page.url(), await page.locator('body').innerHTML()); throw error; }
      console.log(page.url());
      const code = new URL(page.url()).searchParams.get('code')!;
      const token = async (form: Record<string, string>) => page.evaluate(async ([url, body]) => { const r = await fetch(url!, { method: 'POST', body, headers: { 'content-type': 'application/x-www-form-urlencoded' } }); return { status: r.status, body: await r.json() }; }, [metadata.token_endpoint, new URLSearchParams(form).toString()]);
      const first = await token({ grant_type: 'authorization_code', client_id: provider.clientId, code, redirect_uri: `${app}/callback`, code_verifier: verifier });
      console.log(JSON.stringify(first), JSON.stringify(decoded(first.body.id_token)), JSON.stringify(decoded(first.body.access_token)));
      const again = await token({ grant_type: 'refresh_token', client_id: provider.clientId, refresh_token: first.body.refresh_token });
      console.log('REFRESH', JSON.stringify(again), JSON.stringify(decoded(again.body.access_token)));
      const there = await context.newPage();
      await provider.end(there);
      console.log('END', there.url(), (await there.locator('body').innerText()).slice(0, 500));
      const last = await token({ grant_type: 'refresh_token', client_id: provider.clientId, refresh_token: again.body.refresh_token ?? first.body.refresh_token });
      console.log('AFTER', JSON.stringify(last));
      await page.goto(`${metadata.authorization_endpoint}?${q}`);
      await provider.enter(page); await page.waitForURL(`${app}/callback**`);
      const code2 = new URL(page.url()).searchParams.get('code')!;
      const second = await token({ grant_type: 'authorization_code', client_id: provider.clientId, code: code2, redirect_uri: `${app}/callback`, code_verifier: verifier });
      await page.goto(`${metadata.end_session_endpoint}?${new URLSearchParams({ id_token_hint: second.body.id_token, client_id: provider.clientId, post_logout_redirect_uri: `${app}/` })}`);
      try { await provider.leave?.(page); await page.waitForURL(`${app}/`); } catch (error) { console.log(page.url(), await page.locator('body').innerHTML()); throw error; }
    } finally {
      await provider.stop();
    }
  });
