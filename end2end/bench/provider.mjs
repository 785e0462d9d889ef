// panva's oidc-provider on another site than the applications, with an account that signs in without a page: the cost of the
// provider's pages is the same for all applications and is not measured.

import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import OidcProvider from 'oidc-provider';

const CLIENT = 'bench';
const RESOURCE = 'https://api.example/bench';

export async function provide(port, origins) {
  const issuer = `http://127.0.0.1:${port}`;
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const jwk = { ...privateKey.export({ format: 'jwk' }), kid: 'bench', alg: 'RS256', use: 'sig' };
  const provider = new OidcProvider(issuer, {
    jwks: { keys: [jwk] },
    cookies: { keys: [randomUUID()] },
    clients: [
      {
        client_id: CLIENT,
        token_endpoint_auth_method: 'none',
        grant_types: ['authorization_code', 'refresh_token'],
        redirect_uris: origins.map((origin) => `${origin}/callback`),
        post_logout_redirect_uris: origins.map((origin) => `${origin}/`),
      },
    ],
    clientBasedCORS: () => true,
    conformIdTokenClaims: false,
    claims: { profile: ['name', 'preferred_username'] },
    scopes: ['openid', 'profile', 'offline_access'],
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, name: 'Alice Example', preferred_username: id }) }),
    issueRefreshToken: () => true,
    ttl: { AccessToken: 3600, IdToken: 3600, RefreshToken: 3600, Grant: 3600, Session: 3600, Interaction: 600 },
    features: {
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        defaultResource: (_, __, oneOf) => (oneOf ? oneOf[0] : RESOURCE),
        useGrantedResource: () => true,
        getResourceServerInfo: (_, audience) => ({
          audience,
          scope: 'openid profile',
          accessTokenTTL: 3600,
          accessTokenFormat: 'jwt',
          jwt: { sign: { alg: 'RS256' } },
        }),
      },
    },
    interactions: { url: (_, interaction) => `/enter/${interaction.uid}` },
  });

  /** Signs Alice in and grants the requested scopes. */
  async function enter(request, response) {
    const { params, grantId } = await provider.interactionDetails(request, response);
    const grant = (grantId && (await provider.Grant.find(grantId))) || new provider.Grant({ accountId: 'alice', clientId: CLIENT });
    grant.addOIDCScope(params.scope);
    grant.addResourceScope(params.resource ?? RESOURCE, 'openid profile');
    const result = { login: { accountId: 'alice' }, consent: { grantId: await grant.save() } };
    await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
  }

  const answer = provider.callback();
  const state = { paused: false };
  const server = createServer((request, response) => {
    // The browser stays on its page.
    if (state.paused && request.url.startsWith('/auth?')) return response.writeHead(204).end();
    if (!request.url.startsWith('/enter/')) return answer(request, response);
    enter(request, response).catch((error) => response.writeHead(500).end(String(error)));
  }).listen(port, '127.0.0.1');
  await once(server, 'listening');
  const metadata = await (await fetch(`${issuer}/.well-known/openid-configuration`)).json();
  const { keys } = await (await fetch(metadata.jwks_uri)).json();
  return { issuer, clientId: CLIENT, resource: RESOURCE, metadata, keys, state, stop: () => (server.closeAllConnections(), server.close()) };
}
