import type { Page } from '@playwright/test';

/** The address of a provider, and its application. */
export interface Place {
  /** The port on 127.0.0.1. */
  port: number;
  /** A folder for its files. */
  folder: string;
  /** The application's origin. */
  app: string;
}

/** A running independent provider. Alice has an account there, and the application is registered as a public client. */
export interface Provider {
  issuer: string;
  /** The URL of its metadata, if it is not under its issuer. */
  discovery?: string;
  clientId: string;
  /** Fills in its sign-in pages, which must ask for the password. */
  enter(page: Page): Promise<void>;
  /** Fills in the page that asks for the password again. */
  password?(page: Page): Promise<void>;
  /** Moves Alice's sign-in into the past by this many seconds. */
  signedInEarlier?(seconds: number): Promise<void>;
  /** Confirms its sign-out page, if it has one. */
  leave?(page: Page): Promise<void>;
  /** Alice ends her session on the provider's own pages. */
  end(page: Page): Promise<void>;
  stop(): Promise<void>;
}
