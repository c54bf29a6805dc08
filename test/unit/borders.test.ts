// Who may use what: the rooms of the sources and the doors between them.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

interface Source {
  /** From the root of the repository. */
  readonly path: string
  readonly text: string
}

interface Import {
  /** The file that imports. */
  readonly path: string
  /** A file of the repository from its root, or the name of a package. */
  readonly target: string
}

interface Rule {
  readonly reason: string
  readonly forbids: (one: Import) => boolean
  /** An import that the rule is there to find: path and target. */
  readonly example: readonly [path: string, target: string]
}

/** The first rooms are pure; each may use itself and those before it, and what is listed of the rest of the world. */
const pure = ['address', 'policy', 'state', 'dataplane']
const pureFiles = ['src/errors.ts', 'src/words.ts']
const purePackages: Readonly<Record<string, readonly string[]>> = {
  address: ['ip-address', 'node:crypto'],
  policy: [],
  state: [],
  dataplane: ['nftables-js', 'node:crypto'],
}

/** Only these files, and those of these folders (with "/" at the end), may import the packages. */
function only(packages: readonly string[], places: readonly string[], reason: string): Rule {
  return {
    reason,
    forbids: ({ path, target }) => packages.includes(target) && !places.some(place => isIn(path, place)),
    example: ['src/reconcile.ts', packages[0] ?? ''],
  }
}

/** What the command may use of the other rooms. */
const commandUses = ['errors', 'words', 'version', 'state/status', 'http/control-answers', 'http/control-ask'].map(
  name => `src/${name}.ts`,
)

const isIn = (path: string, place: string) => (place.endsWith('/') ? path.startsWith(place) : path === place)

const rules: readonly Rule[] = [
  {
    reason:
      'address <- policy <- state <- dataplane: a pure room uses the rooms before it only, so each can be understood and tested alone',
    forbids: ({ path, target }) => {
      const room = pure.indexOf(roomOf(path))
      if (room < 0 || !target.startsWith('src/')) return false
      return !pureFiles.includes(target) && !pure.slice(0, room + 1).includes(roomOf(target))
    },
    example: ['src/policy/allow.ts', 'src/state/state.ts'],
  },
  {
    reason: 'pure rooms have no effects: no files, sockets, processes, frameworks; what they need comes as an argument',
    forbids: ({ path, target }) => {
      const room = roomOf(path)
      return pure.includes(room) && !target.startsWith('src/') && !purePackages[room]?.includes(target)
    },
    example: ['src/dataplane/project.ts', 'nftables-js/netlink'],
  },
  {
    reason: 'errors and words are at the bottom of everything, so they use nothing',
    forbids: ({ path }) => pureFiles.includes(path),
    example: ['src/words.ts', 'src/address/group.ts'],
  },
  only(
    ['nftables-js/netlink'],
    ['src/kernel/', 'src/nftables-js/', 'src/startup.ts'],
    'kernel is the only door to the host: nobody else speaks netlink (startup.ts asks whether a sandbox is still a namespace)',
  ),
  {
    reason: 'only kernel performs nftables transactions; dataplane uses the model of nftables-js, which is pure',
    forbids: ({ path, target }) =>
      target === 'nftables-js' && !['src/kernel/', 'src/dataplane/'].some(place => isIn(path, place)),
    example: ['src/daemon.ts', 'nftables-js'],
  },
  only(
    ['koffi'],
    ['src/nftables-js/', 'src/store/lock.ts', 'src/kernel/ip6tables.ts'],
    'foreign functions are called in three places: netlink sockets, the lock of the state folder (flock), and iptables-legacy (getsockopt)',
  ),
  only(['fastify'], ['src/http/'], 'the protocol of the engine is one room, whatever serves it'),
  only(['dockerode'], ['src/docker/'], 'Docker is asked by one room, and never while dockerd waits for an answer'),
  only(
    ['node:fs', 'node:fs/promises'],
    [
      ...[
        'src/store/',
        'src/nftables-js/src/netlink/',
        'src/startup.ts',
        'src/version.ts',
        'src/http/',
        'src/install/',
      ],
      ...['sysctl', 'kernel', 'veth', 'ip6tables', 'host-files'].map(name => `src/kernel/${name}.ts`),
    ],
    'files are the state, the socket and what the kernel shows as files; nothing else touches them but the installation',
  ),
  only(
    ['node:net', 'node:dgram', 'node:http', 'node:https', 'node:tls'],
    ['src/http/', 'src/install/registry.ts'],
    'one room talks to sockets; the engine has an upgrade of the plugin from a registry of the installation',
  ),
  {
    reason:
      'nothing is spawned: no ip, no nft, no shell; a process costs milliseconds and gives text to parse. Docker is asked once a minute, by a process that takes what it learnt to its grave',
    forbids: ({ path, target }) =>
      ['node:child_process', 'node:cluster'].includes(target) &&
      !['src/install/', 'src/docker/inventory.ts'].some(place => isIn(path, place)),
    example: ['src/kernel/veth.ts', 'node:child_process'],
  },
  {
    reason: 'what installs slash64 is no part of it: nobody imports it, and the application is built without it',
    forbids: ({ path, target }) => roomOf(target) === 'install' && roomOf(path) !== 'install',
    example: ['src/main.ts', 'src/install/build.ts'],
  },
  {
    reason: 'nftables-js is a package of its own: it knows nothing of slash64, and is known by its entry points only',
    forbids: ({ path, target }) =>
      (roomOf(path) === 'nftables-js') !== (roomOf(target) === 'nftables-js') && target.startsWith('src/'),
    example: ['src/kernel/kernel.ts', 'src/nftables-js/src/index.ts'],
  },
  {
    reason:
      'nobody imports the composition roots: they start the programs (plugin.ts is main.ts as the managed plugin starts it)',
    forbids: ({ path, target }) =>
      ['src/main.ts', 'src/cli.ts', 'src/plugin.ts'].includes(target) && path !== 'src/plugin.ts',
    example: ['src/daemon.ts', 'src/main.ts'],
  },
  {
    reason:
      'the command asks the daemon over the control socket, and does nothing on its own: of the rooms it uses the shapes of answers and the client',
    forbids: ({ path, target }) =>
      (roomOf(path) === 'cli' || path === 'src/cli.ts') &&
      target.startsWith('src/') &&
      !commandUses.includes(target) &&
      roomOf(target) !== 'cli',
    example: ['src/cli/status.ts', 'src/kernel/kernel.ts'],
  },
  {
    reason: 'nobody but the command uses the room of the command',
    forbids: ({ path, target }) => roomOf(target) === 'cli' && roomOf(path) !== 'cli' && path !== 'src/cli.ts',
    example: ['src/main.ts', 'src/cli/layout.ts'],
  },
  {
    reason: 'built-in modules are imported by their node: name, so that no package can take their place',
    forbids: ({ target }) => /^(fs|net|crypto|os|path|child_process|timers|util|events|stream)(\/|$)/.test(target),
    example: ['src/store/files.ts', 'fs'],
  },
]

