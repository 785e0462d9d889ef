import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { alice, confirmation, expect, problem, signedIn, signedOut, signIn, test, verified } from './fixtures';

test.describe('Nothing from elsewhere', () => {
  test('the policy names the provider and nobody else, and scripts need a nonce', async ({ request, instance }) => {
    const answers = await Promise.all([request.get('/'), request.get('/account'), request.get('/no-such-page')]);
    const nonces = new Set<string>();
    for (const answer of answers) {
      const headers = answer.headers();
      const policy = new Map(
        headers['content-security-policy']!.split(';').map((directive) => {
          const [name, ...sources] = directive.trim().split(/\s+/);
          return [name!, sources] as const;
        }),
      );
      expect(policy.get('default-src'), 'default-src').toEqual([expect.stringMatching(/^'(none|self)'$/)]);
      expect(policy.get('frame-ancestors')).toEqual(["'none'"]);
      expect(policy.get('object-src') ?? policy.get('default-src')).toEqual(["'none'"]);
      expect(policy.get('base-uri')).toEqual([expect.stringMatching(/^'(none|self)'$/)]);
      const scripts = policy.get('script-src')!;
      expect(scripts).toContain("'wasm-unsafe-eval'");
      for (const unsafe of ["'unsafe-inline'", "'unsafe-eval'", '*', 'https:', 'http:', 'data:']) expect(scripts).not.toContain(unsafe);
      nonces.add(scripts.find((source) => source.startsWith("'nonce-"))!);
      for (const [name, sources] of policy) {
        // Besides keywords in quotes: two origins, and `data:` for the images of the style sheet. No `*`, no bare scheme.
        const allowed = name === 'img-src' ? [instance.provider, instance.url, 'data:'] : [instance.provider, instance.url];
        for (const source of sources) if (!/^'.*'$/.test(source)) expect(allowed, name).toContain(source);
      }
      expect(headers['x-content-type-options']).toBe('nosniff');
      expect(headers['referrer-policy']).toMatch(/^(no-referrer|same-origin|strict-origin)/);
    }
    expect(nonces.size, 'a nonce is used once').toBe(answers.length);
  });

  test('the policy stops a script without its nonce, and a request to another host', async ({ page, watch }) => {
    // A host that exists, and allows every origin: without the policy the request succeeds.
    const elsewhere = createServer((_, response) => {
      response.setHeader('access-control-allow-origin', '*').end('here');
    }).listen(0, '127.0.0.1');
    await once(elsewhere, 'listening');
    const host = `http://127.0.0.1:${(elsewhere.address() as AddressInfo).port}/`;
    expect(await (await fetch(host)).text()).toBe('here');
    await page.goto('/');
    const outcome = await page.evaluate(async (host) => {
      const script = document.createElement('script');
      script.textContent = 'window.ran = true';
      document.head.append(script);
      const fetched = await fetch(host).then(() => 'fetched', () => 'stopped');
      return { ran: 'ran' in window, fetched };
    }, host);
    expect(outcome).toEqual({ ran: false, fetched: 'stopped' });
    // Both are reported, which the check in every other test relies on.
    // The browser reports some of them late.
    let faults = '';
    for (const directive of ['script-src', 'connect-src']) {
      await expect.poll(() => (faults += watch.take().join('\n'))).toContain(directive);
    }
    elsewhere.close();
  });

  for (const path of ['/', '/account', '/callback']) {
    test(`${path} framed by another site is refused`, async ({ page, instance, watch }) => {
      // A real server: Chromium treats a fulfilled response as one from a public address, which may not frame a local one.
      const framing = createServer((_, response) => {
        response.setHeader('content-type', 'text/html').end(`<iframe src="${instance.url}${path}"></iframe>`);
      }).listen(0, '127.0.0.1');
      await once(framing, 'listening');
      const { port } = framing.address() as AddressInfo;
      watch.expected.add(`127.0.0.1:${port}`);
      const framed = page.waitForResponse(instance.url + path);
      await page.goto(`http://127.0.0.1:${port}/`);
      expect((await framed).status()).toBe(200);
      const frame = page.frames().find((frame) => frame !== page.mainFrame())!;
      await expect.poll(() => frame.url()).toMatch(/^chrome-error:|^about:neterror/);
      await expect(page.frameLocator('iframe').getByRole('main')).toHaveCount(0);
      watch.take();
      framing.close();
    });
  }

  test('a message from elsewhere changes nothing: it makes the page look at most, and what is kept counts', async ({ page, context, instance, watch }) => {
    const messages = ['signed out', 'sign-out', { type: 'sign-out' }, { kind: 'SignedOut' }, { error: 'login_required' }, null, 'changed'];
    await signIn(page, instance, alice, '/account');
    await expect(verified(page)).toContainText(instance.issuer);
    const loaded: string[] = [];
    page.on('request', (request) => (request.isNavigationRequest() || request.method() === 'POST') && loaded.push(request.url()));

    // Another origin, which opened the page, with a channel of the same name.
    const elsewhere = createServer((_, response) => {
      response.setHeader('content-type', 'text/html').end('<title>Elsewhere</title>');
    }).listen(0, '127.0.0.1');
    await once(elsewhere, 'listening');
    const host = `127.0.0.1:${(elsewhere.address() as AddressInfo).port}`;
    watch.expected.add(host);
    const foreign = await context.newPage();
    await foreign.goto(`http://${host}/`);
    const opened = context.waitForEvent('page');
    await foreign.evaluate((url) => Object.assign(window, { opened: window.open(url) }), `${instance.url}/account`);
    const below = await opened;
    await expect(verified(below)).toContainText(instance.issuer);
    const reached = await foreign.evaluate((messages) => {
      const { opened } = window as unknown as { opened: Window };
      for (const message of messages) {
        opened.postMessage(message, '*');
        new BroadcastChannel('pixygate').postMessage(message);
      }
      return !opened.closed;
    }, messages);
    expect(reached, 'who opens the page is cut off from it').toBe(false);

    // The same messages as if the page were not cut off, and from a page of this site.
    const other = await context.newPage();
    await other.goto('/');
    await signedIn(other);
    const received = page.evaluate(
      (count) =>
        new Promise<void>((resolve) => {
          let seen = 0;
          new BroadcastChannel('pixygate').addEventListener('message', () => (seen += 1) === count && resolve());
        }),
      messages.length,
    );
    for (const tab of [page, below]) {
      await tab.evaluate((messages) => {
        for (const data of messages) window.dispatchEvent(new MessageEvent('message', { data, origin: 'https://attacker.example', source: window }));
      }, messages);
    }
    await other.evaluate((messages) => {
      const channel = new BroadcastChannel('pixygate');
      for (const message of messages) channel.postMessage(message);
    }, messages);
    await received;
    // A call uses the whole session, and comes after the effects of the messages.
    for (const tab of [page, below]) {
      await confirmation(tab).statement.fill('still here');
      await confirmation(tab).button.click();
      await expect(confirmation(tab).done).toContainText('still here');
      await signedIn(tab);
      await expect(problem(tab)).toBeHidden();
    }
    expect(loaded, 'no page was left, and nothing but the call was sent').toEqual([`${instance.url}/api/confirm`]);

    // The channel is the right one: when nothing is stored any more, one message is enough.
    await other.evaluate(
      () =>
        new Promise<void>((resolve, reject) => {
          const open = indexedDB.open('pixygate');
          open.onerror = () => reject(open.error);
          open.onsuccess = () => {
            const stores = [...open.result.objectStoreNames];
            const transaction = open.result.transaction(stores, 'readwrite');
            for (const store of stores) transaction.objectStore(store).clear();
            transaction.oncomplete = () => resolve(open.result.close());
          };
        }),
    );
    await signedIn(page);
    await other.evaluate(() => new BroadcastChannel('pixygate').postMessage(null));
    await signedOut(page);
    elsewhere.close();
  });
});
