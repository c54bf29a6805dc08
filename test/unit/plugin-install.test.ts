// The parts of `npm run plugin` that need no engine.
import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { packPlugin } from '../../src/install/plugin-image.ts'
import { pluginOptions } from '../../src/install/plugin-options.ts'
import { serveRegistry } from '../../src/install/registry.ts'
import { settle } from '../../src/install/root.ts'

const scratch = mkdtempSync(join(tmpdir(), 'slash64-plugin-test-'))
after(() => rmSync(scratch, { recursive: true }))

/** A folder with the same files whatever its name, but with modes and times of their own. */
function folder(name: string, mode: number): string {
  const root = join(scratch, name)
  mkdirSync(join(root, 'bin'), { recursive: true })
  for (const file of ['bin/node', 'bin/other']) {
    writeFileSync(join(root, file), file)
    chmodSync(join(root, file), mode)
    utimesSync(join(root, file), mode, mode)
  }
  symlinkSync('nowhere', join(root, 'link'))
  return root
}

test('options: what is given, and what is not', () => {
  const nothing = { name: 'slash64', enable: true, remove: false, push: undefined, nodeImage: undefined, settings: [] }
  assert.deepEqual(pluginOptions([]), nothing)
  assert.deepEqual(pluginOptions(['--name', 'a:b', '--no-enable', '--node-image', 'c', 'SLASH64_PREFIX=d=e']), {
    ...nothing,
    name: 'a:b',
    enable: false,
    nodeImage: 'c',
    settings: ['SLASH64_PREFIX=d=e'],
  })
  assert.deepEqual(pluginOptions(['--push', 'r/s:1']), { ...nothing, push: 'r/s:1' })
  assert.deepEqual(pluginOptions(['--remove', '--name', 'x']), { ...nothing, name: 'x', remove: true })
})

test('options: what makes no sense is refused by name', () => {
  assert.throws(() => pluginOptions(['prefix=x']), /"prefix=x" is no setting; write SLASH64_NAME=VALUE/)
  assert.throws(() => pluginOptions(['--pusch', 'x']), /'--pusch'/)
  for (const more of [['--name', 'x'], ['--no-enable'], ['SLASH64_PREFIX=x'], ['--remove']]) {
    assert.throws(() => pluginOptions(['--push', 'x', ...more]), /--push installs nothing/)
  }
  for (const more of [['--no-enable'], ['SLASH64_PREFIX=x'], ['--node-image', 'x']]) {
    assert.throws(() => pluginOptions(['--remove', ...more]), /--remove goes with --name only/)
  }
})

test('the same files give the same plugin, whatever their modes and times were', async () => {
  const roots = [folder('one', 0o600), folder('two', 0o777)]
  for (const root of roots) settle(root)
  const { mode, mtimeMs } = statSync(join(scratch, 'two/bin/other'))
  assert.deepEqual([mode & 0o777, mtimeMs], [0o644, 0])
  assert.equal(statSync(join(scratch, 'one/bin/node')).mode & 0o777, 0o755)
  const [one, two] = await Promise.all(roots.map(root => packPlugin(root, { description: 'x' })))
  assert.equal(one?.manifest.digest, two?.manifest.digest)
  const other = await packPlugin(join(scratch, 'one'), { description: 'y' })
  assert.notEqual(other.manifest.digest, one?.manifest.digest)
})

test('a folder that cannot be packed is an error, not half a plugin', async () => {
  await assert.rejects(packPlugin(join(scratch, 'nosuch'), {}), /tar .* could not pack .*nosuch/)
})

test('the registry has the manifest by name and by digest, what that names, and nothing else', async () => {
  const image = await packPlugin(folder('served', 0o644), { description: 'x' })
  let closed = ''
  {
    await using registry = await serveRegistry(image)
    const at = `http://${registry.reference.split('/')[0]}`
    closed = at
    const get = (path: string, method = 'GET'): Promise<Response> => fetch(at + path, { method })
    assert.equal((await get('/v2/')).status, 200)
    for (const name of ['next', image.manifest.digest]) {
      const answer = await get(`/v2/slash64/manifests/${name}`)
      assert.equal(answer.headers.get('content-type'), image.manifest.type)
      assert.equal(answer.headers.get('docker-content-digest'), image.manifest.digest)
      const { config, layers } = (await answer.json()) as { config: { digest: string }; layers: { digest: string }[] }
      const [settings, layer] = await Promise.all(
        [config, ...layers].map(async ({ digest }) => (await get(`/v2/slash64/blobs/${digest}`)).arrayBuffer()),
      )
      assert.equal(JSON.parse(Buffer.from(settings ?? new ArrayBuffer()).toString()).description, 'x')
      assert.match(gunzipSync(Buffer.from(layer ?? new ArrayBuffer())).toString(), /bin\/node/)
    }
    const head = await get('/v2/slash64/manifests/next', 'HEAD')
    assert.equal(Number(head.headers.get('content-length')), image.manifest.bytes.length)
    assert.equal(await head.text(), '')
    for (const path of ['/v2/slash64/manifests/latest', '/v2/other/manifests/next', `/v2/slash64/blobs/sha256:0`]) {
      assert.equal((await get(path)).status, 404, path)
    }
  }
  await assert.rejects(fetch(`${closed}/v2/`))
})
