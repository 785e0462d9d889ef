/** The provider's switches, over its control API. */
export class Control {
  private turned = false;

  constructor(private readonly origin: string) {}

  /** Turns switches; what is not named keeps its place. */
  async set(switches: object) {
    this.turned = true;
    await this.send('PATCH', '/control/switches', switches);
  }

  /** As it starts by default. */
  async reset() {
    if (this.turned) await this.send('DELETE', '/control/switches');
    this.turned = false;
  }

  /** How often the token endpoint was asked since the last reset. */
  async tokenRequests(): Promise<number> {
    const response = await fetch(`${this.origin}/control/requests`);
    const requests: { path: string }[] = await response.json();
    return requests.filter(({ path }) => path.endsWith('/oauth2/token')).length;
  }

  private async send(method: string, path: string, body?: object) {
    const response = await fetch(this.origin + path, {
      method,
      headers: body ? { 'content-type': 'application/json' } : undefined,
      body: body && JSON.stringify(body),
    });
    if (!response.ok) throw new Error(`${method} ${path} answers ${response.status}: ${await response.text()}`);
  }
}
