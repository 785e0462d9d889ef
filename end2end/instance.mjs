// A running Pixygate with its own ports and folder, with its embedded provider or an independent one.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const target = process.env.CARGO_TARGET_DIR ?? join(root, 'target');

/** How long a start may take. */
const PATIENCE = 30_000;

/** Ports that nothing listens on. */
export async function freePorts(count) {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer().listen(0, '127.0.0.1');
      await once(server, 'listening');
      return server;
    }),
  );
  const ports = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => once(server.close(), 'close')));
  return ports;
}

export class Instance {
  /** Starts the binary with its embedded provider, and waits until it is ready. */
  static async start(settings = {}) {
    const instance = await Instance.prepare();
    await instance.up(settings);
    return instance;
  }

  /** Its ports and its folder, without a running process: an independent provider needs the application's address first. */
  static async prepare() {
    const [app, provider] = await freePorts(2);
    return new Instance(app, provider, await mkdtemp(join(tmpdir(), 'pixygate-')));
  }

  constructor(app, provider, folder) {
    /** The URL of the application. It is another site than the provider, so that cross-site rules apply. */
    this.url = `http://localhost:${app}`;
    this.provider = `http://127.0.0.1:${provider}`;
    this.tenant = `${this.provider}/t/demo`;
    this.issuer = `${this.tenant}/oauth2/token`;
    this.tokenEndpoint = `${this.tenant}/oauth2/token`;
    this.jwksUri = `${this.tenant}/oauth2/jwks`;
    this.authorizationEndpoint = `${this.tenant}/oauth2/authorize`;
    this.folder = folder;
    this.ports = { app, provider };
    this.log = '';
  }

  /** Where it is, as its settings say it. */
  get place() {
    return {
      PIXYGATE_SERVER__LISTEN: `127.0.0.1:${this.ports.app}`,
      PIXYGATE_SERVER__PUBLIC_URL: this.url,
      PIXYGATE_DEV_IDP__LISTEN: `127.0.0.1:${this.ports.provider}`,
    };
  }

  /** Runs the binary in its folder. */
  spawn(args, settings) {
    const binary = process.env.PIXYGATE_BINARY ?? join(target, 'debug', 'pixygate');
    if (!existsSync(binary)) throw new Error(`${binary} is missing: cargo build -p server`);
    const site = process.env.PIXYGATE_SITE ?? join(target, 'site-test');
    if (!existsSync(site)) throw new Error(`${site} is missing: make test builds it`);
    return spawn(binary, args, {
      // A folder without pixygate.toml, or with that of the test: no other settings apply.
      cwd: this.folder,
      env: {
        PATH: process.env.PATH,
        HOME: process.env.HOME,
        TMPDIR: this.folder,
        RUST_BACKTRACE: '1',
        RUST_LOG: process.env.RUST_LOG ?? 'info',
        PIXYGATE_SITE: site,
        ...settings,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  }

  /**
   * Runs a command to its end.
   * @param {string[]} args
   * @param {Record<string, string>} settings
   * @param {(stderr: string) => void} said gets all that it has written to standard error so far
   */
  async run(args, settings = this.place, said = () => {}) {
    const child = this.spawn(args, settings);
    let [stdout, stderr] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text) => said((stderr += text)));
    const [status] = await once(child, 'close');
    return { status, stdout, stderr };
  }

  /**
   * Starts the server.
   * @param {Record<string, string>} settings
   * @param {Record<string, string>} place
   */
  async up(settings = {}, place = this.place) {
    this.process = this.spawn([], { ...place, ...settings });
    for (const stream of [this.process.stdout, this.process.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => (this.log += text));
    }
    await this.ready();
  }

  async ready() {
    const deadline = Date.now() + PATIENCE;
    for (;;) {
      if (this.process.exitCode !== null) throw new Error(`The server ended with ${this.process.exitCode}:\n${this.log}`);
      const answer = await fetch(new URL('/readyz', this.url)).catch(() => undefined);
      if (answer?.ok) return;
      if (Date.now() > deadline) {
        await this.stop();
        throw new Error(`The server is not ready after ${PATIENCE / 1000} s:\n${this.log}`);
      }
      await pause(50);
    }
  }

  /** Restarts the binary at the same address, with other settings. */
  async restart(settings = {}) {
    await this.down();
    await this.up(settings);
  }

  async stop() {
    await this.down();
    await rm(this.folder, { recursive: true, force: true });
  }

  async down() {
    if (this.process && this.process.exitCode === null && this.process.signalCode === null) {
      const exit = once(this.process, 'exit');
      this.process.kill('SIGTERM');
      const forced = setTimeout(() => this.process.kill('SIGKILL'), 5_000);
      await exit;
      clearTimeout(forced);
    }
  }
}
