import type { BrowserContext, Response } from '@playwright/test';
import type { Provider } from './providers/provider';

type Json = Record<string, unknown>;

/** A response of the token endpoint, with its request. */
interface Answer {
  grant: string;
  /** The refresh token in the request. */
  refreshToken: string | null;
  status: number;
  body: Json;
}

interface Call {
  status: number;
  scheme?: string;
  token?: string;
  body: Json;
}

/** The provider's responses, for the table. No token is stored beyond the test. */
export class Observed {
  readonly answers: Answer[] = [];
  /** The calls of the server function: the token of each, and the response. */
  readonly calls: Call[] = [];
  private readonly reading: Promise<void>[] = [];
  private callback?: URLSearchParams;

  static async begin(context: BrowserContext, provider: Provider, app: string) {
    const place = provider.discovery ?? `${provider.issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
    const metadata = await json(place);
    const { keys } = await json(String(metadata.jwks_uri));
    return new Observed(context, metadata, keys as Json[], app);
  }

  private constructor(
    context: BrowserContext,
    readonly metadata: Json,
    private readonly keys: Json[],
    app: string,
  ) {
    context.on('request', (request) => {
      const url = new URL(request.url());
      if (url.origin === app && url.pathname === '/callback' && request.isNavigationRequest()) this.callback = url.searchParams;
    });
    context.on('response', (response) => {
      const url = new URL(response.url());
      if (response.url() === metadata.token_endpoint && response.request().method() === 'POST') this.reading.push(this.token(response));
      if (url.origin === app && url.pathname === '/api/whoami') this.reading.push(this.call(response));
    });
  }

  private async token(response: Response) {
    const body = (await response.json().catch(() => ({}))) as Json;
    const form = new URLSearchParams(response.request().postData() ?? '');
    const [grant, refreshToken] = [form.get('grant_type') ?? '', form.get('refresh_token')];
    this.answers.push({ grant, refreshToken, status: response.status(), body });
  }

  private async call(response: Response) {
    // In the order of the responses: the page never reads the response of a call that it repeats.
    const call: Call = { status: response.status(), body: {} };
    this.calls.push(call);
    [call.scheme, call.token] = (await response.request().allHeaders())['authorization']?.split(' ') ?? [];
    call.body = (await response.json().catch(() => ({}))) as Json;
  }

  /** Waits until every received response is read. */
  async complete() {
    await Promise.all(this.reading);
    return this;
  }

  /** The tokens of the sign-in, and of the last refresh. */
  get first() {
    return this.answers.find(({ grant, status }) => grant === 'authorization_code' && status === 200)?.body;
  }

  refreshes() {
    return this.answers.filter(({ grant }) => grant === 'refresh_token');
  }

  /** The expiry of the newest access token, in milliseconds since 1970. */
  async expiry() {
    await this.complete();
    const { access_token, expires_in } = this.answers.findLast(({ status }) => status === 200)!.body;
    const exp = decoded(access_token)?.payload.exp;
    return typeof exp === 'number' ? exp * 1000 : Date.now() + Number(expires_in) * 1000;
  }

  /** The columns of the second table for this provider. */
  traits(): Record<string, string> {
    const id = decoded(this.first?.id_token);
    if (!this.first || !id) return {};
    const access = decoded(this.first.access_token);
    const renewed = this.refreshes().find(({ status }) => status === 200)?.body;
    const has = (name: string) => (this.metadata[name] ? 'yes' : 'no');
    return {
      'ID token': `${id.header.alg}`,
      'name in the ID token': 'name' in id.payload ? 'yes' : 'no',
      '`aud` of the ID token': Array.isArray(id.payload.aud) ? 'a list' : 'a string',
      '`auth_time`': kind(id.payload.auth_time),
      'ID token on refresh': !renewed ? '' : !renewed.id_token ? 'no' : 'nonce' in decoded(renewed.id_token)!.payload ? 'yes, with the `nonce`' : 'yes',
      'its keys say': ['alg', 'use'].filter((member) => this.keys.every((key) => member in key)).map((member) => `\`${member}\``).join(', ') || 'neither `alg` nor `use`',
      'access token': access ? `JWT, \`typ\` ${access.header.typ ?? 'absent'}, ${access.header.alg}` : 'opaque',
      '… its `iss`': !access ? '' : access.payload.iss === this.metadata.issuer ? 'the issuer' : 'another than the issuer',
      '… its `aud`': !access ? '' : Array.isArray(access.payload.aud) ? 'a list' : kind(access.payload.aud),
      '… its client': !access ? '' : (['client_id', 'azp', 'cid'].find((claim) => claim in access.payload) ?? 'absent'),
      '… its `scope`': !access ? '' : 'scope' in access.payload ? kind(access.payload.scope) : 'absent',
      'scope in the token response': this.first.scope ? 'yes' : 'no',
      'token type': String(this.first.token_type),
      'refresh token': !this.first.refresh_token
        ? 'none'
        : !renewed
          ? ''
          : !renewed.refresh_token
            ? 'stays, not repeated'
            : renewed.refresh_token === this.first.refresh_token
              ? 'stays'
              : 'rotates',
      '`iss` in the callback': this.callback?.has('iss') ? 'yes' : 'no',
      '`session_state` in the callback': this.callback?.has('session_state') ? 'yes' : 'no',
      'DPoP advertised': has('dpop_signing_alg_values_supported'),
      'revocation endpoint': has('revocation_endpoint'),
      'end-session endpoint': has('end_session_endpoint'),
    };
  }
}

export function decoded(token: unknown) {
  const parts = String(token ?? '').split('.');
  if (parts.length !== 3) return undefined;
  const part = (index: number) => JSON.parse(Buffer.from(parts[index]!, 'base64url').toString()) as Json;
  return { header: part(0), payload: part(1) };
}

async function json(url: string) {
  return (await (await fetch(url)).json()) as Json;
}

function kind(value: unknown) {
  if (value === undefined) return 'absent';
  if (typeof value !== 'number') return Array.isArray(value) ? 'a list' : `a ${typeof value}`;
  return Number.isInteger(value) ? 'a whole number' : 'a fraction';
}
