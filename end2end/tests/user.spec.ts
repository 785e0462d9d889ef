import { alice, bob, expect, signedIn, signIn, test, verified, who } from './fixtures';
import { claimsOf } from './forge';

test.describe('Who it is', () => {
  test('the header has the name', async ({ page, instance }) => {
    await signIn(page, instance, bob);
    await expect(who(page)).toContainText('Bob Example');
    await expect(who(page)).not.toContainText('Alice');
  });

  test('the account page shows what the server verified', async ({ page, instance }) => {
    await signIn(page, instance);
    const answered = page.waitForResponse((response) => new URL(response.url()).pathname === '/api/whoami');
    await page.getByRole('navigation').getByRole('link', { name: /account/i }).click();
    const answer = await answered;
    expect(answer.status()).toBe(200);
    const principal = await answer.json();
    const sent = (await answer.request().allHeaders())['authorization']!;
    const claims = claimsOf(sent.split(' ')[1]!);
    expect(principal).toMatchObject({ iss: instance.issuer, sub: claims['sub'], exp: claims['exp'] });
    expect(principal.scope).toEqual(expect.arrayContaining(['openid', 'profile']));
    const facts = verified(page);
    await expect(facts).toContainText(principal.sub);
    await expect(facts).toContainText(instance.issuer);
    for (const scope of principal.scope) await expect(facts).toContainText(scope);
  });

  test('what the page shows is the server’s answer, not the browser’s own tokens', async ({ page, instance }) => {
    await signIn(page, instance);
    await page.route('**/api/whoami', async (route) => {
      const response = await route.fetch();
      await route.fulfill({ response, json: { ...(await response.json()), sub: 'the-server-says-so' } });
    });
    await page.goto('/account');
    await signedIn(page, alice);
    await expect(verified(page)).toContainText('the-server-says-so');
  });
});
