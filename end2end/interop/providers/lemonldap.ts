import { generateKeyPairSync } from 'node:crypto';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { child } from './child';
import type { Place, Provider } from './provider';

export const LIFETIME = 6;

const CLIENT = 'the-client';

/** A user of its demonstration back end; the password is the name. */
const PERSON = 'dwho';

/** Each instance has its own state, which is deleted at the end. */
const INI = (folder: string) => `
[all]
logger = Lemonldap::NG::Common::Logger::Std
userLogger = Lemonldap::NG::Common::Logger::Std
logLevel = warn
[configuration]
type = File
dirName = ${folder}
[portal]
staticPrefix = /static
templateDir = /usr/share/lemonldap-ng/portal/templates
languages = en
`;

/** The settings of a shape in the client's registration. */
export type Options = Record<string, string | number>;

export interface Lemonldap extends Provider {
  /** Empties its store, as if its sessions had expired. */
  forget(): Promise<void>;
}

/** LemonLDAP::NG's portal, from Debian's packages. */
export async function lemonldap(place: Place, options: Options = {}): Promise<Lemonldap> {
  const portal = `http://127.0.0.1:${place.port}/`;
  const folder = join(place.folder, 'lemonldap');
  const storage = (name: string) => ({ Directory: join(folder, name), LockDirectory: join(folder, name, 'lock') });
  for (const name of ['sessions', 'persistent']) await mkdir(storage(name).LockDirectory, { recursive: true });
  const { privateKey, publicKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  const configuration = {
    cfgNum: 1,
    cfgAuthor: 'end to end',
    cfgDate: 1,
    portal,
    domain: '127.0.0.1',
    securedCookie: 0,
    key: 'a key for its own cookies',
    locationRules: { '127.0.0.1': { default: 'accept' } },
    exportedHeaders: {},
    // It loads its captchas even if none is used, and they need ImageMagick. An empty plug-in replaces them.
    captcha: '::Main::Plugin',
    captcha_mail_enabled: 0,
    captcha_register_enabled: 0,
    portalDisplayResetPassword: 0,
    portalDisplayRegister: 0,
    authentication: 'Demo',
    userDB: 'Same',
    demoExportedVars: { uid: 'uid', cn: 'cn', mail: 'mail' },
    globalStorage: 'Apache::Session::File',
    globalStorageOptions: storage('sessions'),
    persistentStorage: 'Apache::Session::File',
    persistentStorageOptions: storage('persistent'),
    localSessionStorage: 'Cache::NullCache',
    tokenUseGlobalStorage: 1,
    issuerDBOpenIDConnectActivation: 1,
    issuerDBOpenIDConnectRule: 1,
    // The browser calls the token endpoint from another origin.
    corsEnabled: 1,
    corsAllow_Origin: '*',
    corsAllow_Headers: '*',
    corsAllow_Methods: 'POST,GET',
    oidcServicePrivateKeySig: privateKey,
    oidcServicePublicKeySig: publicKey,
    oidcServiceKeyIdSig: 'sig',
    oidcServiceAllowAuthorizationCodeFlow: 1,
    oidcServiceMetaDataAuthnContext: { 'loa-1': 1 },
    oidcRPMetaDataExportedVars: { app: { name: 'cn', email: 'mail', preferred_username: 'uid' } },
    oidcRPMetaDataOptions: {
      app: {
        oidcRPMetaDataOptionsClientID: CLIENT,
        oidcRPMetaDataOptionsDisplayName: 'The application',
        oidcRPMetaDataOptionsPublic: 1,
        oidcRPMetaDataOptionsBypassConsent: 1,
        oidcRPMetaDataOptionsRequirePKCE: 1,
        oidcRPMetaDataOptionsRefreshToken: 1,
        oidcRPMetaDataOptionsRedirectUris: `${place.app}/callback`,
        oidcRPMetaDataOptionsPostLogoutRedirectUris: `${place.app}/`,
        oidcRPMetaDataOptionsIDTokenSignAlg: 'RS256',
        oidcRPMetaDataOptionsIDTokenForceClaims: 1,
        oidcRPMetaDataOptionsIDTokenExpiration: 3600,
        oidcRPMetaDataOptionsAccessTokenExpiration: LIFETIME,
        oidcRPMetaDataOptionsAccessTokenJWT: 1,
        oidcRPMetaDataOptionsAccessTokenClaims: 1,
        oidcRPMetaDataOptionsAccessTokenSignAlg: 'RS256',
        oidcRPMetaDataOptionsUserIDAttr: 'uid',
        ...options,
      },
    },
  };
  await writeFile(join(folder, 'lmConf-1.json'), JSON.stringify(configuration));
  const settings = join(folder, 'lemonldap-ng.ini');
  await writeFile(settings, INI(folder));
  const script = join(dirname(fileURLToPath(import.meta.url)), 'lemonldap.psgi');
  const stop = await child(
    'plackup',
    ['--env', 'deployment', '--host', '127.0.0.1', '--port', String(place.port), script],
    { LLNG_DEFAULTCONFFILE: settings },
    folder,
    `${portal}.well-known/openid-configuration`,
  );
  return {
    issuer: portal,
    clientId: CLIENT,
    async enter(page) {
      await page.locator('input[name=user]').fill(PERSON);
      await page.locator('input[name=password]').fill(PERSON);
      await page.locator('button[type=submit]').first().click();
    },
    async leave(page) {
      await page.getByRole('button', { name: 'Accept' }).click();
    },
    async end(page) {
      await page.goto(`${portal}?logout=1`);
    },
    async forget() {
      const files = await readdir(storage('sessions').Directory, { withFileTypes: true });
      for (const file of files) if (file.isFile()) await rm(join(storage('sessions').Directory, file.name));
    },
    stop,
  };
}
