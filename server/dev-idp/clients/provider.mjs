// The provider as a separate process, and a user who signs in without a browser.

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));

export const redirectUri = 'http://localhost:3000/callback';
export const home = 'http://localhost:3000/';

/** Starts it on a free port, with further redirect URIs. `DEV_IDP` names the program; `./run` sets it. */
export async function start(...redirectUris) {
  const options = ['--listen', '127.0.0.1:0', '--config', join(here, 'provider.toml')];
  const more = redirectUris.flatMap((uri) => ['--redirect-uri', uri]);
  const child = spawn(process.env.DEV_IDP, [...options, ...more], { stdio: ['ignore', 'pipe', 'ignore'] });
  for await (const line of createInterface({ input: child.stdout })) {
    const [, origin] = line.match(/^Development provider: (http:\S+)\/$/) ?? [];
    if (origin) {
      return {
        origin,
        base: `${origin}/t/demo`,
        issuer: `${origin}/t/demo/oauth2/token`,
        stop: () => child.kill(),
        control: (method, path, body) => control(origin, method, path, body),
      };
    }
  }
  throw new Error('the provider did not start');
}

async function control(origin, method, path, body) {
  const response = await fetch(`${origin}/control/${path}`, {
    method,
    headers: { 'content-type': 'application/json' },
    body: body && JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
  return response.json();
}

/** An HTTP client with the cookies of a browser. */
export class Person {
  #cookies = new Map();

  async #fetch(url, init) {
    const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const response = await fetch(url, { ...init, redirect: 'manual', headers: { cookie } });
    for (const line of response.headers.getSetCookie()) {
      const [name, value] = line.split(';')[0].split('=');
      this.#cookies.set(name, value);
    }
    return response;
  }

  /** Opens a URL of the provider. Returns the URL that it redirects to. */
  async open(url) {
    const response = await this.#fetch(url);
    const location = response.headers.get('location');
    if (!location) throw new Error(`${response.status} ${await response.text()}`);
    return new URL(location);
  }

  /** Opens the authorization request and signs in if asked. Returns the callback. */
  async signIn(url, name = 'alice') {
    const page = await this.open(url);
    if (!page.pathname.includes('/signin/')) return page;
    const body = new URLSearchParams({ answer: 'sign_in', username: name, password: name });
    const response = await this.#fetch(page, { method: 'POST', body });
    return new URL(response.headers.get('location'));
  }
}
