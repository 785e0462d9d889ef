import { defineConfig } from '@playwright/test';
import config from './playwright.config';

/** The whole flow with third-party providers, and the table of its results: docs/interop.md. */
export default defineConfig({
  ...config,
  testDir: 'interop',
  outputDir: 'test-results/interop',
  fullyParallel: true,
  // The slowest test waits for six token lifetimes.
  timeout: 150_000,
  reporter: [['list'], ['./interop/table.ts'], ['./count.ts']],
  projects: config
    .projects!.filter(({ name }) => name === 'chromium')
    .map(({ use, ...project }) => {
      const { args = [], ...launch } = use!.launchOptions!;
      // Providers' pages may load fonts from other hosts; no step may depend on them. `route` cannot block them, because it would
      // answer CORS preflights instead of the provider.
      const alone = '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1';
      return { ...project, use: { ...use, launchOptions: { ...launch, args: [...args, alone] } } };
    }),
});
