import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { oauthProvider, oauthProviderOpenIdConfigMetadata } from '@better-auth/oauth-provider';
import { betterAuth as create } from 'better-auth';
import { memoryAdapter } from 'better-auth/adapters/memory';
import { toNodeHandler } from 'better-auth/node';
import { jwt } from 'better-auth/plugins';
import type { Place, Provider } from './provider';

/** The lifetime of access tokens, in seconds. */
const LIFETIME = 6;

export const RESOURCE = 'https://api.example/orders';

const alice = { email: 'alice@example.com', password: 'the password of Alice', name: 'Alice Example' };

/** The settings of a shape. */
export interface Options {
  plugin?: Partial<Parameters<typeof oauthProvider>[0]>;
}

/** With Better Auth, the application has the pages. The query of the request is sent back with the password. */
const LOGIN = `<!doctype html><title>Log in</title>
<form><label>E-mail <input name="email"></label> <label>Password <input name="password" type="password"></label> <button>Log in</button></form>
<script>
document.forms[0].onsubmit = async (event) => {
  event.preventDefault();
  const body = JSON.stringify({ ...Object.fromEntries(new FormData(event.target)), oauth_query: location.search.slice(1) });
  const answer = await fetch('/api/auth/sign-in/email', { method: 'POST', headers: { 'content-type': 'application/json' }, body });
  location.href = (await answer.json()).url;
};
</script>`;

const LEAVE = `<!doctype html><title>Account</title><button>Log out</button><p></p>
<script>
document.querySelector('button').onclick = async () => {
  await fetch('/api/auth/sign-out', { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' });
  document.querySelector('p').textContent = 'Logged out';
};
</script>`;

/** Better Auth with its OAuth provider plugin, in this process. */
export async function betterAuth(place: Place, options: Options = {}): Promise<Provider> {
  const origin = `http://127.0.0.1:${place.port}`;
  const models = 'user session account verification jwks oauthClient oauthResource oauthClientResource oauthRefreshToken oauthAccessToken oauthConsent oauthClientAssertion';
  const auth = create({
    baseURL: origin,
    secret: 'a secret for its own cookies, of more than thirty-two characters',
    database: memoryAdapter(Object.fromEntries(models.split(' ').map((model) => [model, []]))),
    emailAndPassword: { enabled: true },
    rateLimit: { enabled: false },
    telemetry: { enabled: false },
    logger: { level: 'error' },
    plugins: [
      jwt(),
      oauthProvider({
        loginPage: '/login',
        consentPage: '/consent',
        accessTokenExpiresIn: LIFETIME,
        idTokenExpiresIn: 60,
        resources: [RESOURCE],
        enforcePerClientResources: false,
        ...options.plugin,
      }),
    ],
  });
  const { headers: signedUp } = await auth.api.signUpEmail({ body: alice, returnHeaders: true });
  const headers = new Headers({ cookie: signedUp.getSetCookie().map((cookie) => cookie.split(';')[0]).join('; ') });
  const client = await auth.api.adminCreateOAuthClient({
    headers,
    body: {
      client_name: 'The application',
      // Only native clients may use plain http on this machine.
      application_type: 'native',
      token_endpoint_auth_method: 'none',
      grant_types: ['authorization_code', 'refresh_token'],
      redirect_uris: [`${place.app}/callback`],
      post_logout_redirect_uris: [`${place.app}/`],
      skip_consent: true,
      enable_end_session: true,
    },
  });
  const handler = toNodeHandler(auth);
  const metadata = oauthProviderOpenIdConfigMetadata(auth);
  const pages: Record<string, string> = { '/login': LOGIN, '/account': LEAVE };
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const { pathname } = new URL(request.url!, origin);
    // Better Auth leaves CORS and the location of the metadata to its application.
    if (request.headers.origin === place.app) {
      response.setHeader('access-control-allow-origin', place.app);
      response.setHeader('access-control-expose-headers', 'DPoP-Nonce');
    }
    if (request.method === 'OPTIONS') {
      response.setHeader('access-control-allow-headers', 'DPoP');
      response.writeHead(204).end();
    } else if (pages[pathname]) {
      response.writeHead(200, { 'content-type': 'text/html' }).end(pages[pathname]);
    } else if (pathname === '/api/auth/.well-known/openid-configuration') {
      const document = await metadata(new Request(origin + pathname));
      response.writeHead(document.status, { 'content-type': 'application/json' }).end(await document.text());
    } else {
      await handler(request, response);
    }
  };
  const server = createServer((request, response) => void answer(request, response)).listen(place.port, '127.0.0.1');
  await once(server, 'listening');

  return {
    issuer: `${origin}/api/auth`,
    clientId: client.client_id,
    async enter(page) {
      await page.getByLabel('E-mail').fill(alice.email);
      await page.getByLabel('Password').fill(alice.password);
      await page.getByRole('button', { name: 'Log in' }).click();
    },
    async end(page) {
      await page.goto(`${origin}/account`);
      await page.getByRole('button', { name: 'Log out' }).click();
      await page.getByText('Logged out').waitFor();
    },
    async stop() {
      server.closeAllConnections();
      await once(server.close(), 'close');
    },
  };
}
