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
  // A test that needs a retry hides a race: on a developer's machine there are no retries; in CI they are listed at the end.
  retries: process.env.CI ? 1 : 0,
  timeout: 45_000,
  expect: { timeout: 10_000 },
  reporter: [['list'], ['./count.ts']],
  use: {
    locale: 'en-US',
    colorScheme: 'light',
    actionTimeout: 10_000,
    navigationTimeout: 20_000,
    // Traces make a run half as long again.
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
            // Tests that only Chromium supports, through settings or its own protocol.
            grepInvert: /@chromium/,
            // With WebDriver BiDi, Playwright can neither change responses nor show bodies of requests, and changes the page for
            // screenshots. These specs do not need that.
            ...(other.own ? {} : { testMatch: /\/(gate|landing|navigation-stopped|origin|sign-in|sign-out|step-up|user)\.spec\.ts$/ }),
            use: {
              ...devices['Desktop Firefox'],
              ...(other.own ? {} : { channel: 'moz-firefox', launchOptions: { executablePath: other.path } }),
            },
          },
        ]
      : []),
  ],
});
