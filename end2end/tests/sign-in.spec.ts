import { alice, atProvider, enter, expect, login, signedIn, signInButton, test } from './fixtures';

test.describe('Sign in at the provider', () => {
  test('is an authorization request with a code, S256, state and nonce', async ({ page, instance }) => {
    await page.goto('/');
    const asked = page.waitForRequest((request) => request.url().startsWith(instance.authorizationEndpoint));
    await signInButton(page).click();
    const query = new URL((await asked).url()).searchParams;
    expect(query.get('response_type')).toBe('code');
    expect(query.get('client_id')).toBe('pixygate');
    expect(query.get('redirect_uri')).toBe(`${instance.url}/callback`);
    expect(query.get('scope')?.split(' ')).toContain('openid');
    expect(query.get('code_challenge_method')).toBe('S256');
    expect(query.get('code_challenge')).toMatch(/^[\w-]{43}$/);
    expect(query.get('state')!.length).toBeGreaterThanOrEqual(22);
    expect(query.get('nonce')!.length).toBeGreaterThanOrEqual(22);
    for (const name of ['code_verifier', 'client_secret']) expect(query.has(name), name).toBe(false);
  });

  test('uses a new state, nonce and challenge each time', async ({ page, instance }) => {
    const seen: string[] = [];
    page.on('request', (request) => {
      if (!request.url().startsWith(instance.authorizationEndpoint)) return;
      const query = new URL(request.url()).searchParams;
      for (const name of ['state', 'nonce', 'code_challenge']) seen.push(query.get(name)!);
    });
    for (let round = 0; round < 2; round += 1) {
      await page.goto('/');
      await signInButton(page).click();
      await atProvider(page, instance);
    }
    expect(seen).toHaveLength(6);
    expect(new Set(seen).size).toBe(6);
  });

  test('a wrong password is refused with a message, and the right one is taken after it', async ({ page, instance }) => {
    await page.goto('/');
    await signInButton(page).click();
    await atProvider(page, instance);
    await enter(page, { name: 'alice', password: 'wrong' });
    await expect(page.getByRole('alert')).toContainText(/password|name/i);
    await expect(login(page).password).toBeVisible();
    expect(new URL(page.url()).origin).toBe(instance.provider);
    await enter(page, alice);
    await signedIn(page);
  });

  test('works with the keyboard alone', async ({ page, instance }) => {
    await page.goto('/');
    const signIn = signInButton(page);
    await expect(signIn).toBeEnabled();
    await expect(async () => {
      await page.keyboard.press('Tab');
      await expect(signIn).toBeFocused({ timeout: 100 });
    }).toPass({ intervals: [0] });
    await page.keyboard.press('Enter');
    await atProvider(page, instance);
    const { name, password } = login(page);
    await name.focus();
    await page.keyboard.type(alice.name);
    await page.keyboard.press('Tab');
    await expect(password).toBeFocused();
    await page.keyboard.type(alice.password);
    await page.keyboard.press('Enter');
    await signedIn(page);
  });
});
