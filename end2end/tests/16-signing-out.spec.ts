import { alice, expect, signedIn, signedOut, signIn, signOutButton, test } from './fixtures';

test.describe('On the way out', { tag: '@chromium' }, () => {
  test('who stops the browser is signed out on the page where they are, and can sign in again', async ({ page, instance }) => {
    await signIn(page, instance, alice, '/account');
    await page.route(`${instance.tenant}/oidc/logout?**`, () => {});
    const asked = page.waitForRequest(`${instance.tenant}/oidc/logout?**`);
    await signOutButton(page).click();
    await asked;
    const leaving = page.getByRole('status').filter({ hasText: 'Signing out' });
    await expect(leaving).toBeVisible();
    await page.evaluate(() => window.stop());
    await expect(leaving).toBeHidden();
    await signedOut(page);
    expect(page.url()).toBe(`${instance.url}/account`);
    // The provider did not hear of it, and asks for no password.
    await page.getByRole('main').getByRole('link', { name: 'Sign in', exact: true }).click();
    await signedIn(page);
  });
});
