import { alice, atProvider, enter, expect, login, signedIn, signedOut, signIn, signInButton, signOut, signOutButton, test, verified } from './fixtures';
import { remains, Secrets, leaks } from './secrets';

test.describe('Sign out', () => {
  test('ends the session here and at the provider, which asks for the password again', async ({ page, instance }) => {
    await signIn(page, instance);
    await signOut(page, instance);
    expect(new URL(page.url()).origin).toBe(instance.url);
    await signInButton(page).click();
    await atProvider(page, instance);
    await expect(login(page).password).toBeVisible();
  });

  test('takes the tokens back, also when the provider does not hear of the sign-out', async ({ page, instance, request }) => {
    const secrets = new Secrets(page, instance);
    await signIn(page, instance);
    const tokens = await secrets.complete();
    const active = async (name: string) => {
      const form = { client_id: 'resource-server', client_secret: 'resource-server', token: tokens.get(name)! };
      return (await (await request.post(`${instance.tenant}/oauth2/introspect`, { form })).json()).active;
    };
    for (const name of ['access_token', 'refresh_token']) expect(await active(name), name).toBe(true);
    // Ending the session at the provider would revoke the tokens, too.
    await page.route(`${instance.tenant}/oidc/logout?**`, (route) => route.abort('connectionrefused'));
    await signOutButton(page).click();
    for (const name of ['access_token', 'refresh_token']) await expect.poll(() => active(name), name).toBe(false);
  });

  test('without it the provider would not ask again', async ({ page, context, instance }) => {
    // The counterpart of the test above: single sign-on works here.
    await signIn(page, instance);
    await page.evaluate(async () => {
      for (const { name } of await indexedDB.databases()) indexedDB.deleteDatabase(name!);
    });
    const second = await context.newPage();
    await page.close();
    await second.goto('/');
    await signedOut(second);
    await signInButton(second).click();
    await signedIn(second);
  });

  test('reaches every tab', async ({ page, context, instance }) => {
    await signIn(page, instance);
    const [second, third] = [await context.newPage(), await context.newPage()];
    await second.goto('/');
    await third.goto('/account');
    await signedIn(second);
    await signedIn(third);
    await signOutButton(page).click();
    await signedOut(second);
    await signedOut(third);
    await expect(verified(third)).toBeHidden();
    await signedOut(page);
    await third.reload();
    await signedOut(third);
  });

  test('leaves nothing behind in the browser', async ({ page, instance }) => {
    const secrets = new Secrets(page, instance);
    await signIn(page, instance);
    await signOut(page, instance);
    const places = await remains(page);
    expect(leaks(await secrets.complete(), places)).toEqual([]);
    expect(places.get('IndexedDB')).not.toContain('session');
  });

  test('a protected page asks to sign in and returns there, with its query', async ({ page, instance }) => {
    await signIn(page, instance);
    await signOut(page, instance);
    await page.goto('/account?tab=keys&n=%C3%A9');
    await signedOut(page);
    await expect(verified(page)).toBeHidden();
    await page.getByRole('main').getByText('Sign in', { exact: true }).click();
    await atProvider(page, instance);
    await enter(page, alice);
    await signedIn(page);
    await expect(page).toHaveURL('/account?tab=keys&n=%C3%A9');
    await expect(verified(page)).toContainText(instance.issuer);
  });

  test('works while the provider is out of reach', async ({ page, instance }) => {
    await signIn(page, instance);
    await page.context().route(`${instance.provider}/**`, (route) => route.abort('connectionrefused'));
    await signOutButton(page).click();
    // The page says that the session at the provider is still open. It is neither the browser's error page nor silent.
    await expect(page.getByRole('heading', { name: 'You are signed out here' })).toBeVisible();
    await expect(page).toHaveURL(`${instance.url}/`);
    await signedOut(page);
    await page.context().unroute(`${instance.provider}/**`);
    await signInButton(page).click();
    await signedIn(page);
  });
});
