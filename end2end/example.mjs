// The example of a Leptos application, as its README starts it: sign in at the provider, see the protected page with its call.
//
//   node example.mjs SHOP SITE DEV_IDP

import { spawn } from 'node:child_process';
import { setTimeout as pause } from 'node:timers/promises';
import { chromium as playwright, expect } from '@playwright/test';
import { chromium, flags } from './browser.mjs';

const [shop, site, provider] = process.argv.slice(2);
const running = [];
const start = (program, env = {}) => {
  const child = spawn(program, [], { env: { ...process.env, ...env }, stdio: ['ignore', 'inherit', 'inherit'] });
  running.push(child);
};

async function answers(url) {
  for (const deadline = Date.now() + 30_000; ; await pause(100)) {
    if (await fetch(url).then(({ ok }) => ok, () => false)) return;
    if (Date.now() > deadline) throw new Error(`${url} does not answer`);
  }
}

let browser;
try {
  for (const url of ['http://127.0.0.1:3001/', 'http://localhost:3000/']) {
    if (await fetch(url).then(() => true, () => false)) throw new Error(`${url} is taken. Stop what listens there, for example \`make run\`.`);
  }
  start(provider);
  await answers('http://127.0.0.1:3001/t/demo/oauth2/token/.well-known/openid-configuration');
  start(shop, { LEPTOS_OUTPUT_NAME: 'shop', LEPTOS_SITE_ROOT: site, LEPTOS_SITE_PKG_DIR: 'pkg' });
  await answers('http://localhost:3000/');
  const found = chromium();
  browser = await playwright.launch({ args: flags, executablePath: found.own ? undefined : found.path });
  const page = await browser.newPage();
  await page.goto('http://localhost:3000/orders');
  await page.getByRole('link', { name: 'Sign in', exact: true }).first().click();
  await page.waitForURL('http://127.0.0.1:3001/**');
  await page.getByLabel(/name/i).first().fill('alice');
  await page.getByLabel(/password/i).first().fill('alice');
  await page.getByRole('button', { name: /sign in|continue/i }).first().click();
  await expect(page.getByRole('heading')).toHaveText('Orders of Alice Example');
  await expect(page.getByText('the first order of')).toBeVisible();
  expect(new URL(page.url()).pathname).toBe('/orders');
  expect((await page.request.post('http://localhost:3000/api/orders')).status(), 'without a token').toBe(401);
  await page.getByRole('button', { name: 'Sign out' }).click();
  await expect(page.getByRole('link', { name: 'Sign in', exact: true }).first()).toBeVisible();
  console.log('1 passed, 0 failed');
} finally {
  await browser?.close();
  for (const child of running) child.kill();
}
