// What the first page fetches at once, as the built server sends it to a browser that takes brotli.

import { get } from 'node:http';
import { brotliDecompressSync } from 'node:zlib';

/** One file: the bytes on the way, and what they are. Node's `fetch` would hide the former. */
function fetched(url) {
  return new Promise((resolve, reject) => {
    get(url, { headers: { 'accept-encoding': 'br' } }, (response) => {
      const parts = [];
      response.on('data', (part) => parts.push(part));
      response.on('end', () => {
        const sent = Buffer.concat(parts);
        if (response.statusCode !== 200) return reject(new Error(`${url} answers ${response.statusCode}`));
        const compressed = response.headers['content-encoding'] === 'br';
        resolve({ sent: sent.length, content: compressed ? brotliDecompressSync(sent) : sent });
      });
    }).on('error', reject);
  });
}

/**
 * The page and the files that it names, in whatever form: src, href, or a string in the hydration script. So a renamed or an added
 * file counts too.
 */
export async function firstLoad(address) {
  const html = await fetched(address);
  const named = new Set(html.content.toString().match(/\/[\w./-]+\.(?:js|wasm|css|svg|woff2)\b/g) ?? []);
  const files = [{ path: '/', ...html }];
  for (const path of named) {
    const file = await fetched(new URL(path, address));
    files.push({ path, ...file });
    // What a script imports at once is part of the first load; what it imports when it is needed is not.
    if (!path.endsWith('.js')) continue;
    for (const [, name] of file.content.toString().matchAll(/(?:from|import)\s*["'](\.\/[^"']+\.js)["']/g)) {
      named.add(new URL(name, new URL(path, address)).pathname);
    }
  }
  return files;
}