/** `src/ROOM/…` -> ROOM; '' for files beside the rooms and for packages. */
function roomOf(path: string): string {
  return /^src\/([^/]+)\//.exec(path)?.[1] ?? ''
}

function readSources(folder: string): Source[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .map(name => `${folder}/${name}`)
    .filter(path => path.endsWith('.ts') && !path.endsWith('.d.ts') && !/\/(dist|node_modules)\//.test(path))
    .toSorted()
    .map(path => ({ path, text: readFileSync(join(ROOT, path), 'utf8') }))
}

/** Every import and re-export of a file, dynamic ones included. */
function importsOf({ path, text }: Source): Import[] {
  const statements = text.matchAll(/^(?:import|export)\s+(?:[^'"`;]*?\sfrom\s+)?['"]([^'"]+)['"]/gm)
  const calls = text.matchAll(/\b(?:import|require|getBuiltinModule)\(\s*['"]([^'"]+)['"]/g)
  return [...statements, ...calls].map(([, target = '']) => ({ path, target: resolved(path, target) }))
}

function resolved(path: string, target: string): string {
  return target.startsWith('.') ? relative(ROOT, join(ROOT, dirname(path), target)) : target
}

const sources = readSources('src')
const imports = sources.flatMap(importsOf)

describe('the borders between the rooms', () => {
  it('are looked at: the sources and their imports are found', () => {
    assert.ok(sources.length > 40, `${sources.length} files`)
    const keywords = sources.flatMap(({ text }) => [...text.matchAll(/^(?:import\s|export\s.*\sfrom\s)|^} from '/gm)])
    assert.ok(imports.length >= sources.length && imports.length <= keywords.length)
    const found = (path: string, target: string) => imports.some(one => one.path === path && one.target === target)
    assert.ok(found('src/daemon.ts', 'src/state/decide.ts'))
    assert.ok(found('src/kernel/kernel.ts', 'nftables-js/netlink'))
  })

  it('are found in every way to write an import', () => {
    const text = [
      "import 'a'",
      "import b from 'b'",
      "import {\n  c,\n  type C,\n} from 'c'",
      "import type { D } from './d.ts'",
      "export * from '../e.ts'",
      "const f = await import('f')",
      "const g = process.getBuiltinModule('g')",
      "export const from = 'no import'",
    ].join('\n')
    const targets = importsOf({ path: 'src/x/y.ts', text }).map(({ target }) => target)
    assert.deepEqual(targets, ['a', 'b', 'c', 'src/x/d.ts', 'src/e.ts', 'f', 'g'])
  })

  for (const { reason, forbids, example } of rules) {
    it(reason, () => {
      const [path, target] = example
      assert.ok(forbids({ path, target }), `${path} importing ${target} would be found`)
      const broken = imports.filter(forbids).map(one => `${one.path} imports ${one.target}`)
      assert.deepEqual(broken, [], reason)
    })
  }
})

describe('what the command loads', () => {
  /** Files and packages that a file imports, and what those import, by statements that `follows` takes. */
  function reached(path: string, follows: (text: string, target: string) => boolean): Set<string> {
    const found = new Set([path])
    for (const one of found) {
      const text = sources.find(source => source.path === one)?.text ?? ''
      for (const { target } of importsOf({ path: one, text })) if (follows(text, target)) found.add(target)
    }
    return found
  }
  const isType = (text: string, target: string) =>
    new RegExp(`^import type [^;'"]*from '[^']*${target.split('/').at(-1)}'`, 'm').test(text)
  const isLater = (text: string, target: string) => text.includes(`import('./${target.split('/').at(-1)}')`)

  it('before it knows what to do is little: help and completion are there at once', () => {
    const first = reached('src/cli.ts', (text, target) => !isType(text, target) && !isLater(text, target))
    const heavy = [...first].filter(one => !one.startsWith('src/') && one !== 'node:fs')
    assert.deepEqual(heavy, [])
    assert.ok(first.has('src/cli/parse.ts') && !first.has('src/cli/status.ts'))
  })

  it('at all is not the daemon', () => {
    const all = reached('src/cli.ts', (text, target) => !isType(text, target))
    assert.deepEqual([...all].filter(one => !one.startsWith('src/')).toSorted(), ['node:fs', 'node:http', 'zod'])
  })
})

describe('the sources', () => {
  const lines = (pattern: RegExp, files: readonly Source[]) =>
    files.flatMap(({ path, text }) =>
      text.split('\n').flatMap((line, index) => (pattern.test(line) ? [`${path}:${index + 1}: ${line.trim()}`] : [])),
    )

  it('have no default exports: a thing has one name everywhere', () => {
    assert.deepEqual(lines(/^\s*export\s+default\b|^\s*export\s*{[^}]*\bas\s+default\b/, sources), [])
  })

  it('reach for no clock, no chance and no process in pure rooms: the same input always gives the same', () => {
    const effects =
      /\bDate\.now\b|\bnew Date\b|\bMath\.random\b|\brandom(Int|UUID|Bytes)\b|\bperformance\.|\bprocess\.|\bset(Timeout|Interval|Immediate)\b|\bconsole\./
    assert.match('const now = Date.now()', effects)
    const rooms = sources.filter(({ path }) => pure.includes(roomOf(path)) || pureFiles.includes(path))
    assert.deepEqual(lines(effects, rooms), [])
  })

  it('import relative files with their ending, as Node runs them', () => {
    const bare = sources.flatMap(({ path, text }) =>
      [...text.matchAll(/from '(\.{1,2}\/[^']+)'/g)].flatMap(([, to = '']) =>
        to.endsWith('.ts') ? [] : [`${path}: ${to}`],
      ),
    )
    assert.deepEqual(bare, [])
  })

  it('say in each room what it is for: a file of it begins with a comment', () => {
    const rooms = [...new Set(sources.map(({ path }) => roomOf(path)))].filter(room => room !== '')
    for (const room of rooms) {
      const files = sources.filter(({ path }) => roomOf(path) === room)
      assert.ok(
        files.some(({ text }) => /^\/(\/|\*)/.test(text)),
        `no file of src/${room}/ begins with a comment that says what the room is for`,
      )
    }
  })

  it('use no words that say nothing: no manager, helper, util or service in the name of a file', () => {
    const isTerm = (path: string) => path.startsWith('src/install/') // a service is what systemd runs
    const vague = sources
      .map(({ path }) => path)
      .filter(path => /manager|helper|util|service/i.test(path) && !isTerm(path))
    assert.deepEqual(vague, [])
  })
})
