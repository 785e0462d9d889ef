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
  // A test that needs a second try hides a race: on a developer's machine none gets one, elsewhere it is named at the end.
  retries: process.env.CI ? 1 : 0,
  timeout: 45_000,
  expect: { timeout: 10_000 },
  reporter: [['list'], ['./count.ts']],
  use: {
    locale: 'en-US',
    colorScheme: 'light',
    actionTimeout: 10_000,
    navigationTimeout: 20_000,
    // A trace of every test makes the run half as long again.
    trace: process.env.CI ? 'on-first-retry' : 'retain-on-failure',
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
            // By WebDriver BiDi Playwright changes no answer on its way, shows no body of a request, and writes into the page for a
            // screenshot. These specs do without.
            ...(other.own ? {} : { testMatch: /\/(gate|landing|left-page|origin|sign-in|sign-out|step-up|user)\.spec\.ts$/ }),
            use: {
              ...devices['Desktop Firefox'],
              ...(other.own ? {} : { channel: 'moz-firefox', launchOptions: { executablePath: other.path } }),
            },
          },
        ]
      : []),
  ],
});
