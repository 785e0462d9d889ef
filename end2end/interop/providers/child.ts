import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** The time until a provider must respond, in milliseconds. */
const PATIENCE = 30_000;

/** Starts a provider as a separate program, and waits until `url` responds. Returns a function that stops it. */
export async function child(command: string, args: string[], env: Record<string, string>, folder: string, url: string) {
  const process_ = spawn(command, args, {
    cwd: folder,
    env: { PATH: process.env.PATH!, HOME: folder, LANG: 'C.UTF-8', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let log = '';
  for (const stream of [process_.stdout, process_.stderr]) stream.setEncoding('utf8').on('data', (text) => (log += text));
  const exit = once(process_, 'exit');
  const stop = async () => {
    if (process_.exitCode !== null || process_.signalCode !== null) return;
    process_.kill('SIGTERM');
    const forced = setTimeout(() => process_.kill('SIGKILL'), 5_000);
    await exit;
    clearTimeout(forced);
  };
  const deadline = Date.now() + PATIENCE;
  for (;;) {
    if (process_.exitCode !== null) throw new Error(`${command} ended with ${process_.exitCode}:\n${log.slice(0, 2_000)}`);
    const answer = await fetch(url).catch(() => undefined);
    if (answer?.ok) return stop;
    if (Date.now() > deadline) {
      await stop();
      throw new Error(`${command} does not answer at ${url} after ${PATIENCE / 1000} s:\n${log.slice(0, 2_000)}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
