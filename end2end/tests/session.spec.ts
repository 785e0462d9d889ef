import { alice, atProvider, enter, expect, login, signedIn, signIn, signInButton, test, verified } from './fixtures';
import { leaks, remains, Secrets } from './secrets';

test.describe('The session', () => {
  test('is kept through a reload', async ({ page, instance }) => {
    await signIn(page, instance);
    await page.reload();
    await signedIn(page);
    await page.goto('/account');
    await expect(verified(page)).toContainText(instance.issuer);
  });

  test('is there in a second tab, without the provider', async ({ page, context, instance }) => {
    await signIn(page, instance);
    const second = await context.newPage();
    const asked: string[] = [];
    second.on('request', (request) => request.url().startsWith(instance.provider) && asked.push(request.url()));
    await second.goto('/account');
    await signedIn(second);
    await expect(verified(second)).toContainText(instance.issuer);
    expect(asked).toEqual([]);
  });

  test('reaches a tab that was open already', async ({ page, context, instance }) => {
    const second = await context.newPage();
    await second.goto('/');
    await expect(signInButton(second)).toBeVisible();
    await signIn(page, instance);
    await signedIn(second);
  });

  test('leaves no secret in the open: storage, cookies, address, history, HTML', async ({ page, instance }) => {
    const secrets = new Secrets(page, instance);
    await signIn(page, instance);
    await page.reload();
    await signedIn(page);
    await page.goto('/account');
    await expect(verified(page)).toContainText(instance.issuer);

    const found = await secrets.complete();
    expect([...found.keys()]).toEqual(
      expect.arrayContaining(['code sent', 'code_verifier sent', 'access_token', 'refresh_token', 'id_token']),
    );
    const places = await remains(page);
    expect(places.get('IndexedDB'), 'the sealed session is in IndexedDB').toMatch(/CryptoKey/);
    expect(places.get('IndexedDB')).not.toMatch(/(private|secret), extractable: true/);
    expect(leaks(found, places)).toEqual([]);
  });

  test('leaves no secret while a sign-in waits at the provider', async ({ page, instance }) => {
    const secrets = new Secrets(page, instance);
    await page.goto('/');
    await signInButton(page).click();
    await atProvider(page, instance);
    await expect(login(page).password).toBeVisible();
    const second = await page.context().newPage();
    await second.goto('/');
    const waiting = await remains(second);
    expect(waiting.get('IndexedDB')).not.toBe('');
    await enter(page, alice);
    await signedIn(page);
    const verifier = (await secrets.complete()).get('code_verifier sent')!;
    expect(leaks(new Map([['code_verifier', verifier]]), waiting)).toEqual([]);
  });

  test('the search for secrets finds one that is there', async ({ page }) => {
    await page.goto('/');
    const token = 'eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl';
    await page.evaluate(async (token) => {
      localStorage.setItem('a', token);
      sessionStorage.setItem('b', token);
      document.cookie = `c=${token}`;
      history.replaceState({ d: token }, '', `#${token}`);
      await new Promise<void>((resolve, reject) => {
        const open = indexedDB.open('planted', 1);
        open.onupgradeneeded = () => open.result.createObjectStore('s').put({ deep: [new TextEncoder().encode(token)] }, 'k');
        open.onsuccess = () => resolve(open.result.close());
        open.onerror = () => reject(open.error);
      });
    }, token);
    const found = leaks(new Map([['token', token]]), await remains(page));
    for (const place of ['local storage', 'session storage', 'cookies', 'address', 'history (entries)', 'history (state)', 'IndexedDB']) {
      expect(found).toContain(`token in ${place}`);
    }
  });
});
