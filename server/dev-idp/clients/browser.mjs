// A browser, and a page with a library and a script of the test.

import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { chromium } from 'playwright-core';

const flags = [
  '--no-sandbox',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-first-run',
];

/** The Chromium that PIXYGATE_CHROMIUM names, the system's, or Playwright's own. */
export function launch() {
  const known = [process.env.PIXYGATE_CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
  return chromium.launch({ executablePath: known.find((path) => path && existsSync(path)), args: flags });
}

/** Serves a page that runs the library and a script, under every path of a separate origin. */
export async function serve(library) {
  const source = readFileSync(new URL(library, import.meta.url));
  const app = { script: '' };
  const server = createServer((request, response) => {
    const isLibrary = request.url === '/library.js';
    response.setHeader('content-type', isLibrary ? 'text/javascript' : 'text/html');
    const page = `<!doctype html><title>App</title><body><script src="/library.js"></script><script>${app.script}</script>`;
    response.end(isLibrary ? source : page);
  });
  await new Promise((listening) => server.listen(0, 'localhost', listening));
  const origin = `http://localhost:${server.address().port}`;
  const stop = () => server.close();
  return Object.assign(app, { origin, home: `${origin}/`, redirectUri: `${origin}/callback`, stop });
}

/** Opens the application in a new browser. */
export async function open(browser, app, script) {
  app.script = script;
  const page = await (await browser.newContext()).newPage();
  await page.goto(app.home);
  return page;
}

/** Fills the provider's login page. */
export async function signIn(page, name, password = name) {
  await page.getByLabel('Username').fill(name);
  await page.getByLabel('Password').fill(password);
  await page.getByRole('button', { name: 'Sign in' }).click();
}
