import assert from 'node:assert/strict'
import { test } from 'node:test'
import { run } from '../lab/process.ts'

test('npm run demo shows the main job, and nothing of it stays', async () => {
  const mounts = async () => (await run(['sh', '-c', 'ls /tmp | grep slash64-lab- ; ip netns list'])).stdout
  const before = await mounts()
  const { code, stdout, stderr } = await run(['npm', 'run', 'demo'], {
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'] },
    timeout: 120_000,
  })
  assert.equal(code, 0, `${stdout}\n${stderr}`)
  assert.match(stdout, /docker network create -d slash64/)
  assert.equal(await mounts(), before)
})
