import type { Feature } from './features';
import type { Place, Provider } from './providers/provider';
import type { World } from './world';

/** A product, and whether it can be had on this machine. */
export interface Product {
  name: string;
  /** The version that the table names. */
  version(): Promise<string>;
  /** Why it cannot be had here, and how to get it. */
  missing(): Promise<string | undefined>;
}

/** A feature that is not what it is elsewhere, because of how the provider behaves. */
export interface Gap<P extends Provider> {
  /** For the table: the provider's behaviour, and what comes of it. */
  because: string;
  /** Shows that it is so, in the place of the usual check, which it may make as a part of it. */
  shown(world: World<P>, usual: () => Promise<void>): Promise<void>;
  /** The flow cannot go on after it. */
  end?: boolean;
}

/** A provider as someone has set it up. */
export interface Shape<P extends Provider = Provider> {
  product: Product;
  name: string;
  start(place: Place): Promise<P>;
  /** The `pixygate.toml`: nothing else tells the application about the provider. */
  settings(provider: P): string;
  /** What the header calls the person. */
  shown: string;
  /** What `pixygate doctor` rightly finds, by code; nothing but notes, when left out. */
  doctor?: string[];
  /** The status of a call, when it is not 200. */
  answer?: number;
  /** A refresh ends the access token of before: a call that is on its way with that one is rejected and made again. */
  endsTokens?: boolean;
  /** Waits until an access token wants to be renewed; until it has expired, when left out. */
  renewable?(world: World<P>): Promise<void>;
  gaps?: Partial<Record<Feature, Gap<P>>>;
  /** What the provider must have sent, or the shape would not be what its name says. */
  traits?: Record<string, string>;
  /** Further checks at the end, each with a line in the table. */
  also?: Record<string, (world: World<P>) => Promise<void>>;
}

/** Of providers whose access tokens have no `auth_time`. */
export const noAuthTime = <P extends Provider>(): Shape<P>['gaps'] => ({
  'step-up': {
    because:
      'access tokens do not say when the person signed in (`auth_time`): a call that wants it recent (RFC 9470) leads to the provider once, and then the page says that it was not enough',
    shown: (world) => world.confirmInVain(),
  },
});

/** `[provider]` with its issuer and client. */
export const client = (provider: Provider, more = '') => `
[provider]
issuer = "${provider.issuer}"
client_id = "${provider.clientId}"
${more}
`;

/** `[[trust]]` for its access tokens. */
export const trust = (provider: Provider, ...more: string[]) => `
[[trust]]
issuer = "${provider.issuer}"
${more.join('\n')}
`;
