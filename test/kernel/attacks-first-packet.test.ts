// Closed before the first packet: a container that sends as soon as its link exists, while links come and go.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Fabric, withFabric } from '../support/fabric.ts'
import { withNetns } from '../support/netns.ts'
import * as packet from '../support/packet.ts'
import type { View } from '../support/packet-view.ts'

const ROUNDS = 50
const SCRIPT = join(import.meta.dirname, '../support/flood.ts')

function flood(path: string, frames: readonly Buffer[]): ChildProcess {
  const args = ['--conditions=nftables-js-source', SCRIPT, path, 'net0', ...frames.map(frame => frame.toString('hex'))]
  return spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
}

/** What the container sends: ports 1 to 5 are forbidden, 6 is allowed. */
function shots(f: Fabric, own: string, mac: string, via: string): Buffer[] {
  const internet = f.address('internet')
  const frames = [
    { source: own, destination: f.address('d1'), dport: 1 },
    { source: f.address('w1'), destination: f.address('d1'), dport: 5432 },
    { source: f.address('w1'), destination: f.address('w2'), dport: 3 },
    { source: f.address('w3'), destination: internet, dport: 4 },
    { source: own.replace(/:9$/, ':8'), destination: internet, dport: 5 },
    { source: own, destination: internet, dport: 6 },
  ]
  return frames.map(({ dport, ...header }) =>
    packet.frame(via, mac, packet.ip6(header, packet.udp({ sport: 6464, dport }))),
  )
}

/** What came, each kind once: source and port. */
function kinds(frames: readonly View[]): string[] {
  return [...new Set(frames.map(({ source, dport }) => `${source} ${dport}`))]
}

suite('closed before the first packet', () => {
  test(`links that are made and removed ${ROUNDS} times`, () =>
    withFabric(f =>
      withNetns(async sandbox => {
        const place = f.a.endpoint('new', 'evil', 9, sandbox)
        const ours = ({ sport }: { sport?: number }): boolean => sport === 6464
        using inside = f.capture('d1', ours)
        using beside = f.capture('w2', ours)
        using outside = f.capture('internet', ours)
        using stack = new DisposableStack()
        const child = flood(sandbox.path, shots(f, place.address, place.mac, place.via))
        stack.defer(() => child.kill('SIGKILL'))
        const output = child.stdout
        assert.ok(output)
        await once(output, 'readable')
        for (let round = 0; round < ROUNDS; round++) {
          f.a.endpoint('new', 'evil', 9, sandbox)
          f.a.apply()
          await sleep(3)
          f.a.change('new', undefined)
          f.a.apply()
          await f.a.kernel.flush()
        }
        const printed = text(output)
        child.kill('SIGTERM')
        const rounds = Number((await printed).trim().split('\n').at(-1))
        assert.ok(rounds > ROUNDS, `only ${rounds} volleys were sent`)
        assert.deepEqual(kinds([...inside.frames(), ...beside.frames()]), [])
        const arrived = outside.frames()
        assert.ok(arrived.length > ROUNDS, `only ${arrived.length} allowed packets arrived`)
        assert.deepEqual(kinds(arrived), [`${place.address} 6`])
        assert.deepEqual(f.a.errors, [])
      }),
    ))
})
