import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from '@playwright/test';
import { Instance } from '../instance.mjs';
import { signedOut, signOutButton, verified } from '../tests/fixtures';
import { FEATURES, type Column, type Feature } from './features';
import { Observed } from './observed';
import type { Provider } from './providers/provider';
import { shapes } from './shapes';
import { World } from './world';

/** The features, each as a test of the user's actions. A shape may declare a difference, with a check of it. */
const steps: Record<Feature, (world: World) => Promise<void>> = {
  'sign in': async (world) => {
    await world.signIn();
    await world.signedIn();
    await world.page.waitForURL(`${world.instance.url}/`);
  },

  'server function': async (world) => {
    await world.call();
    await expect(verified(world.page)).toContainText(world.provider.issuer);
  },

  'second tab': async (world) => {
    world.second = await world.context.newPage();
    await world.second.goto(world.instance.url);
    await world.signedIn(world.second);
    await world.call(world.second);
  },

  reload: async (world) => {
    await world.page.reload();
    await world.signedIn();
  },

  'refresh across expiry': async (world) => {
    const { observed, page, second } = world;
    await observed.complete();
    const before = { answers: observed.answers.length };
    const old = observed.answers.findLast(({ status }) => status === 200)!.body.access_token;
    await world.renewable();
    const calls = observed.calls.length;
    await Promise.all([page, second].map((tab) => world.call(tab)));
    await observed.complete();
    // With DPoP, the first response may only contain a nonce.
    const answers = observed.answers.slice(before.answers).filter(({ body }) => body.error !== 'use_dpop_nonce');
    expect(answers.length, 'refreshes').toBeGreaterThanOrEqual(1);
    expect(new Set(answers.map(({ grant, status }) => `${grant} ${status}`))).toEqual(new Set(['refresh_token 200']));
    // The tabs take turns: a rotated token is never sent twice.
    const sent = answers.map(({ refreshToken }) => refreshToken);
    if (answers.some(({ body }) => body.refresh_token && body.refresh_token !== sent[0])) expect(new Set(sent).size).toBe(sent.length);
    const tokens = observed.calls.slice(calls).map(({ token }) => token);
    expect(tokens.length).toBeGreaterThanOrEqual(2);
    const fresh = answers.map(({ body }) => body.access_token);
    for (const token of tokens) expect(fresh, 'a new token in every call').toContain(token);
    expect(tokens).not.toContain(old);
    await world.signedIn();
  },

  'step-up': async (world) => {
    expect(await world.confirm('just now')).toEqual([200]);
    await world.provider.signedInEarlier!(400);
    await world.renewable();
    const statuses = await world.confirm('still me', () => world.provider.password!(world.page));
    expect(statuses, 'refused once, made once').toEqual([401, 200]);
    await world.signedIn();
  },

  'sign out': async ({ page, second, provider, instance }) => {
    await signOutButton(page).click();
    await provider.leave?.(page);
    await page.waitForURL(`${instance.url}/`);
    await signedOut(page);
    await signedOut(second);
    await second.close();
  },

  'session ended at the provider': async (world) => {
    // The password is requested again, because the sign-out also ended the session at the provider.
    await world.signIn();
    await world.signedIn();
    const there = await world.context.newPage();
    await world.provider.end(there);
    await there.close();
    await world.renewable();
    await world.account();
    await signedOut(world.page);
    const last = (await world.observed.complete()).answers.at(-1);
    expect([last?.grant, last?.status, last?.body.error]).toEqual(['refresh_token', 400, 'invalid_grant']);
  },
};

/** The codes of faults and warnings in a report of the doctor. */
function findings(report: string): string[] {
  const { checks } = JSON.parse(report) as { checks: { findings: { code: string; severity: string }[] }[] };
  return checks.flatMap(({ findings }) => findings.filter(({ severity }) => severity !== 'note').map(({ code }) => code));
}

for (const shape of shapes) {
  test(`${shape.product.name}: ${shape.name}`, async ({ page, context }, info) => {
    const missing = await shape.product.missing();
    // In CI nothing may be skipped; elsewhere it is reported and counted.
    if (missing && process.env.CI) throw new Error(missing);
    test.skip(!!missing, missing);

    const column: Column = {
      of: shapes.length,
      product: shape.product.name,
      version: await shape.product.version(),
      shape: shape.name,
      features: {},
      traits: {},
      also: [],
    };
    const faults: string[] = [];
    const instance = await Instance.prepare();
    let provider: Provider | undefined;
    try {
      const running = await shape.start({ port: instance.ports.provider, folder: instance.folder, app: instance.url });
      provider = running;
      await writeFile(join(instance.folder, 'pixygate.toml'), shape.settings(running));
      await instance.up();
      const ours = (url?: string) => url?.startsWith(instance.url);
      context.on('console', (message) => {
        const told = /content security policy|refused to|panicked|hydration/i.test(message.text());
        if (told && ours(message.page()?.url())) faults.push(message.text());
      });
      context.on('weberror', (error) => {
        if (ours(error.page()?.url())) faults.push(String(error.error()));
      });

      await test.step('doctor', async () => {
        const { stdout, stderr } = await instance.run(['doctor', '--json']);
        await info.attach('doctor.json', { body: stdout || stderr, contentType: 'application/json' });
        expect(findings(stdout), stdout).toEqual(shape.doctor ?? []);
      });

      const observed = await Observed.begin(context, running, instance.url);
      const world = new World(shape, context, page, instance, running, observed);
      for (const feature of FEATURES) {
        const gap = shape.gaps?.[feature];
        const usual = () => steps[feature](world);
        await test.step(feature, () => (gap ? gap.shown(world, usual) : usual()));
        // A browser discards the responses of a page that was left, and the next step may leave it.
        await observed.complete();
        column.features[feature] = gap?.because ?? 'yes';
        if (gap?.end) break;
      }
      for (const [what, check] of Object.entries(shape.also ?? {})) {
        await test.step(what, () => check(world));
        column.also.push(what);
      }
      column.traits = (await observed.complete()).traits();
      expect(column.traits).toMatchObject(shape.traits ?? {});
    } finally {
      await info.attach('server.log', { body: instance.log, contentType: 'text/plain' });
      await instance.stop();
      await provider?.stop();
    }
    expect(faults, 'violations of the CSP, panics, script errors').toEqual([]);
    await info.attach('column', { body: JSON.stringify(column), contentType: 'application/json' });
  });
}
