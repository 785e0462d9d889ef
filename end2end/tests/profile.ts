// A separate Chromium with changed settings, which are stored in its profile.

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from '@playwright/test';
import { test as base } from './fixtures';

export const test = base.extend<{ preferences: object }>({
  /** Chromium's preferences, by their names in its profile. */
  preferences: [{}, { option: true }],
  context: async ({ preferences, launchOptions, actionTimeout, baseURL, locale }, use) => {
    const profile = await mkdtemp(join(tmpdir(), 'pixygate-profile-'));
    await mkdir(join(profile, 'Default'));
    await writeFile(join(profile, 'Default', 'Preferences'), JSON.stringify(preferences));
    const context = await chromium.launchPersistentContext(profile, {
      ...launchOptions,
      // Playwright's default lets every page open windows.
      ignoreDefaultArgs: ['--disable-popup-blocking'],
      baseURL,
      locale,
    });
    context.setDefaultTimeout(actionTimeout ?? 0);
    await use(context);
    await context.close();
    await rm(profile, { recursive: true, force: true });
  },
  // The browser opens with one page.
  page: async ({ context }, use) => use(context.pages()[0] ?? (await context.newPage())),
});
