// Measures the requests and bytes from this server until a user is signed in and the account page is shown, and on a reload after that.
// Prints a table and fails if they exceed the budget.
//
// Counted at the browser's network layer: bytes on the wire with headers, and every request that its cache does not answer.

import { chromium as playwright } from '@playwright/test';
import { chromium, flags } from './browser.mjs';
import { Instance } from './instance.mjs';

// The aim is 250,000 bytes, then 200,000 in all with the first console pages: docs/performance.md explains what prevents it.
const BUDGET = {
  'until signed in': { requests: 9, bytes: 350_000 },
  'on a reload': { requests: 3, bytes: 20_000 },
  // The console's pages, one after the other, each without the files of the pages before it.
  Overview: { requests: 9, bytes: 135_000 },
  Services: { requests: 5, bytes: 60_000 },
  Activity: { requests: 8, bytes: 90_000 },
};

const instance = await Instance.start();
const found = chromium();
const browser = await playwright.launch({ args: flags, executablePath: found.own ? undefined : found.path });
try {
  const page = await browser.newPage();
  const network = await page.context().newCDPSession(page);
  await network.send('Network.enable');
  const requests = new Map();
  network.on('Network.requestWillBeSent', ({ requestId, request }) => {
    const { origin, pathname } = new URL(request.url);
    if (origin === instance.url) requests.set(requestId, { what: `${request.method} ${pathname}`, bytes: 0, cached: false });
  });
  network.on('Network.requestServedFromCache', ({ requestId }) => requests.has(requestId) && (requests.get(requestId).cached = true));
  network.on('Network.responseReceived', ({ requestId, response }) => {
    if (requests.has(requestId) && response.fromDiskCache) requests.get(requestId).cached = true;
  });
  network.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => {
    if (requests.has(requestId)) requests.get(requestId).bytes = encodedDataLength;
  });

  /** All requests of `act`, until the account page, or the named element, has its data. */
  async function measured(name, act, there) {
    requests.clear();
    await act();
    if (there) {
      await page.locator(there).first().waitFor();
    } else {
      await page.getByRole('region', { name: 'What the server verified' }).locator('dl').waitFor();
      await page.getByRole('region', { name: 'profile' }).locator('dl').waitFor();
    }
    await page.waitForLoadState('networkidle');
    const fetched = [...requests.values()].filter(({ cached }) => !cached);
    const total = fetched.reduce((sum, { bytes }) => sum + bytes, 0);
    console.log(`\n${name}`);
    for (const { what, bytes } of fetched) console.log(`  ${what.padEnd(60)} ${bytes.toLocaleString('en').padStart(9)}`);
    const { requests: most, bytes: heaviest } = BUDGET[name];
    console.log(`  ${fetched.length} requests of ${most}, ${total.toLocaleString('en')} bytes of ${heaviest.toLocaleString('en')}`);
    if (fetched.length > most || total > heaviest) {
      console.error(`Over budget: ${name}.`);
      process.exitCode = 1;
    }
  }

  await measured('until signed in', async () => {
    await page.goto(instance.url, { waitUntil: 'networkidle' });
    await page.getByRole('link', { name: 'Account' }).click();
    await page.getByRole('main').getByRole('link', { name: 'Sign in' }).click();
    await page.getByLabel(/name/i).first().fill('alice');
    await page.getByLabel(/password/i).first().fill('alice');
    await page.getByRole('button', { name: /sign in|continue/i }).first().click();
    await page.waitForURL(`${instance.url}/account`);
  });
  await measured('on a reload', () => page.reload());
  for (const [name, there] of [['Overview', '.events'], ['Services', 'main li'], ['Activity', '.records']]) {
    await measured(name, () => page.getByRole('navigation').getByRole('link', { name }).click(), there);
  }
} finally {
  await browser.close();
  await instance.stop();
}
