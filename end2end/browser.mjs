// The browser of the tests, and its chromedriver: Playwright's own if it is installed, otherwise the system's.
//
//   node browser.mjs            prints the path
//   node browser.mjs --version  prints the version
//   node browser.mjs --driver   prints the path of the chromedriver that fits
//   node browser.mjs --firefox  prints the path of Firefox
// … --quiet                   prints nothing; only the exit code matters

import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const require = createRequire(import.meta.url);
const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const target = process.env.CARGO_TARGET_DIR ?? join(root, 'target');

/** Flags that prevent requests to other hosts; root cannot use Chromium's sandbox. */
export const flags = [
  '--no-sandbox',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-first-run',
];

const onPath = (name) =>
  (process.env.PATH ?? '')
    .split(':')
    .map((folder) => join(folder, name))
    .find((path) => existsSync(path));

function ofPlaywright(name) {
  try {
    const path = require('@playwright/test')[name].executablePath();
    return existsSync(path) ? path : undefined;
  } catch {
    return undefined; // not installed yet: the set-up asks before it has run `npm ci`
  }
}

/** `own` if Playwright installed it. */
export function chromium() {
  const named = process.env.PIXYGATE_CHROMIUM;
  if (named) return { path: named, own: false };
  const own = ofPlaywright('chromium');
  if (own) return { path: own, own: true };
  const path =
    ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'].map(onPath).find(Boolean) ??
    [
      '/Applications/Chromium.app/Contents/MacOS/Chromium',
      '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
    ].find((path) => existsSync(path));
  return path && { path, own: false };
}

/** Playwright's own, else the distribution's, which it drives by WebDriver BiDi. */
export function firefox() {
  const own = ofPlaywright('firefox');
  if (own) return { path: own, own: true };
  const path = ['firefox-esr', 'firefox'].map(onPath).find(Boolean);
  return path && { path, own: false };
}

function version(path) {
  const { stdout } = spawnSync(path, ['--version'], { encoding: 'utf8' });
  return stdout?.match(/\d+\.\d+\.\d+\.\d+/)?.[0];
}

const major = (path) => version(path)?.split('.')[0];

/** The chromedriver of the browser's own major version; another one refuses to work with it. */
export function chromedriver() {
  const browser = chromium();
  if (!browser) return undefined;
  const folder = join(target, 'browsers', 'chromedriver');
  const downloaded = existsSync(folder)
    ? readdirSync(folder).flatMap((build) =>
        readdirSync(join(folder, build)).map((kind) => join(folder, build, kind, 'chromedriver')),
      )
    : [];
  return [process.env.CHROMEDRIVER, onPath('chromedriver'), ...downloaded]
    .filter((path) => path && existsSync(path))
    .find((path) => major(path) === major(browser.path));
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const asked = process.argv.includes('--driver')
    ? chromedriver()
    : process.argv.includes('--version')
      ? version(chromium()?.path)
      : process.argv.includes('--firefox')
        ? firefox()?.path
        : chromium()?.path;
  if (!process.argv.includes('--quiet') && asked) console.log(asked);
  process.exit(asked ? 0 : 1);
}
