import { alice, expect, signedIn, signedOut, signIn, signOutButton, test } from './fixtures';

test.describe('On the way out', { tag: '@chromium' }, () => {
  test('who stops the browser is signed out on the page where they are, and can sign in again', async ({ page, context, instance }) => {
    await signIn(page, instance, alice, '/account');
    const asked = page.waitForRequest(`${instance.tenant}/oidc/logout?**`);
    await page.route(`${instance.tenant}/oidc/logout?**`, () => {});
    const browser = await context.newCDPSession(page);
    // The click is complete when the page is left, or when it stays.
    const clicked = signOutButton(page).click();
    await asked;
    await browser.send('Page.stopLoading');
    await clicked;
    await signedOut(page);
    expect(page.url()).toBe(`${instance.url}/account`);
    // The provider was not notified, so it asks for no password.
    await page.getByRole('main').getByRole('link', { name: 'Sign in', exact: true }).click();
    await signedIn(page);
  });
});
