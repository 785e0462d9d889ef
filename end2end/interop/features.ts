/** What a person does, in the order in which the flow does it: the rows of the table. */
export const FEATURES = [
  'sign in',
  'server function',
  'second tab',
  'reload',
  'refresh across expiry',
  'step-up',
  'sign out',
  'session ended at the provider',
] as const;

export type Feature = (typeof FEATURES)[number];

/** What one test tells the table. */
export interface Column {
  /** How many columns make the whole table. */
  of: number;
  product: string;
  version: string;
  shape: string;
  /** `yes`, or what is different and why. */
  features: Partial<Record<Feature, string>>;
  /** What the provider sent. */
  traits: Record<string, string>;
  /** What the test showed beyond the features. */
  also: string[];
}
