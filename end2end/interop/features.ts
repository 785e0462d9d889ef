/** What a person does, in the order in which the flow does it. The rows of the table. */
export const FEATURES = [
  'sign in',
  'server function',
  'second tab',
  'reload',
  'refresh across expiry',
  'sign out',
  'session ended at the provider',
] as const;

export type Feature = (typeof FEATURES)[number];

/** What one test tells the table. */
export interface Column {
  provider: string;
  shape: string;
  /** `yes`, or why not: the provider's behaviour, shown by the test. */
  features: Partial<Record<Feature, string>>;
  traits: Record<string, string>;
  /** Further things that the test showed. */
  also: string[];
}
