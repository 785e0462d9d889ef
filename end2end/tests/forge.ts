// ID tokens signed by a test key that the page accepts as one of the provider's. A token with exactly one
// defect tests exactly one check. A token without a defect is accepted, which shows that the forgery itself
// is not the reason of a rejection.

import { createHash, createPublicKey, createSign, generateKeyPairSync } from 'node:crypto';
import type { Page } from '@playwright/test';
import type { Instance } from '../instance.mjs';

/** As PEM, because exporting a new key as JWK can hang in Node 20. */
const pair = () =>
  generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });

const key = pair();
const other = pair();
const kid = 'end-to-end-test';

type Claims = Record<string, unknown>;

export interface Forgery {
  claims?: (honest: Claims) => Claims;
  header?: (honest: Claims) => Claims;
  /** Signed by an unpublished key. */
  stranger?: boolean;
  /** The finished token, to change it as a string. */
  token?: (honest: string) => string;
}

export const decode = (segment: string): Claims => JSON.parse(Buffer.from(segment, 'base64url').toString());
export const claimsOf = (token: string): Claims => decode(token.split('.')[1]!);

const segment = (value: Claims) => Buffer.from(JSON.stringify(value)).toString('base64url');

export const halfHash = (token: string) => createHash('sha256').update(token).digest().subarray(0, 16).toString('base64url');

function sign(header: Claims, claims: Claims, stranger: boolean) {
  const input = `${segment(header)}.${segment(claims)}`;
  const signature = createSign('RSA-SHA256').update(input).sign((stranger ? other : key).privateKey);
  return `${input}.${signature.toString('base64url')}`;
}

/** From now on the page gets such ID tokens, and a JWKS that contains the test's key. */
export async function forgeIdTokens(page: Page, instance: Instance, forgery: Forgery = {}) {
  await page.route(instance.jwksUri, (route) =>
    route.fulfill({
      headers: { 'access-control-allow-origin': instance.url },
      json: { keys: [{ ...createPublicKey(key.publicKey).export({ format: 'jwk' }), kid, alg: 'RS256', use: 'sig' }] },
    }),
  );
  await page.route(instance.tokenEndpoint, async (route) => {
    const response = await route.fetch();
    const body = await response.json();
    const claims = { ...claimsOf(body.id_token) };
    const header = { alg: 'RS256', typ: 'JWT', kid };
    const token = sign(
      forgery.header?.(header) ?? header,
      forgery.claims?.(claims) ?? claims,
      forgery.stranger ?? false,
    );
    body.id_token = forgery.token?.(token) ?? token;
    await route.fulfill({ response, json: body });
  });
}
