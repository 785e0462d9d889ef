// Compares Pixygate with alternatives, in one browser, with one provider, on a slowed network and a slowed processor.
//
//   node run.mjs [--runs 9] [--only pixygate,by-hand] [--network slow,fast] [--json FILE]
//
// Each sample is a new browser context: a first visit, then a return visit with the same cache and without a session. The
// order of the applications changes in each round. Medians are printed.

import { writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { chromium as playwright } from '@playwright/test';
import { chromium, flags } from '../browser.mjs';
import { Instance } from '../instance.mjs';
import { bundle, serve } from './build.mjs';
import { provide } from './provider.mjs';

const option = (name, otherwise) => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? otherwise : process.argv[at + 1];
};
const RUNS = Number(option('runs', 9));
const NETWORKS = {
  slow: { latency: 150, downloadThroughput: 1.6e6 / 8, uploadThroughput: 0.75e6 / 8 },
  fast: { latency: 40, downloadThroughput: 10e6 / 8, uploadThroughput: 5e6 / 8 },
};
const CPU = 4;
const READING = 3_000;
/** The shortest time that a user points at a button before clicking. */
const HOVER = 200;
const PATIENCE = 30_000;

/** The elements of each application that are measured. */
const OTHERS = { name: '#name', answer: '#answer', button: 'button' };
const OURS = { name: '.who .name', answer: 'section[aria-label="What the server verified"] dl', button: 'main .actions .button, .notice .button' };

const APPS = ['pixygate', 'react-oidc-context', 'auth-react', 'by-hand'].filter((name) => option('only', name).split(',').includes(name));

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  await once(server.close(), 'close');
  return port;
}

/** Records in each document the times at which elements are first shown, by the wall clock. */
function observe({ name, answer }) {
  const seen = {};
  const now = () => performance.timeOrigin + performance.now();
  const look = () => {
    const shown = (selector) => [...document.querySelectorAll(selector)].some((element) => element.textContent.trim() && element.checkVisibility());
    if (!seen.name && shown(name)) seen.name = now();
    if (!seen.answer && shown(answer)) seen.answer = now();
  };
  new MutationObserver(look).observe(document, { childList: true, subtree: true, characterData: true, attributes: true });
  addEventListener('DOMContentLoaded', look);
  globalThis.benchSeen = seen;
  globalThis.benchStart = performance.timeOrigin;
}

