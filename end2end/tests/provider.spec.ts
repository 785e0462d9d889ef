import { AxeBuilder } from '@axe-core/playwright';
import type { Page } from '@playwright/test';
import { alice, expect, test } from './fixtures';

const NARROW = { width: 320, height: 640 };

/** The page fits a small phone, and axe finds no faults; axe itself is a script. */
async function looksRight(page: Page, heading: string, scripts: boolean) {
  await expect(page.getByRole('heading', { level: 1 })).toHaveText(heading);
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  expect(overflow, `"${heading}" scrolls sideways`).toBeLessThanOrEqual(0);
  if (!scripts) return;
  const { violations } = await new AxeBuilder({ page }).withTags(['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa']).analyze();
  expect(violations.map(({ id }) => id), heading).toEqual([]);
}

for (const [colorScheme, scripts] of [['light', false], ['light', true], ['dark', true]] as const) {
  const how = `${colorScheme}, ${scripts ? 'with' : 'without'} scripts`;
  test(`The embedded provider's pages work with the keyboard on a small phone, ${how}`, async ({ browser, instance }) => {
    const context = await browser.newContext({ javaScriptEnabled: scripts, viewport: NARROW, colorScheme });
    const page = await context.newPage();
    const looks = (heading: string) => looksRight(page, heading, scripts);
    const request = (more: Record<string, string>) => {
      const parameters = {
        client_id: 'pixygate',
        response_type: 'code',
        redirect_uri: `${instance.url}/callback`,
        scope: 'openid profile',
        state: 'a state',
        nonce: 'a nonce',
        code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
        code_challenge_method: 'S256',
        ...more,
      };
      return `${instance.issuer.replace(/\/token$/, '/authorize')}?${new URLSearchParams(parameters)}`;
    };

    await page.goto(request({ redirect_uri: `${instance.url}/elsewhere` }));
    await looks('This request cannot be answered');

    await page.goto(request({ acr_values: 'LOA2', prompt: 'consent' }));
    await looks('Sign in');
    await page.getByLabel('Username').focus();
    await page.keyboard.type(alice.name);
    await page.keyboard.press('Tab');
    await page.keyboard.type('wrong');
    await page.keyboard.press('Enter');
    await expect(page.getByRole('alert')).toBeVisible();
    await looks('Sign in');
    await page.getByLabel('Password').fill(alice.password);
    await page.keyboard.press('Enter');
    await looks('One more step');
    const shown = await page.locator('#shown-code').textContent();
    await page.getByLabel('One-time code').focus();
    await page.keyboard.type(shown!);
    await page.keyboard.press('Enter');
    await looks('Allow access?');
    await page.getByRole('button', { name: 'Allow' }).focus();
    await page.keyboard.press('Enter');
    await page.waitForURL((url) => url.origin === instance.url && url.searchParams.has('code'));

    await page.goto(request({ prompt: 'select_account' }));
    await looks('Choose an account');
    await page.goto(instance.issuer.replace(/oauth2\/token$/, 'oidc/logout'));
    await looks('Sign out?');
    await page.getByRole('button', { name: 'Sign out' }).focus();
    await page.keyboard.press('Enter');
    await expect(page.getByText('You can close this page')).toBeVisible();
    await page.goto(instance.provider);
    await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
    await context.close();
  });
}
