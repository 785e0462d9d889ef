import { defineConfig, devices } from '@playwright/test';
import { chromium, firefox, flags } from './browser.mjs';

const found = chromium();
const other = firefox();
if (!other) console.log('skipped: every test in Firefox, which is not here');

export default defineConfig({
  testDir: 'tests',
  outputDir: 'test-results',
  fullyParallel: false,
  workers: 2,
  forbidOnly: !!process.env.CI,
  // A test that needs a second try hides a race; none gets one.
  retries: 0,
  timeout: 45_000,
  expect: { timeout: 10_000 },
  reporter: [['list'], ['./count.ts']],
  use: {
    locale: 'en-US',
    colorScheme: 'light',
    actionTimeout: 10_000,
    navigationTimeout: 20_000,
    trace: 'retain-on-failure',
    screenshot: 'only-on-failure',
  },
  projects: [
    {
      name: 'chromium',
      use: {
        ...devices['Desktop Chrome'],
        launchOptions: { args: flags, executablePath: found && !found.own ? found.path : undefined },
      },
    },
    ...(other
      ? [
          {
            name: 'firefox',
            // What only Chromium can be told to do, by settings or by its own protocol.
            grepInvert: /@chromium/,
            use: {
              ...devices['Desktop Firefox'],
              ...(other.own ? {} : { channel: 'moz-firefox', launchOptions: { executablePath: other.path } }),
            },
          },
        ]
      : []),
  ],
});
