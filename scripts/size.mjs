// The first load, measured as a browser would get it: the files that the page names, served by the built server.
// Prints a table and fails over budget.
//
// The HTML counts as it is sent; JavaScript, WASM and CSS are found in it, so that a renamed or an added file counts too.

import { brotliCompressSync, constants } from 'node:zlib';
import { Instance } from '../end2end/instance.mjs';

const BUDGET = 200_000; // bytes, brotli 11

const compressed = (bytes) =>
  brotliCompressSync(bytes, {
    params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length },
  }).length;

async function fetched(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url} answers ${response.status}`);
  return Buffer.from(await response.arrayBuffer());
}

const server = await Instance.start();
try {
  const html = await fetched(server.url);
  const text = html.toString();
  // Named by the page, in whatever form: src, href, or a string in the hydration script.
  const named = new Set(text.match(/\/[\w./-]+\.(?:js|wasm|css|svg|woff2)\b/g) ?? []);
  const rows = [['/', html]];
  for (const path of named) {
    const content = await fetched(new URL(path, server.url));
    rows.push([path, content]);
    // What a script imports at once is part of the first load; what it imports when it is needed is not.
    if (!path.endsWith('.js')) continue;
    for (const [, name] of content.toString().matchAll(/(?:from|import)\s*["'](\.\/[^"']+\.js)["']/g)) {
      named.add(new URL(name, new URL(path, server.url)).pathname);
    }
  }

  for (const kind of ['.js', '.wasm', '.css']) {
    if (!rows.some(([path]) => path.endsWith(kind))) throw new Error(`The page names no ${kind} file; nothing to measure.`);
  }

  const bytes = (n) => n.toLocaleString('en').padStart(11);
  let total = 0;
  console.log('first load'.padEnd(28), '      bytes', ' brotli 11');
  for (const [path, content] of rows) {
    const size = compressed(content);
    total += size;
    console.log(path.padEnd(28), bytes(content.length), bytes(size));
  }
  console.log('total'.padEnd(28), ' '.repeat(11), bytes(total), `of ${BUDGET.toLocaleString('en')}`);
  if (total > BUDGET) {
    console.error(`The first load is ${total - BUDGET} bytes over its budget.`);
    process.exitCode = 1;
  }
} finally {
  await server.stop();
}
