// The gate over HTTP, with tokens that the embedded provider issued. All other defects of a token are tested in
// the library, where it is cheapest.

import { expect, test } from './fixtures';
import { claimsOf, decode } from './forge';

test.describe('The gate', () => {
  test('refuses with status, challenge and reason; the honest token passes', async ({ instance, request, control }) => {
    const { access_token: access, id_token } = await control.tokens();
    const [header, payload, signature] = access.split('.') as [string, string, string];
    const changed = Buffer.from(JSON.stringify({ ...claimsOf(access), sub: 'mallory' })).toString('base64url');
    const unsigned = Buffer.from(JSON.stringify({ ...decode(header), alg: 'none' })).toString('base64url');
    const minted = async (wanted: object = {}) => (await control.tokens(wanted)).access_token;
    await control.set({ access_token: { iss: `${instance.issuer}/` } });
    const otherIssuer = await minted();
    await control.set({ access_token: { iss: null, aud: 'somebody-else' } });
    const otherAudience = await minted();
    await control.calm();
    await control.clock(-7200);
    const expired = await minted();
    await control.clock(0);
    const bound = await minted({ dpop_jkt: '0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I' });

    const ask = (authorization?: string) =>
      request.get('/api/whoami', { headers: authorization ? { authorization } : {} });

    const passed = await ask(`Bearer ${access}`);
    expect(passed.status()).toBe(200);
    expect(await passed.json()).toMatchObject({ iss: instance.issuer, sub: claimsOf(access)['sub'] });

    for (const [what, authorization, reason, error] of [
      ['no token', undefined, 'missing_token', undefined],
      ['not a token', 'Bearer nonsense', 'malformed_token', 'invalid_token'],
      ['a changed payload', `Bearer ${header}.${changed}.${signature}`, 'bad_signature', 'invalid_token'],
      ['alg none', `Bearer ${unsigned}.${payload}.`, undefined, 'invalid_token'],
      ['alg none, with a signature', `Bearer ${unsigned}.${payload}.${signature}`, 'unsupported_algorithm', 'invalid_token'],
      ['the ID token', `Bearer ${id_token}`, 'wrong_token_type', 'invalid_token'],
      ['another issuer', `Bearer ${otherIssuer}`, 'issuer_not_trusted', 'invalid_token'],
      ['another audience', `Bearer ${otherAudience}`, 'audience_mismatch', 'invalid_token'],
      ['an expired token', `Bearer ${expired}`, 'expired', 'invalid_token'],
      ['a bound token without its proof', `Bearer ${bound}`, 'dpop_required', undefined],
    ] as const) {
      const answer = await ask(authorization);
      expect(answer.status(), what).toBe(401);
      const body = await answer.json();
      // An unsigned token may be rejected for its form or for its algorithm.
      if (reason) expect(body.reason, what).toBe(reason);
      else expect(['unsupported_algorithm', 'malformed_token']).toContain(body.reason);
      const challenge = answer.headers()['www-authenticate']!;
      expect(challenge, what).toMatch(/^(Bearer|DPoP)/);
      if (error) expect(challenge, what).toContain(`error="${error}"`);
      else if (!authorization) expect(challenge, what).not.toContain('error=');
      expect(JSON.stringify(body), what).not.toContain(signature);
    }
  });

  test('refuses what nobody has a policy for', async ({ request }) => {
    const answer = await request.get('/api/no-such-function');
    expect(answer.status()).toBe(404);
    expect((await answer.json()).reason).toBe('route_not_found');
  });
});
