import type { BrowserContext, Page } from '@playwright/test';
import type { Instance } from '../instance.mjs';
import type { Feature } from './features';
import type { Observed } from './observed';
import type { Place, Provider } from './providers/provider';
import { panva } from './shapes/oidc-provider';

/** Everything that runs in one test. */
export interface World<P extends Provider = Provider> {
  page: Page;
  context: BrowserContext;
  instance: Instance;
  provider: P;
  observed: Observed;
}

/** A product, and whether it can be had on this machine. */
export interface Product {
  name: string;
  /** As the table says it. */
  version(): Promise<string>;
  /** Why it cannot be had, and how to get it. */
  missing(): Promise<string | undefined>;
}

/** A feature that does not do what it says here, because of how the provider behaves. */
export interface Gap<P extends Provider> {
  /** For the table: the provider's own behaviour. */
  because: string;
  /** Shows that it is so; `usual` is what happens elsewhere. */
  shown(world: World<P>, usual: () => Promise<void>): Promise<void>;
  /** The flow cannot go on after it. */
  end?: boolean;
}

/** A provider as someone has set it up. */
export interface Shape<P extends Provider = Provider> {
  provider: Product;
  name: string;
  start(place: Place): Promise<P>;
  /** The `pixygate.toml`. Nothing but this tells the application about the provider. */
  settings(provider: P, app: string): string;
  /** What the header calls Alice. */
  shown?: string;
  /** The gate refuses the tokens of this provider. */
  refused?: boolean;
  gaps?: Partial<Record<Feature, Gap<P>>>;
  /** What the provider must have sent, or the shape would not be what its name says. */
  traits?: Record<string, string>;
  /** Further checks at the end, signed out. */
  also?: Record<string, (world: World<P>) => Promise<void>>;
}

export const shapes = [...panva] as Shape[];
