import { defineConfig } from '@playwright/test';
import config from './playwright.config';

/** The whole flow with providers that are not ours, and the table that it writes: docs/interop.md. */
export default defineConfig({
  ...config,
  testDir: 'interop',
  outputDir: 'test-results/interop',
  fullyParallel: true,
  timeout: 90_000,
  reporter: [['list'], ['./interop/table.ts'], ['./count.ts']],
  projects: config.projects!.filter(({ name }) => name === 'chromium'),
});
