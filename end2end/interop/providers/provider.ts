import type { Page } from '@playwright/test';

/** Where a provider is to run, and for whom. */
export interface Place {
  /** The port on 127.0.0.1 that it listens on. */
  port: number;
  /** A folder that it may write into. */
  folder: string;
  /** The application's origin. */
  app: string;
}

/** An independent provider that runs. Alice has an account there, and the application is registered as a public client. */
export interface Provider {
  issuer: string;
  /** Where its metadata are, when not under its issuer. */
  discovery?: string;
  clientId: string;
  /** Fills in its sign-in pages, which have to ask for the password. */
  enter(page: Page): Promise<void>;
  /** Fills in the page that asks for the password again. */
  password?(page: Page): Promise<void>;
  /** As if Alice had signed in so many seconds earlier. */
  signedInEarlier?(seconds: number): Promise<void>;
  /** Answers its sign-out page, where it has one that asks. */
  leave?(page: Page): Promise<void>;
  /** Alice ends her session on the provider's own pages. */
  end(page: Page): Promise<void>;
  stop(): Promise<void>;
}
