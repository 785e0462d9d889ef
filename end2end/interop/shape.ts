import type { Feature } from './features';
import type { Place, Provider } from './providers/provider';
import type { World } from './world';

/** A product, and whether it is installed on this machine. */
export interface Product {
  name: string;
  /** The version in the table. */
  version(): Promise<string>;
  /** The reason why it is not installed, and how to install it. */
  missing(): Promise<string | undefined>;
}

/** A feature that differs because of the provider's behaviour. */
export interface Gap<P extends Provider> {
  /** For the table: the provider's behaviour, and its consequence. */
  because: string;
  /** Checks the difference, instead of the usual check, which can be a part of it. */
  shown(world: World<P>, usual: () => Promise<void>): Promise<void>;
  /** The flow ends here. */
  end?: boolean;
}

/** A provider with a particular configuration. */
export interface Shape<P extends Provider = Provider> {
  product: Product;
  name: string;
  start(place: Place): Promise<P>;
  /** The `pixygate.toml`, the application's only configuration of the provider. */
  settings(provider: P): string;
  /** The user's name in the header. */
  shown: string;
  /** The codes that `pixygate doctor` must report, besides notes; by default none. */
  doctor?: string[];
  /** The status of a call, if it is not 200. */
  answer?: number;
  /** A refresh revokes the previous access token, so a call in flight is rejected and repeated. */
  endsTokens?: boolean;
  /** Waits until an access token is due for a refresh; by default until it has expired. */
  renewable?(world: World<P>): Promise<void>;
  gaps?: Partial<Record<Feature, Gap<P>>>;
  /** Properties that the provider's responses must have, or the shape would not match its name. */
  traits?: Record<string, string>;
  /** Additional checks at the end, each with a line in the table. */
  also?: Record<string, (world: World<P>) => Promise<void>>;
}

/** For providers whose access tokens have no `auth_time`. */
export const noAuthTime = <P extends Provider>(): Shape<P>['gaps'] => ({
  'step-up': {
    because:
      'access tokens do not say when the person signed in (`auth_time`): a call that wants it recent (RFC 9470) leads to the provider once, and then the page says that it was not enough',
    shown: (world) => world.confirmInVain(),
  },
});

/** `[provider]` with issuer and client. */
export const client = (provider: Provider, more = '') => `
[provider]
issuer = "${provider.issuer}"
client_id = "${provider.clientId}"
${more}
`;

/** `[[trust]]` for the access tokens. */
export const trust = (provider: Provider, ...more: string[]) => `
[[trust]]
issuer = "${provider.issuer}"
${more.join('\n')}
`;