class Visit {
  constructor(page, session, app) {
    Object.assign(this, { page, session, app, bytes: 0, requests: 0 });
    this.sent = [];
    const urls = new Map();
    session.on('Network.requestWillBeSent', ({ requestId, request, wallTime }) => {
      urls.set(requestId, request.url);
      this.sent.push({ url: request.url, at: wallTime * 1000 });
    });
    session.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => {
      if (encodedDataLength > 0 && urls.get(requestId)?.startsWith(app.origin)) {
        this.bytes += encodedDataLength;
        this.requests += 1;
      }
    });
  }

  /** The time at which the next request for the provider's page is sent. */
  async authorization(after) {
    const deadline = Date.now() + PATIENCE;
    for (;;) {
      const found = this.sent.find(({ url, at }) => url.startsWith(this.app.authorization) && at >= after);
      if (found) return found.at;
      if (Date.now() > deadline) throw new Error(`${this.app.name}: no request to the provider`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  async start() {
    return this.page.evaluate(() => globalThis.benchStart);
  }

  /** The times, from `since`, at which the name and the response were shown. */
  async shown(since) {
    // The page may be replaced during the check.
    for (const deadline = Date.now() + PATIENCE; ; ) {
      const seen = await this.page.evaluate(() => globalThis.benchSeen).catch(() => undefined);
      if (seen?.name && seen?.answer) return { name: seen.name - since, answer: seen.answer - since };
      if (Date.now() > deadline) throw new Error(`${this.app.name}: ${this.page.url()} shows ${JSON.stringify(seen)}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Clicks as a user does: the mouse is over the button for a moment before, unless the click is immediate. */
  async click(hover = 0) {
    const button = this.page.locator(this.app.shows.button).filter({ hasText: /^Sign in$/ }).first();
    await button.waitFor({ timeout: PATIENCE });
    if (hover) {
      await button.hover();
      await this.page.waitForTimeout(hover);
    }
    const at = Date.now();
    // At once, even if the page is busy.
    await button.evaluate((element) => element.click());
    return at;
  }
}

async function sample(browser, app, network) {
  const context = await browser.newContext();
  await context.addInitScript(observe, app.shows);
  const page = await context.newPage();
  const session = await context.newCDPSession(page);
  await session.send('Network.enable');
  await session.send('Network.emulateNetworkConditions', { offline: false, ...NETWORKS[network] });
  await session.send('Emulation.setCPUThrottlingRate', { rate: CPU });
  const figures = {};
  try {
    for (const visit of ['first', 'return']) {
      const note = (name, value) => (figures[`${name}, ${visit}`] = value);
      const look = new Visit(page, session, app);

      // A click as soon as there is a button. The provider does not redirect yet.
      app.provider.paused = true;
      await page.goto(`${app.origin}/`, { waitUntil: 'commit' });
      await look.click();
      const landed = await look.start().catch(() => undefined);
      const requested = await look.authorization(0);
      const opened = look.sent.find(({ url }) => url === `${app.origin}/`).at;
      note('click at once', requested - (landed ?? opened));

      // A click after reading.
      await page.goto(`${app.origin}/`, { waitUntil: 'load' });
      await page.waitForTimeout(READING);
      const paint = await page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime);
      if (visit === 'return') note('first contentful paint', paint);
      const clicked = await look.click(HOVER);
      note('click after reading', (await look.authorization(clicked - 5)) - clicked);

      app.provider.paused = false;

      // Sign-in, on the page that makes the call.
      if (visit === 'first') look.bytes = look.requests = 0;
      await page.goto(`${app.origin}/account`, { waitUntil: 'load' });
      await look.click();
      await page.waitForURL((url) => url.href.startsWith(`${app.origin}/callback`) || url.pathname === '/account', { waitUntil: 'commit' }).catch(() => {});
      const callback = () => look.sent.findLast(({ url }) => url.startsWith(`${app.origin}/callback`));
      for (const deadline = Date.now() + PATIENCE; !callback(); ) {
        if (Date.now() > deadline) throw new Error(`${app.name}: no callback`);
        await page.waitForTimeout(5);
      }
      const { name, answer } = await look.shown(callback().at);
      note('callback to name', name);
      note('callback to answer', answer);

      // A reload.
      await page.reload({ waitUntil: 'commit' });
      const reloaded = await look.shown(await look.start());
      note('reload to name', reloaded.name);
      note('reload to answer', reloaded.answer);

      // The return visit has no session, here or at the provider; the cache stays.
      await session.send('Storage.clearDataForOrigin', { origin: app.origin, storageTypes: 'local_storage,indexeddb,cookies' });
      await page.evaluate(() => sessionStorage.clear());
      await context.clearCookies();
    }
    return figures;
  } finally {
    await context.close();
  }
}

/** Bytes and requests to the application's own server until a user is signed in and the account page is shown. */
async function weight(browser, app) {
  const context = await browser.newContext();
  await context.addInitScript(observe, app.shows);
  const page = await context.newPage();
  const session = await context.newCDPSession(page);
  await session.send('Network.enable');
  if (process.env.BENCH_DEBUG) for (const event of ['console', 'pageerror']) page.on(event, (it) => console.error(app.name, it.text?.() ?? it));
  const look = new Visit(page, session, app);
  await page.goto(`${app.origin}/`);
  await page.waitForTimeout(1_000);
  await page.goto(`${app.origin}/account`);
  await look.click();
  await page.waitForURL(`${app.origin}/account`);
  await page.locator(app.shows.answer).waitFor();
  await page.waitForTimeout(500);
  const all = { bytes: look.bytes, requests: look.requests };
  look.bytes = look.requests = 0;
  await page.reload();
  await page.locator(app.shows.answer).waitFor();
  await page.waitForTimeout(500);
  await context.close();
  return { ...all, 'bytes on a reload': look.bytes, 'requests on a reload': look.requests };
}

const median = (numbers) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];

function shuffled(list) {
  const rest = [...list];
  return list.map(() => rest.splice(Math.floor(Math.random() * rest.length), 1)[0]);
}

async function main() {
  const ports = Object.fromEntries(await Promise.all(APPS.map(async (name) => [name, await freePort()])));
  const instance = APPS.includes('pixygate') ? await Instance.prepare() : undefined;
  if (instance) ports.pixygate = instance.ports.app;
  const provider = await provide(await freePort(), APPS.map((name) => `http://localhost:${ports[name]}`));
  const running = [];
  const apps = [];
  for (const name of APPS) {
    const app = { name, origin: `http://localhost:${ports[name]}`, authorization: provider.metadata.authorization_endpoint, provider: provider.state, shows: OTHERS };
    if (name === 'pixygate') {
      app.shows = OURS;
      // As in the other applications: no DPoP, the same scopes, the same audience.
      const settings = [
        '[provider]',
        `issuer = "${provider.issuer}"`,
        `client_id = "${provider.clientId}"`,
        'scopes = ["openid", "profile"]',
        'dpop = "off"',
        '[[trust]]',
        `issuer = "${provider.issuer}"`,
        `audience = ["${provider.resource}"]`,
      ];
      await writeFile(join(instance.folder, 'pixygate.toml'), settings.join('\n'));
      await instance.up();
      running.push(instance);
    } else {
      const code = await bundle(name === 'by-hand' ? 'by-hand.js' : `${name}.jsx`);
      running.push(await serve(name, code, { port: ports[name], ...provider }));
    }
    apps.push(app);
  }
  const found = chromium();
  const browser = await playwright.launch({ args: flags, executablePath: found.own ? undefined : found.path });
  const results = {};
  try {
    for (const app of apps) results[app.name] = { weight: await weight(browser, app) };
    for (const network of option('network', 'slow,fast').split(',')) {
      for (let run = 0; run < RUNS; run++) {
        for (const app of shuffled(apps)) {
          const figures = await sample(browser, app, network);
          for (const [name, value] of Object.entries(figures)) ((results[app.name][network] ??= {})[name] ??= []).push(value);
        }
        console.error(`${network}: round ${run + 1} of ${RUNS}`);
      }
    }
  } finally {
    await browser.close();
    await provider.stop();
    for (const one of running) await one.stop();
  }
  report(results);
  const file = option('json');
  if (file) writeFileSync(file, JSON.stringify(results, null, 1));
}

function report(results) {
  const names = Object.keys(results);
  const row = (cells) => console.log(`| ${cells.join(' | ')} |`);
  row(['', ...names]);
  row(['---', ...names.map(() => '---:')]);
  for (const key of Object.keys(results[names[0]].weight)) row([key, ...names.map((name) => results[name].weight[key].toLocaleString('en'))]);
  for (const network of Object.keys(NETWORKS)) {
    if (!results[names[0]][network]) continue;
    for (const key of Object.keys(results[names[0]][network])) {
      row([`${network} 4G: ${key}`, ...names.map((name) => Math.round(median(results[name][network][key])))]);
    }
  }
}

await main();
