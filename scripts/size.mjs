// The first load, measured as a browser gets it from the built server. Prints a table and fails over budget.

import { firstLoad } from '../end2end/first-load.mjs';
import { Instance } from '../end2end/instance.mjs';

const BUDGET = 200_000; // bytes on the way, compressed with brotli

const server = await Instance.start();
try {
  const files = await firstLoad(server.url);
  for (const kind of ['.js', '.wasm', '.css']) {
    if (!files.some(({ path }) => path.endsWith(kind))) throw new Error(`The page names no ${kind} file; nothing to measure.`);
  }

  const bytes = (n) => n.toLocaleString('en').padStart(11);
  let total = 0;
  console.log('first load'.padEnd(28), '      bytes', ' on the way');
  for (const { path, sent, content } of files) {
    total += sent;
    console.log(path.padEnd(28), bytes(content.length), bytes(sent));
  }
  console.log('total'.padEnd(28), ' '.repeat(11), bytes(total), `of ${BUDGET.toLocaleString('en')}`);
  if (total > BUDGET) {
    console.error(`The first load is ${total - BUDGET} bytes over its budget.`);
    process.exitCode = 1;
  }
} finally {
  await server.stop();
}
