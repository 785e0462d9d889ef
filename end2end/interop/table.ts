import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { FullConfig, FullResult, Reporter, Suite, TestCase, TestResult } from '@playwright/test/reporter';
import { FEATURES, type Column } from './features';

const here = dirname(fileURLToPath(import.meta.url));
const KEPT = join(here, '..', '..', 'docs', 'interop.md');
const FOUND = join(here, '..', 'test-results', 'interop.md');
const REFRESH = 'PIXYGATE_INTEROP_WRITE=1 scripts/test.sh --only "build: |interop"';

/** Writes docs/interop.md from the results of the tests, and fails if the committed file differs. */
export default class Table implements Reporter {
  private readonly columns = new Map<string, Column>();
  private suite!: Suite;

  onBegin(_: FullConfig, suite: Suite) {
    this.suite = suite;
  }

  onTestEnd(test: TestCase, result: TestResult) {
    const told = result.attachments.find(({ name }) => name === 'column');
    if (told?.body) this.columns.set(test.title, JSON.parse(told.body.toString()));
  }

  async onEnd(result: FullResult) {
    const tests = this.suite.allTests();
    const columns = tests.flatMap((test) => this.columns.get(test.title) ?? []);
    const products = new Map(tests.map((test) => [test.title.split(':')[0], test.outcome() === 'skipped']));
    for (const [product, skipped] of products) if (skipped) console.log(`${product} is left out: it is not on this machine.`);
    if (result.status !== 'passed' || columns.length !== columns[0]?.of) {
      console.log('docs/interop.md is not compared: not everything was seen.');
      return undefined;
    }
    const text = document(columns);
    mkdirSync(dirname(FOUND), { recursive: true });
    writeFileSync(FOUND, text);
    if (process.env.PIXYGATE_INTEROP_WRITE) writeFileSync(KEPT, text);
    if (text === kept()) return undefined;
    console.log(`docs/interop.md says something else than these tests (diff docs/interop.md end2end/test-results/interop.md). To write it anew:\n  ${REFRESH}`);
    return { status: 'failed' as const };
  }

  printsToStdio() {
    return false;
  }
}

function kept() {
  try {
    return readFileSync(KEPT, 'utf8');
  } catch {
    return '';
  }
}

const row = (cells: string[]) => `| ${cells.join(' | ')} |\n`;
const table = (head: string[], rows: string[][]) => row(head) + row(head.map(() => '---')) + rows.map(row).join('');

function document(columns: Column[]) {
  const differences: string[] = [];
  const cell = (column: Column, feature: (typeof FEATURES)[number]) => {
    const said = column.features[feature];
    if (!said) return '–';
    if (said === 'yes') return '✓';
    if (!differences.includes(said)) differences.push(said);
    return `[${differences.indexOf(said) + 1}](#differences)`;
  };
  const features = table(
    ['', ...FEATURES],
    columns.map((column) => [`**${column.product}**, ${column.shape}`, ...FEATURES.map((feature) => cell(column, feature))]),
  );

  const firsts = [...new Map(columns.map((column) => [column.product, column])).keys()].map(
    (product) => columns.find((column) => column.product === product)!,
  );
  const traits = table(
    ['', ...firsts.map(({ product, version }) => `${product} ${version}`)],
    Object.keys(firsts[0]!.traits).map((trait) => [trait, ...firsts.map((column) => column.traits[trait] || '–')]),
  );
  const changes = columns
    .filter((column) => !firsts.includes(column))
    .map((column) => {
      const first = firsts.find(({ product }) => product === column.product)!;
      const changed = Object.entries(column.traits).filter(([trait, value]) => value && value !== first.traits[trait]);
      const said = changed.map(([trait, value]) => `${trait.replace('… its', 'its')}: ${value}`).join('; ');
      return said && `- ${column.product}, ${column.shape}: ${said}\n`;
    })
    .join('');
  const also = columns.flatMap(({ product, shape, also }) => also.map((said) => `- ${product}, ${shape}: ${said}\n`)).join('');

  return `# Interoperation

<!-- Written by the tests in end2end/interop. To write it anew: ${REFRESH} -->

Pixygate with providers that none of its authors wrote, in a browser, from the first click to a session that the provider ends. Each
line is a provider as someone may have set it up. Nothing in the library or the application acts by which provider it
meets: what differs is the configuration, or what discovery says.

${features}
✓ works as everywhere; a number: different, and why; –: not reached.

## Differences

Each is the provider's own behaviour, and the test shows it.

${differences.map((said, index) => `${index + 1}. ${said}.\n`).join('')}
## Shown besides

${also}
## What they send

As seen by the tests, for the first line of each provider.

${traits}
What the other lines change:

${changes}
What this means for a set-up is in [providers](providers/README.md).
`;
}
