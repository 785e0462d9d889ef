import { AxeBuilder } from '@axe-core/playwright';
import type { Page } from '@playwright/test';
import { alice, atProvider, enter, expect, problem, settled, signedIn, signIn, signInButton, test } from './fixtures';

/** The pages of the navigation: path, title in both languages, and the content after the server's response. */
const pages: { path: string; title: string; german: string; there: (page: Page) => ReturnType<Page['locator']> }[] = [
  { path: '/overview', title: 'Overview', german: 'Übersicht', there: (page) => page.locator('.events li, .picture ~ .hint').first() },
  { path: '/session', title: 'Session', german: 'Sitzung', there: (page) => page.locator('.checks li').first() },
  { path: '/services', title: 'Services', german: 'Dienste', there: (page) => page.locator('main li').first() },
  { path: '/activity', title: 'Activity', german: 'Verlauf', there: (page) => page.locator('.records') },
  { path: '/diagnose', title: 'Diagnose', german: 'Diagnose', there: (page) => page.locator('textarea') },
  { path: '/configuration', title: 'Configuration', german: 'Konfiguration', there: (page) => page.locator('main .notice') },
];

const link = (page: Page, name: string) => page.getByRole('navigation').getByRole('link', { name, exact: true });

async function noFaults(page: Page, name: string) {
  const { violations } = await new AxeBuilder({ page }).withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']).analyze();
  expect(violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.target.join(' ')).join(', ')}`), name).toEqual([]);
}

test('Each page opens by its address, by a click, by the back button and in a second tab', async ({ page, context, instance }) => {
  await signIn(page, instance);
  for (const { path, title, there } of pages) {
    await page.goto('/account');
    await signedIn(page);
    await link(page, title).click();
    await expect(page).toHaveURL(path);
    await expect(page.getByRole('heading', { level: 1 })).toHaveText(title);
    await expect(there(page)).toBeVisible();
    await page.goBack();
    await expect(page).toHaveURL('/account');
    await page.goForward();
    await expect(there(page)).toBeVisible();
    const second = await context.newPage();
    await second.goto(path);
    await expect(there(second)).toBeVisible();
    await expect(second).toHaveTitle(`${title} · Pixygate`);
    await second.close();
  }
});

test('A page of the console leads back to itself through the sign-in', async ({ page, instance }) => {
  await page.goto('/session?from=a%20link');
  await signInButton(page).click();
  await atProvider(page, instance);
  await enter(page, alice);
  await expect(page).toHaveURL('/session?from=a%20link');
  await expect(page.locator('.checks li').first()).toBeVisible();
});

test('The session page shows each check as the server made it, and hides the token', async ({ page, instance }) => {
  await signIn(page, instance);
  await page.goto('/session');
  const checks = page.locator('.checks li');
  await expect(checks).toHaveCount(14);
  for (const check of await checks.all()) await expect(check).toHaveAttribute('data-verdict', 'passed');
  const tokens = page.getByRole('region', { name: 'Access token' });
  await expect(tokens.getByRole('row', { name: /^iss / })).toContainText(instance.issuer);
  await expect(page.getByRole('region', { name: 'ID token' }).getByRole('row', { name: /^name / })).toContainText('Alice Example');
  expect(await page.content(), 'no token in the page').not.toMatch(/eyJ[\w-]+\.[\w-]+\.[\w-]+/);

  // The event is listed, and the countdown starts again.
  await page.getByRole('button', { name: 'Refresh now' }).click();
  await expect(page.getByRole('region', { name: 'What happened while this page was open' })).toContainText('The access token was renewed');

  await page.clock.install();
  await page.getByRole('button', { name: 'Show the token' }).click();
  await expect(page.locator('.raw')).toHaveText(/^eyJ[\w-]+\.[\w-]+\.[\w-]+$/);
  await page.clock.runFor(59_000);
  await expect(page.locator('.raw')).toBeVisible();
  await page.clock.runFor(2_000);
  await expect(page.locator('.raw')).toHaveCount(0);
});

test('The diagnosis explains the issuer conflict, one\'s own token, and a call', async ({ page, instance }) => {
  await signIn(page, instance);
  await page.goto('/diagnose');
  await page.getByRole('button', { name: 'Example: the issuer conflict' }).click();
  const wrong = page.getByRole('region', { name: 'What is wrong' });
  await expect(wrong.locator('mark').last(), 'only the difference is marked').toContainText('/oauth2/token');
  await expect(wrong).toContainText(instance.issuer);
  await expect(page.locator('.checks li[data-verdict=failed]')).toContainText('issuer');

  await page.getByLabel('Token', { exact: true }).fill('');
  await page.getByLabel('Path').fill('/api/whoami');
  await page.getByRole('button', { name: 'Check' }).click();
  await expect(page.getByRole('heading', { name: 'The call would pass the gate' })).toBeVisible();

  await page.getByLabel('Path').fill('/api/no-such-function');
  await page.getByRole('button', { name: 'Check' }).click();
  await expect(page.getByRole('heading', { name: 'The call would be denied with status 404' })).toBeVisible();
  await expect(page.getByLabel('Path'), 'what was typed stays').toHaveValue('/api/no-such-function');
});

test('The configuration is for administrators', async ({ page, context, instance }) => {
  await signIn(page, instance);
  await page.goto('/configuration');
  await expect(page.getByRole('heading', { name: 'This page is for administrators' })).toBeVisible();
  const admin = await (await context.browser()!.newContext({ baseURL: instance.url })).newPage();
  await signIn(admin, instance, { name: 'admin', password: 'admin', shown: 'Ada Example' });
  await admin.goto('/configuration');
  await expect(admin.getByRole('region', { name: 'Trusted issuers' })).toContainText(instance.issuer);
  await expect(admin.getByRole('region', { name: 'Settings' }).getByRole('row', { name: 'server.listen' })).toBeVisible();
  await admin.context().close();
});

test('German, where the browser asks for it, without a word of English left', async ({ browser, instance }) => {
  const context = await browser.newContext({ baseURL: instance.url, locale: 'de-DE' });
  const page = await context.newPage();
  await page.goto('/');
  await expect(page.locator('html')).toHaveAttribute('lang', 'de');
  await page.getByRole('main').getByRole('link', { name: 'Anmelden', exact: true }).click();
  await atProvider(page, instance);
  await enter(page, alice);
  await expect(page.getByRole('button', { name: 'Abmelden', exact: true })).toBeEnabled();
  for (const { path, german, there } of pages) {
    await page.goto(path);
    await expect(page.getByRole('heading', { level: 1 })).toHaveText(german);
    await expect(there(page)).toBeVisible();
    // Descriptions by operators are in the operator's language; those of this server are marked as English.
    const words = await page.evaluate(() => {
      document.querySelectorAll('main [lang=en], .about').forEach((element) => element.remove());
      return document.body.innerText;
    });
    expect(words, path).not.toMatch(/\b(the|this|your|with|from|and)\b/i);
  }
  // The user's choice takes precedence over the browser's language.
  await page.getByLabel('Sprache').selectOption('en');
  await expect(page.locator('html')).toHaveAttribute('lang', 'en');
  await context.close();
});

test('Light or dark by choice, from the first paint on', async ({ page }) => {
  await page.emulateMedia({ colorScheme: 'light' });
  await page.goto('/');
  await settled(page);
  const paper = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await paper();
  await page.getByLabel('Colours').selectOption('Dark');
  const dark = await paper();
  expect(dark).not.toBe(light);
  const html = await (await page.request.get('/')).text();
  expect(html, 'the server renders it').toContain('data-theme="dark"');
  await page.reload();
  expect(await paper()).toBe(dark);
  await page.getByLabel('Colours').selectOption('System');
  expect(await paper()).toBe(light);
});

test('A part that cannot be loaded says so, and is loaded on request', async ({ page, instance, watch }) => {
  await signIn(page, instance);
  await page.goto('/account');
  await signedIn(page);
  let broken = true;
  await page.route(/\/pkg\/.*\.wasm$/, (route) => (broken ? route.abort() : route.continue()));
  await link(page, 'Session').click();
  await expect(problem(page)).toContainText('A part of this page is missing');
  broken = false;
  await problem(page).getByRole('button', { name: 'Try again' }).click();
  await expect(page.locator('.checks li').first()).toBeVisible();
  // The browser reports each attempt, some of them late.
  for (const fault of watch.take()) expect(fault).toMatch(/fetch|load/i);
});

for (const colorScheme of ['light', 'dark'] as const) test(`Every page of the console is accessible and fits, ${colorScheme} @screenshots`, async ({ page, instance }) => {
  test.setTimeout(120_000);
  await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
  await signIn(page, instance);
  for (const { path, title, there } of pages) {
    await page.goto(path);
    await expect(there(page)).toBeVisible();
    for (const [width, height] of [[320, 640], [1280, 800]]) {
      await page.setViewportSize({ width, height });
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      expect(overflow, `${title} scrolls sideways at ${width} pixels`).toBeLessThanOrEqual(0);
      await noFaults(page, `${title}, ${width}, ${colorScheme}`);
      await page.screenshot({ path: `screenshots/console${path.replace('/', '-')}-${width}-${colorScheme}.png`, fullPage: true });
    }
  }
});
