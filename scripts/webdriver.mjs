// Writes the capabilities for wasm-bindgen-test's browser: webdriver.mjs FILE
import { writeFileSync } from 'node:fs';
import { chromium, flags } from '../end2end/browser.mjs';

writeFileSync(
  process.argv[2],
  JSON.stringify({
    'goog:chromeOptions': {
      binary: chromium().path,
      args: ['--headless=new', '--disable-gpu', '--disable-dev-shm-usage', ...flags],
    },
  }),
);
