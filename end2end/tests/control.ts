/** The provider's switches, over its control API. */
export class Control {
  constructor(private readonly origin: string) {}

  /** Changes switches; others stay as they are. */
  set(switches: object) {
    return this.send('PATCH', '/control/switches', switches);
  }

  /** All switches off. Sessions, codes and tokens stay. */
  calm() {
    return this.send('PUT', '/control/switches', {});
  }

  /** Resets everything: switches off, no sessions, no valid tokens. */
  reset() {
    return this.send('POST', '/control/reset');
  }

  /** Returns tokens of Alice, as a sign-in would. */
  async tokens(wanted: object = {}): Promise<{ access_token: string; id_token: string }> {
    return (await this.send('POST', '/control/tokens', { username: 'alice', ...wanted })).json();
  }

  /** Ends a user's sessions at the provider, and revokes their refresh tokens. */
  async endSessions(username: string) {
    await this.send('POST', '/control/sessions/end', { username });
    await this.send('POST', '/control/families/revoke', { username });
  }

  /** Registers a client, or replaces the one with this `id`. */
  client(client: { id: string; [setting: string]: unknown }) {
    return this.send('PUT', '/control/clients', client);
  }

  /** Sets the clock to this many seconds ahead of the computer's. */
  clock(shift: number) {
    return this.send('POST', '/control/clock', { shift });
  }

  /** The number of requests to the token endpoint since the last reset. */
  async tokenRequests(): Promise<number> {
    const requests: { method: string; path: string }[] = await (await this.send('GET', '/control/requests')).json();
    return requests.filter(({ method, path }) => method === 'POST' && path.endsWith('/oauth2/token')).length;
  }

  private async send(method: string, path: string, body?: object) {
    const response = await fetch(this.origin + path, {
      method,
      headers: body ? { 'content-type': 'application/json' } : undefined,
      body: body && JSON.stringify(body),
    });
    if (!response.ok) throw new Error(`${method} ${path} answers ${response.status}: ${await response.text()}`);
    return response;
  }
}
