// The applications that Pixygate is compared with, built for production, and an optimal server for them: compressed with brotli, script
// files immutable, the page itself never cached.

import { createHash, createPublicKey, verify } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { brotliCompressSync } from 'node:zlib';
import { build } from 'esbuild';

const here = (name) => new URL(`apps/${name}`, import.meta.url).pathname;

export async function bundle(name) {
  const { outputFiles } = await build({
    entryPoints: [here(name)],
    bundle: true,
    minify: true,
    write: false,
    format: 'esm',
    target: 'es2022',
    jsx: 'automatic',
    define: { 'process.env.NODE_ENV': '"production"', global: 'globalThis' },
    logLevel: 'error',
  });
  return outputFiles[0].contents;
}

const page = (script, config, body) => `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Bench</title><link rel="icon" href="data:,">
<link rel="modulepreload" href="${script}">
<script type="application/json" id="config">${JSON.stringify(config).replace(/</g, '\\u003c')}</script>
<script type="module" src="${script}"></script>
</head>
<body>${body}</body>
</html>`;

/** A body for the hand-written page, which fills it in; the other applications render theirs. */
const byHand = `<header><a href="/">Bench</a> <a href="/account">Account</a> <span id="name" hidden></span></header>
<main><h1>The landing page</h1><button hidden>Sign in</button><p id="answer" hidden></p></main>`;

function verified(token, keys) {
  const [head, payload, signature] = token.split('.');
  const { kid } = JSON.parse(Buffer.from(head, 'base64url'));
  const key = createPublicKey({ key: keys.find((key) => key.kid === kid), format: 'jwk' });
  if (!verify('sha256', Buffer.from(`${head}.${payload}`), key, Buffer.from(signature, 'base64url'))) throw new Error('signature');
  const claims = JSON.parse(Buffer.from(payload, 'base64url'));
  if (claims.exp * 1000 < Date.now()) throw new Error('expired');
  return claims;
}

/** Serves one of the applications. */
export async function serve(name, code, { port, metadata, keys, clientId }) {
  const origin = `http://localhost:${port}`;
  const script = `/${createHash('sha256').update(code).digest('hex').slice(0, 16)}.js`;
  const compressed = brotliCompressSync(code);
  const html = brotliCompressSync(page(script, { metadata, keys, clientId, origin }, name === 'by-hand' ? byHand : '<div id="root"></div>'));
  const server = createServer((request, response) => {
    const send = (status, type, body, headers = {}) =>
      response.writeHead(status, { 'content-type': type, 'content-length': body.length, ...headers }).end(body);
    const { pathname } = new URL(request.url, origin);
    if (pathname === script)
      return send(200, 'text/javascript', compressed, { 'content-encoding': 'br', 'cache-control': 'public, max-age=31536000, immutable' });
    if (pathname === '/api/whoami') {
      try {
        const { iss, sub, scope } = verified(request.headers.authorization.slice('Bearer '.length), keys);
        return send(200, 'application/json', Buffer.from(JSON.stringify({ iss, sub, scope })), { 'cache-control': 'no-store' });
      } catch {
        return send(401, 'application/json', Buffer.from('{}'));
      }
    }
    return send(200, 'text/html', html, { 'content-encoding': 'br', 'cache-control': 'no-store' });
  }).listen(port, '127.0.0.1');
  await once(server, 'listening');
  return { origin, stop: () => (server.closeAllConnections(), server.close()) };
}
