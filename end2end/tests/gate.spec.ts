// The gate from outside, with tokens that the embedded provider really gave. Every other defect of a token is tested on
// the library, where it is cheapest.

import { expect, signIn, test } from './fixtures';
import { claimsOf, decode } from './forge';
import { Secrets } from './secrets';

test.describe('The gate', () => {
  test('refuses with status, challenge and reason; the honest token passes', async ({ page, instance, request }) => {
    const secrets = new Secrets(page, instance);
    await signIn(page, instance);
    const tokens = await secrets.complete();
    const access = tokens.get('access_token')!;
    const [header, , signature] = access.split('.') as [string, string, string];
    const changed = Buffer.from(JSON.stringify({ ...claimsOf(access), sub: 'mallory' })).toString('base64url');
    const unsigned = Buffer.from(JSON.stringify({ ...decode(header), alg: 'none' })).toString('base64url');

    const ask = (authorization?: string) =>
      request.get('/api/whoami', { headers: authorization ? { authorization } : {} });

    const passed = await ask(`Bearer ${access}`);
    expect(passed.status()).toBe(200);
    expect(await passed.json()).toMatchObject({ iss: instance.issuer, sub: claimsOf(access)['sub'] });

    for (const [what, authorization, reason, error] of [
      ['no token', undefined, 'missing_token', undefined],
      ['not a token', 'Bearer nonsense', 'malformed_token', 'invalid_token'],
      ['a changed payload', `Bearer ${header}.${changed}.${signature}`, 'bad_signature', 'invalid_token'],
      ['alg none', `Bearer ${unsigned}.${access.split('.')[1]}.`, 'unsupported_algorithm', 'invalid_token'],
      ['the ID token', `Bearer ${tokens.get('id_token')}`, 'wrong_token_type', 'invalid_token'],
    ] as const) {
      const answer = await ask(authorization);
      expect(answer.status(), what).toBe(401);
      expect((await answer.json()).reason, what).toBe(reason);
      const challenge = answer.headers()['www-authenticate']!;
      expect(challenge, what).toMatch(/^(Bearer|DPoP)/);
      if (error) expect(challenge, what).toContain(`error="${error}"`);
      else expect(challenge, what).not.toContain('error=');
      expect(await answer.text(), what).not.toContain(access);
    }
  });

  test('refuses what nobody has a policy for', async ({ request }) => {
    const answer = await request.get('/api/no-such-function');
    expect(answer.status()).toBe(404);
    expect((await answer.json()).reason).toBe('route_not_found');
  });
});
