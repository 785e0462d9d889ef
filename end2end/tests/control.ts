/** The provider's switches, over its control API. */
export class Control {
  constructor(private readonly origin: string) {}

  /** Turns switches; what is not named keeps its place. */
  set(switches: object) {
    return this.send('PATCH', '/control/switches', switches);
  }

  /** All switches off. Sessions, codes and tokens stay. */
  calm() {
    return this.send('PUT', '/control/switches', {});
  }

  /** As it starts: switches off, nobody signed in, no token good. */
  reset() {
    return this.send('POST', '/control/reset');
  }

  /** Tokens of Alice, as a sign-in would give them. */
  async tokens(wanted: object = {}): Promise<{ access_token: string; id_token: string }> {
    return (await this.send('POST', '/control/tokens', { username: 'alice', ...wanted })).json();
  }

  /** Ends a person's sessions at the provider, and with them the refresh tokens. */
  async endSessions(username: string) {
    await this.send('POST', '/control/sessions/end', { username });
    await this.send('POST', '/control/families/revoke', { username });
  }

  /** Registers a client, or replaces the one with this `id`. */
  client(client: { id: string; [setting: string]: unknown }) {
    return this.send('PUT', '/control/clients', client);
  }

  /** So many seconds ahead of the computer's clock. */
  clock(shift: number) {
    return this.send('POST', '/control/clock', { shift });
  }

  /** How often the token endpoint was asked since the last reset. */
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
