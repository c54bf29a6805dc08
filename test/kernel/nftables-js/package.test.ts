// The package as others get it: packed, installed without the workspace, and used from plain JavaScript as its README says.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { type Netns, withNetns } from '../../support/netns.ts'
import { nftCommands } from '../../support/nft.ts'

const repository = join(import.meta.dirname, '../../..')
const source = join(repository, 'src/nftables-js')
const readme = readFileSync(join(source, 'README.md'), 'utf8')
const blocks = [...readme.matchAll(/```js\n([\s\S]*?)```/g)].map(([, code = '']) => code)
const [listing = ''] = [...readme.matchAll(/```\n(table inet example[\s\S]*?)```/g)].map(([, text = '']) => text)
/** Runs a command; its output is part of the error when it fails. */
function run(command: string, args: string[], cwd: string): void {
  execFileSync(command, args, { cwd, stdio: 'pipe', encoding: 'utf8' })
}

const room = mkdtempSync(join(tmpdir(), 'nftables-js-'))

/** Packs the package and unpacks it as npm would install it, with koffi beside it. */
function install(): void {
  const modules = join(room, 'node_modules')
  mkdirSync(join(modules, 'nftables-js'), { recursive: true })
  run('npm', ['pack', '--silent', '--pack-destination', room], source)
  const [tarball = ''] = readdirSync(room).filter(name => name.endsWith('.tgz'))
  run('tar', ['-xzf', join(room, tarball), '--strip-components=1', '-C', join(modules, 'nftables-js')], room)
  for (const name of ['koffi', '@koromix']) {
    cpSync(join(repository, 'node_modules', name), join(modules, name), { recursive: true })
  }
  writeFileSync(join(room, 'package.json'), '{ "type": "module" }\n')
}

/** Runs a program in the namespace with the packed package, and ends it when its last statement has run. */
function runBlock(ns: Netns, name: string, code: string): string {
  const file = join(room, `${name}.js`)
  writeFileSync(file, `${code}\nsetImmediate(() => process.exit())\n`)
  return ns.exec(process.execPath, file)
}

before(install)
after(() => rmSync(room, { recursive: true }))

describe('the packed package', () => {
  it('holds JavaScript, types, README and licence, and no sources', () => {
    const files = readdirSync(join(room, 'node_modules/nftables-js'), { recursive: true, encoding: 'utf8' })
    for (const name of ['README.md', 'LICENSE', 'dist/index.js', 'dist/index.d.ts', 'dist/netlink/index.js']) {
      assert.ok(files.includes(name), name)
    }
    assert.deepEqual(
      files.filter(name => name.endsWith('.ts') && !name.endsWith('.d.ts')),
      [],
    )
  })

  it('has types that a strict program compiles against', () => {
    const file = join(room, 'typed.ts')
    writeFileSync(
      file,
      `import { type Element, is, type NamedSet, Nftables, tcp, Transaction } from 'nftables-js'
import { NetlinkSocket } from 'nftables-js/netlink'
const set: NamedSet = { name: 's', type: 'inet_service' }
const elements: Element[] = [{ key: 22 }]
export const transaction: Transaction = new Transaction().addElements({ family: 'inet', name: 't' }, set, elements)
export const open: () => Nftables = () => Nftables.open()
export const rule = { statements: [is(tcp('dport'), 22)] }
export const socket: typeof NetlinkSocket = NetlinkSocket
// @ts-expect-error there is no such field
tcp('dports')
`,
    )
    const flags = [
      '--noEmit',
      '--strict',
      '--module',
      'nodenext',
      '--target',
      'es2024',
      '--lib',
      'es2024,esnext.disposable',
    ]
    const types = ['--types', 'node', '--typeRoots', join(repository, 'node_modules/@types')]
    run(join(repository, 'node_modules/.bin/tsc'), [...flags, ...types, file], room)
  })

  blocks.forEach((code, index) => {
    it(`runs block ${index + 1} of its README`, () =>
      withNetns(ns => {
        const printed = runBlock(ns, `block${index}`, code)
        // What a line of the block says that it prints it prints.
        for (const [, wanted = ''] of code.matchAll(/^console\.log\(.*\/\/ (.*)$/gm)) {
          assert.ok(printed.replaceAll(/\s+/g, ' ').includes(wanted), `${wanted} in ${printed}`)
        }
      }))
  })

  it('lists its first example as the README says', () =>
    withNetns(ns => {
      runBlock(ns, 'listing', blocks[0] ?? '')
      for (const { argv } of nftCommands()) assert.equal(ns.exec(argv[0] ?? '', 'list', 'ruleset'), listing)
    }))
})
