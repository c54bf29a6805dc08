// The pages of the documentation as text: that each can be run (e2e/docs.test.ts does), what is left out on purpose, and that links lead somewhere.
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { describe, test } from 'node:test'
import { repository } from '../lab/setup.ts'
import { matches, pagePaths, parsePage, readPage } from '../support/docs.ts'

/** What no lab can run: page and first line. A new one is a decision, so it is written here. */
const NOT_RUN: readonly string[] = [
  'README.md: npm run demo',
  'README.md: npm run plugin',
  'docs/contributing.md: npm test -- unit',
  'docs/contributing.md: npm test',
  'docs/contributing.md: UPDATE_GOLDEN=1 npm test -- unit reference',
  'docs/contributing.md: npm test -- e2e docs --test-name-pattern=first-steps',
  'docs/coming-from.md: docker run -d --name web --network routed busybox httpd -f -p 80 -h /etc',
  'docs/plugin.md: docker plugin install --alias slash64 REGISTRY/slash64 SLASH64_PREFIX=2001:db8:100:a::/64',
  'docs/troubleshooting.md: systemctl start slash64',
  'docs/troubleshooting.md: ip -6 route add 2001:db8:100:a::/64 via 2001:db8:100::a',
  'docs/troubleshooting.md: systemctl is-enabled slash64.socket',
]

const block = (info: string, ...lines: string[]): string => [`\`\`\`${info}`, ...lines, '```'].join('\n')
const run = '<!-- run: host -->'

describe('a page is read', () => {
  test('in its order: scripts, commands with their output, files, and what happens by itself', () => {
    const text = [
      run,
      block('sh', 'a', 'b'),
      '<!-- lab: stop slash64 -->',
      block('yaml file=compose.yaml', 'services: {}'),
      '<!-- lab router: ip link -->',
      block(
        'console host=b',
        '$ c \\',
        '> d',
        'out',
        '',
        'more',
        '$ e',
        '[exit code 3]',
        '$ cat <<EOF',
        '> f',
        '> EOF',
      ),
      block('yaml', 'networks: {}'),
    ].join('\n')
    const { setUp, steps, notRun } = parsePage('p.md', text)
    assert.deepEqual([setUp, notRun], ['host', []])
    assert.deepEqual(steps, [
      { line: 2, machine: undefined, kind: 'script', text: 'a\nb' },
      { line: 6, machine: undefined, kind: 'lab', words: ['stop', 'slash64'] },
      { line: 7, machine: undefined, kind: 'file', name: 'compose.yaml', text: 'services: {}\n' },
      { line: 10, machine: 'router', kind: 'lab', words: ['ip', 'link'] },
      {
        line: 11,
        machine: 'b',
        kind: 'console',
        commands: [
          { line: 12, text: 'c \\\nd', output: ['out', '', 'more'], code: 0 },
          { line: 17, text: 'e', output: [], code: 3 },
          { line: 19, text: 'cat <<EOF\nf\nEOF', output: [], code: 0 },
        ],
      },
    ])
  })

  test('with what is not run, and why', () => {
    const { steps, notRun } = parsePage('p.md', block('sh not-run="needs systemd"', 'systemctl start x  # c', 'y'))
    assert.deepEqual(steps, [])
    assert.deepEqual(notRun, [{ page: 'p.md', line: 1, first: 'systemctl start x', reason: 'needs systemd' }])
  })

  const wrong: readonly (readonly [what: string, text: string, says: RegExp])[] = [
    ['a fence without an end', `${run}\n\`\`\`sh\na`, /p\.md:2: this block has no end/],
    ['a fence that ends with another', `~~~\na\n\`\`\``, /p\.md:1: this block has no end/],
    ['an attribute that there is not', block('sh hots=b', 'a'), /p\.md:1: .*"hots" means nothing/],
    ['an attribute of another language', block('sh file=a', 'a'), /"file" means nothing/],
    ['words in an info string', block('console please', '$ a'), /"please" means nothing/],
    ['commands and no set-up', block('sh', 'a'), /p\.md:1: the page does not say what it runs on/],
    ['a set-up that there is not', '<!-- run: moon -->', /p\.md:1: run: "moon" is unknown/],
    ['two set-ups', `${run}\n${run}`, /p\.md:2: a second run:/],
    ['a comment with a slip', '<!-- lab stop slash64 -->', /p\.md:1: write/],
    ['output before a command', block('console', 'out'), /p\.md:2: a console block begins with a command/],
    ['a command in a block that is not run', block('', 'x', 'docker ps'), /p\.md:3: a command in a block/],
    ['the same with a prompt', block('text', '$ sudo ip -6 route'), /p\.md:2: a command in a block/],
  ]
  for (const [what, text, says] of wrong)
    test(`not with ${what}`, () => {
      assert.throws(() => parsePage('p.md', text), says)
    })

  test('each of this repository', () => {
    const problems = pagePaths().flatMap(path => {
      try {
        readPage(path)
        return []
      } catch (error) {
        return [(error as Error).message]
      }
    })
    assert.deepEqual(problems, [])
  })
})

