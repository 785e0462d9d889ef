/** The user's actions, in the order of the flow: the rows of the table. */
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

/** The results of one test for the table. */
export interface Column {
  /** The number of columns of the complete table. */
  of: number;
  product: string;
  version: string;
  shape: string;
  /** `yes`, or the difference and its reason. */
  features: Partial<Record<Feature, string>>;
  /** Properties of the provider's responses. */
  traits: Record<string, string>;
  /** Results beyond the features. */
  also: string[];
}
