import { createPrivateKey, generateKeyPairSync, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { Page } from '@playwright/test';
import OidcProvider, { type Configuration } from 'oidc-provider';
import type { Place, Provider } from './provider';

/** The lifetime of access tokens, in seconds. */
export const LIFETIME = 6;

export const RESOURCE = 'https://api.example/orders';

const CLIENT = 'the-client';

/** A confidential client for the gate's introspection of opaque tokens. */
export const GATE = { client_id: 'the-gate', client_secret: 'a secret between the gate and the provider' };

/**
 * By way of PEM: in Node 20 the export of a key stops for good when the job that made it is collected meanwhile, since both
 * take the key's lock.
 */
function jwk(alg: string, pem: unknown) {
  return { ...createPrivateKey(String(pem)).export({ format: 'jwk' }), kid: alg.toLowerCase(), alg, use: 'sig' };
}

const encoded = {
  publicKeyEncoding: { type: 'spki', format: 'pem' },
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
} as const;

const keys = [
  jwk('RS256', generateKeyPairSync('rsa', { modulusLength: 2048, ...encoded }).privateKey),
  jwk('ES256', generateKeyPairSync('ec', { namedCurve: 'P-256', ...encoded }).privateKey),
  jwk('EdDSA', generateKeyPairSync('ed25519', encoded).privateKey),
];

/** The settings of a shape. */
export interface Variant {
  /** The path of the issuer, below the server's URL. */
  issuer?: string;
  /** The path in the `iss` of access tokens, below the server's URL. */
  accessTokenIssuer?: string;
  /** Access tokens have `auth_time`. */
  authTime?: boolean;
  /** The audience of every access token; `null` for only the requested one. */
  defaultResource?: string | null;
  client?: Record<string, unknown>;
  configuration?: Configuration;
}

export interface Panva extends Provider {
  origin: string;
  /** The outcomes of the calls to the application's back-channel logout. */
  calls: string[];
  /** The lifetime of the next access tokens, in seconds. */
  lifetime(seconds: number): void;
}

async function password(page: Page) {
  await page.getByPlaceholder('Enter any login').fill('alice');
  await page.getByPlaceholder('and password').fill('alice');
  await page.getByRole('button', { name: 'Sign-in' }).click();
}

/** panva's oidc-provider, in this process. Its own sign-in pages accept any name and password. */
export async function oidcProvider(place: Place, variant: Variant = {}): Promise<Panva> {
  const origin = `http://127.0.0.1:${place.port}`;
  const issuer = origin + (variant.issuer ?? '');
  const { features, ...configuration } = variant.configuration ?? {};
  const resource = variant.defaultResource === undefined ? RESOURCE : variant.defaultResource;
  let session = '';
  let lifetime = LIFETIME;
  const provider = new OidcProvider(issuer, {
    jwks: { keys },
    cookies: { keys: [randomUUID()] },
    clients: [
      {
        client_id: CLIENT,
        application_type: 'web',
        token_endpoint_auth_method: 'none',
        grant_types: ['authorization_code', 'refresh_token'],
        redirect_uris: [`${place.app}/callback`],
        post_logout_redirect_uris: [`${place.app}/`],
        ...variant.client,
      },
      { ...GATE, grant_types: [], response_types: [], redirect_uris: [] },
    ],
    claims: { profile: ['name', 'preferred_username'], email: ['email', 'email_verified'] },
    findAccount: (_, id) => ({
      accountId: id,
      claims: () => ({ sub: id, name: 'Alice Example', preferred_username: id, email: `${id}@example.com`, email_verified: true }),
    }),
    // Without `offline_access`, which would ask for consent each time.
    issueRefreshToken: (_, client) => client.grantTypeAllowed('refresh_token'),
    ttl: { AccessToken: () => lifetime, IdToken: 60, RefreshToken: 600, Grant: 600, Session: 600, Interaction: 60 },
    ...configuration,
    features: {
      resourceIndicators: {
        enabled: true,
        defaultResource: (_, __, oneOf) => (oneOf ? oneOf[0]! : (resource ?? [])),
        useGrantedResource: () => true,
        getResourceServerInfo: (_, audience) => ({
          audience,
          scope: 'openid profile email',
          accessTokenTTL: lifetime,
          accessTokenFormat: 'jwt',
          jwt: { sign: { alg: 'RS256' } },
        }),
      },
      ...features,
    },
    formats: {
      customizers: {
        async jwt(_, token, parts) {
          if (variant.accessTokenIssuer) parts.payload!.iss = origin + variant.accessTokenIssuer;
          if ('sessionUid' in token && token.sessionUid) session = token.sessionUid;
          if (variant.authTime) parts.payload!.auth_time = (await provider.Session.findByUid(session))?.authTime();
        },
      },
    },
    // Its own dispatcher rejects loopback addresses, where the application runs.
    fetch: (url, options) => fetch(url, { ...options, dispatcher: undefined } as RequestInit),
  });

  const calls: string[] = [];
  provider.on('backchannel.success', () => calls.push('delivered'));
  provider.on('backchannel.error', (_, error) => calls.push(error.message));

  const server = createServer(provider.callback()).listen(place.port, '127.0.0.1');
  await once(server, 'listening');
  return {
    issuer,
    origin,
    discovery: variant.issuer ? `${origin}/.well-known/openid-configuration` : undefined,
    clientId: CLIENT,
    calls,
    lifetime(seconds) {
      lifetime = seconds;
    },
    async signedInEarlier(seconds) {
      const found = (await provider.Session.findByUid(session))!;
      found.loginTs = found.authTime()! - seconds;
      await found.persist();
    },
    password,
    async enter(page) {
      await password(page);
      // Consent is requested once and then remembered until the sign-out.
      await page.getByRole('button', { name: 'Continue' }).click();
    },
    async leave(page) {
      await page.getByRole('button', { name: 'Yes, sign me out' }).click();
    },
    async end(page) {
      await page.goto(`${origin}/session/end`);
      await page.getByRole('button', { name: 'Yes, sign me out' }).click();
      await page.waitForURL('**/session/end/success');
    },
    async stop() {
      server.closeAllConnections();
      await once(server.close(), 'close');
    },
  };
}