describe('output', () => {
  const cases: readonly (readonly [expected: string, found: string, yes: boolean])[] = [
    ['a\nb', 'a\nb\n', true],
    ['a\nb', '\n  a\t\nb  \n\n', true],
    ['a\nb', 'a\nb\nc', false],
    ['a', 'ab', false],
    ['', '', true],
    ['', 'a', false],
    ['a … c', 'a b c', true],
    ['a …', 'a b\nc', false],
    ['a\n…\nd', 'a\nb\nc\nd', true],
    ['a\n…\nd', 'a\nd', true],
    ['…', '', true],
    ['…', 'a\nb', true],
    ['a.c (x)', 'abc (x)', false],
    ['a.c (x)', 'a.c (x)', true],
  ]
  for (const [expected, found, yes] of cases)
    test(`${JSON.stringify(found)} is ${yes ? '' : 'not '}what ${JSON.stringify(expected)} says`, () => {
      assert.equal(matches(expected.split('\n'), found), yes)
    })
})

test('what is not run is on the list, and nothing else is', () => {
  const found = pagePaths().flatMap(path => readable(path)?.notRun ?? [])
  assert.deepEqual(found.map(({ page, first }) => `${page}: ${first}`).toSorted(), NOT_RUN.toSorted())
  for (const { reason } of found) assert.match(reason, /\w/)
})

/** Those that cannot be read have a test of their own. */
function readable(path: string) {
  try {
    return readPage(path)
  } catch {
    return undefined
  }
}

const textOf = (path: string): string => readFileSync(join(repository, path), 'utf8')
/** As GitHub makes them: small letters, no punctuation, `-` for a space. */
const anchorOf = (title: string): string =>
  title
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replace(/\s/g, '-')

function anchorsIn(path: string): string[] {
  const text = textOf(path).replace(/^(`{3,})[^`]*?^\1$/gms, '')
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, title = '']) =>
    anchorOf(title.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')),
  )
}

test('every link of a page leads to a file that is there, and to a heading in it', () => {
  const broken = pagePaths().flatMap(path =>
    [...textOf(path).matchAll(/\]\((?!https?:|mailto:)([^)#\s]*)(?:#([^)\s]*))?\)/g)].flatMap(
      ([link, file = '', anchor]) => {
        const target = file === '' ? path : normalize(join(dirname(path), file))
        if (!existsSync(join(repository, target))) return [`${path}: ${link}: there is no ${target}`]
        const known = anchor === undefined || !target.endsWith('.md') || anchorsIn(target).includes(anchor)
        return known ? [] : [`${path}: ${link}: no heading of ${target} is #${anchor}`]
      },
    ),
  )
  assert.deepEqual(broken, [])
})
