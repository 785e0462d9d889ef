import { AxeBuilder } from '@axe-core/playwright';
import { alice, atProvider, enter, expect, problem, settled, signedIn, signIn, signInButton, test, verified } from './fixtures';

const widths = { phone: { width: 390, height: 844 }, desktop: { width: 1280, height: 800 } };

async function faults(page: import('@playwright/test').Page) {
  const { violations } = await new AxeBuilder({ page }).withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']).analyze();
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.target.join(' ')).join(', ')}`);
}

for (const scheme of ['light', 'dark'] as const) {
  for (const [width, viewport] of Object.entries(widths)) {
    test.describe(`The look, ${scheme}, ${width}`, () => {
      test.use({ colorScheme: scheme, viewport, reducedMotion: 'reduce' });

      test('every page fits and is accessible @screenshots', async ({ page, instance }) => {
        const shot = async (name: string) => {
          await expect(page.getByRole('main')).toBeVisible();
          const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
          expect(overflow, `${name} scrolls sideways`).toBeLessThanOrEqual(0);
          expect(await faults(page), name).toEqual([]);
          await page.screenshot({ path: `screenshots/${name}-${width}-${scheme}.png`, fullPage: true });
        };

        await page.goto('/');
        await settled(page);
        await shot('landing');
        await page.goto('/account');
        await settled(page);
        await shot('account-signed-out');
        await page.goto('/callback?error=access_denied&state=unknown');
        await expect(problem(page)).toBeVisible();
        await shot('callback-refused');
        await page.goto('/no-such-page');
        await shot('not-found');

        await page.goto('/account');
        await signInButton(page).click();
        await atProvider(page, instance);
        await page.screenshot({ path: `screenshots/provider-${width}-${scheme}.png`, fullPage: true });
        await enter(page, alice);
        await signedIn(page);
        await expect(verified(page)).toContainText(instance.issuer);
        await shot('account');
        await page.goto('/');
        await signedIn(page);
        await shot('landing-signed-in');
      });
    });
  }
}

test('The skip link is the first stop of the keyboard and leads to the content', async ({ page }) => {
  await page.goto('/');
  await settled(page);
  await page.keyboard.press('Tab');
  const skip = page.locator(':focus');
  await expect(skip).toHaveText(/skip/i);
  await expect(skip).toBeInViewport();
  await page.keyboard.press('Enter');
  await page.keyboard.press('Tab');
  await expect(page.getByRole('main').locator(':focus')).toHaveCount(1);
});

test('The title says where one is', async ({ page, instance }) => {
  const titles = new Set<string>();
  await signIn(page, instance);
  for (const path of ['/', '/account']) {
    await page.goto(path);
    await signedIn(page);
    await expect(page).toHaveTitle(/Pixygate/);
    titles.add(await page.title());
  }
  expect(titles.size).toBe(2);
});
