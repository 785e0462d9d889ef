// Searches for secrets in all places where a page could leave them.

import type { Page, Request } from '@playwright/test';
import type { Instance } from '../instance.mjs';

/** Every secret of the flow, by name: read from the traffic. */
export class Secrets {
  readonly found = new Map<string, string>();
  private readonly pending: Promise<unknown>[] = [];

  constructor(page: Page, instance: Instance) {
    page.context().on('requestfinished', (request) => this.pending.push(this.read(request, instance)));
  }

  private async read(request: Request, instance: Instance) {
    if (request.method() !== 'POST' || request.url() !== instance.tokenEndpoint) return;
    const form = new URLSearchParams(request.postData() ?? '');
    for (const name of ['code', 'code_verifier', 'refresh_token']) this.keep(`${name} sent`, form.get(name));
    const body = await (await request.response())!.json();
    for (const name of ['access_token', 'refresh_token', 'id_token']) this.keep(name, body[name]);
  }

  private keep(name: string, value: string | null | undefined) {
    if (value) this.found.set(name, value);
  }

  async complete() {
    await Promise.all(this.pending);
    return this.found;
  }
}

/** Everything that the page, its storage and its history contain, as text, by place. */
export async function remains(page: Page): Promise<Map<string, string>> {
  const inPage = await page.evaluate(async () => {
    // Binary values are searched as text, too: a buffer may contain a token.
    const bytes = (buffer: ArrayBuffer | ArrayBufferView) => {
      const view = ArrayBuffer.isView(buffer)
        ? new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength)
        : new Uint8Array(buffer);
      return Array.from(view, (byte) => String.fromCharCode(byte)).join('');
    };
    const text = (value: unknown): string => {
      if (value instanceof CryptoKey) return `CryptoKey(${value.type}, extractable: ${value.extractable})`;
      if (value instanceof ArrayBuffer || ArrayBuffer.isView(value)) return bytes(value);
      if (Array.isArray(value)) return value.map(text).join('\n');
      if (value instanceof Map) return [...value].map(text).join('\n');
      if (value && typeof value === 'object') return Object.entries(value).map(([k, v]) => `${k}=${text(v)}`).join('\n');
      return String(value);
    };
    const request = <T>(it: IDBRequest<T>) =>
      new Promise<T>((resolve, reject) => {
        it.onsuccess = () => resolve(it.result);
        it.onerror = () => reject(it.error);
      });
    const database = async (name: string) => {
      const db = await request(indexedDB.open(name));
      const stores = await Promise.all(
        Array.from(db.objectStoreNames, async (store) => {
          const it = db.transaction(store).objectStore(store);
          const [keys, values] = await Promise.all([request(it.getAllKeys()), request(it.getAll())]);
          return `${store}: ${text(keys)}\n${text(values)}`;
        }),
      );
      db.close();
      return stores.join('\n');
    };
    const databases = await indexedDB.databases();
    const caches_ = await caches.keys();
    const navigation_ = (globalThis as unknown as { navigation?: { entries(): { url: string }[] } }).navigation;
    return {
      'local storage': JSON.stringify({ ...localStorage }),
      'session storage': JSON.stringify({ ...sessionStorage }),
      'cookies that scripts see': document.cookie,
      address: location.href,
      'history (entries)': JSON.stringify(navigation_?.entries().map((entry) => entry.url) ?? []),
      'history (state)': JSON.stringify(history.state),
      referrer: document.referrer,
      'window name': window.name,
      document: document.documentElement.outerHTML,
      caches: caches_.join(),
      IndexedDB: (await Promise.all(databases.map(({ name }) => database(name!)))).join('\n'),
    };
  });
  const cookies = (await page.context().cookies()).filter((cookie) => new URL(page.url()).hostname === cookie.domain);
  const html = await (await page.request.get(page.url())).text();
  return new Map([...Object.entries(inPage), ['cookies', JSON.stringify(cookies)], ['the HTML as served', html]]);
}

/** The places where a secret, or anything in the form of a JWT, is found unencrypted. */
export function leaks(secrets: Map<string, string>, places: Map<string, string>): string[] {
  const found: string[] = [];
  for (const [place, content] of places) {
    for (const [name, secret] of secrets) if (content.includes(secret)) found.push(`${name} in ${place}`);
    if (/eyJ[\w-]{8,}\.eyJ[\w-]{8,}/.test(content)) found.push(`something like a JWT in ${place}`);
  }
  return found;
}
