// What `npm run service` puts on a machine and takes off again: files only, nothing is started.
import assert from 'node:assert/strict'
import { after, suite, test } from 'node:test'
import { paths, UNITS } from '../../src/install/units.ts'
import { Machine } from '../lab/machine.ts'
import { provideSystemd } from '../lab/systemd.ts'
import { configure, fileOf, SERVICE, service, tryService } from '../support/installed.ts'

const machine = await Machine.start({ name: 'service-files' })
after(() => machine.dispose())
await provideSystemd(machine)

/** Every file, folder and link below, with mode, size, owner and target. */
async function tree(root: string): Promise<string[]> {
  const format = '%p %y %m %s %u %g %l\\n'
  // The size of a folder says how it was made, and not what is in it.
  const text = await machine.check(['find', root, '-not', '-path', '*/.cache/*', '-printf', format])
  return text
    .split('\n')
    .map(line => line.replace(/^(\S+ d \d+) \d+/, '$1'))
    .toSorted()
}

suite('below another root', () => {
  const ROOT = '/opt/image'
  const at = (path: string): string => `${ROOT}${path}`

  test('everything is installed, upgraded and removed again', async () => {
    await machine.check(['mkdir', '-p', at('/usr/local/share/man'), at('/etc')])
    const before = await tree(ROOT)
    const said = await service(machine, '--root', ROOT)
    assert.match(said, /writing \/opt\/image\/etc\/slash64\/slash64\.env/)
    assert.match(said, /systemd is not running here, so nothing was started/)
    const modes = (await tree(ROOT)).map(line => line.split(' ').slice(0, 3).join(' '))
    const files = [paths.man, paths.bash, paths.zsh, paths.fish, paths.socket, paths.service, paths.settings]
    for (const path of files) assert.ok(modes.includes(`${at(path)} f 644`), path)
    for (const path of [paths.node, paths.command]) assert.ok(modes.includes(`${at(path)} f 755`), path)
    for (const unit of UNITS)
      assert.ok(
        modes.some(line => line.endsWith(`.wants/${unit} l 777`)),
        `${unit} is enabled`,
      )
    assert.ok(!modes.some(line => /\.(new|old)\b/.test(line)))
    const installed = await tree(ROOT)
    await service(machine, '--root', ROOT)
    assert.deepEqual(await tree(ROOT), installed, 'a second time changes nothing')
    assert.match(await service(machine, '--root', ROOT, '--remove'), /slash64\.env stay; --remove --purge/)
    assert.match(fileOf(machine, at(paths.settings)), /SLASH64_PREFIX/)
    await service(machine, '--root', ROOT)
    await service(machine, '--root', ROOT, '--remove', '--purge')
    assert.deepEqual(await tree(ROOT), before)
  })

  test('a purge takes the state, and nothing else that lies beside it', async () => {
    await service(machine, '--root', ROOT)
    await machine.check(['sed', '-i', 's|^#SLASH64_STATE=.*|SLASH64_STATE=/srv|', at(paths.settings)])
    await machine.check(['sh', '-c', 'mkdir -p "$0/pools"; touch "$0/version" "$0/diary"', at('/srv')])
    await service(machine, '--root', ROOT, '--remove', '--purge')
    assert.equal(await machine.check(['ls', at('/srv')]), 'diary\n')
  })

  test('without a systemctl it says what is left to type', async () => {
    const said = await machine.check(['/usr/bin/env', 'PATH=/nowhere', ...SERVICE, '--root', ROOT])
    assert.match(said, /on the machine itself type: systemctl enable slash64\.socket slash64\.service\n$/)
    await service(machine, '--root', ROOT, '--remove', '--purge')
  })

  test('the state keeps it: networks are named, and --force says that they do not matter', async () => {
    await service(machine, '--root', ROOT)
    const folder = at('/var/lib/slash64/networks')
    const network = JSON.stringify({ id: 'a'.repeat(64), groupName: 'web' })
    await machine.check(['sh', '-c', 'mkdir -p "$0"; echo "$1" > "$0/x.json"', folder, network])
    const { code, stderr } = await tryService(machine, '--root', ROOT, '--remove')
    assert.equal(code, 1)
    assert.match(
      stderr,
      /^slash64: these networks of slash64 exist: aaaaaaaaaaaa \(web\).*docker network rm aaaaaaaaaaaa.*--force\n$/,
    )
    await service(machine, '--root', ROOT, '--remove', '--force', '--purge')
    for (const path of ['/var/lib/slash64', '/etc/slash64', paths.library])
      await machine.check(['test', '!', '-e', at(path)])
  })
})

suite('on a machine', () => {
  test('the units hold what systemd asks of units', async () => {
    await service(machine)
    const units = UNITS.map(unit => `/etc/systemd/system/${unit}`)
    const verify = ['systemd-analyze', 'verify', '--man=no', '--recursive-errors=no']
    const { code, stdout, stderr } = await machine.exec([...verify, ...units])
    assert.deepEqual({ code, stdout, stderr }, { code: 0, stdout: '', stderr: '' })
    await machine.check(['sed', '-i', 's/^Restart=always/Restart=allways/', paths.service])
    assert.match((await machine.exec([...verify, ...units])).stderr, /allways/, 'or else it is not looked at')
    await service(machine)
    assert.doesNotMatch(fileOf(machine, paths.service), /allways/)
  })

  test('the command works from everywhere, and its page and completions are those of the command', async () => {
    assert.match(await machine.check(['sh', '-c', 'cd / && slash64 help']), /status/)
    assert.equal(fileOf(machine, paths.fish), await machine.check(['slash64', 'completion', 'fish']))
    assert.match(fileOf(machine, paths.man), /^\.TH SLASH64 8/)
    await machine.check(['bash', '-n', paths.bash])
  })

  test('the settings are the user’s: an upgrade keeps them, and says which ones are new', async () => {
    await configure(machine, { SLASH64_LOG_LEVEL: 'debug' })
    await machine.check(['sed', '-i', '/SLASH64_FLEET/d', paths.settings])
    const text = fileOf(machine, paths.settings)
    assert.match(await service(machine), /stays as it is; it does not mention SLASH64_FLEET\n/)
    assert.equal(fileOf(machine, paths.settings), text)
  })

  test('settings that the daemon would refuse are refused before anything changes', async () => {
    await configure(machine, { SLASH64_BIRTH: 'sandbocks' })
    const before = await tree('/usr/local/lib/slash64/bin')
    const { code, stderr } = await tryService(machine)
    assert.equal(code, 1)
    assert.match(stderr, /^slash64: \/etc\/slash64\/slash64\.env: SLASH64_BIRTH="sandbocks" .*Nothing was changed/)
    assert.deepEqual(await tree('/usr/local/lib/slash64/bin'), before)
    await machine.check(['sed', '-i', 's/^SLASH64_BIRTH/#SLASH64_BIRTH/', paths.settings])
  })

  for (const [args, sentence] of [
    [['--delete'], /Unknown option '--delete'.*--remove/s],
    [['--purge'], /--purge and --force go with --remove only/],
    [['--root', '/none'], /--root "\/none": there is no such folder/],
  ] as const) {
    test(`${args.join(' ')} is refused`, async () => {
      const { code, stderr } = await tryService(machine, ...args)
      assert.equal(code, 1)
      assert.match(stderr, sentence)
    })
  }
})
