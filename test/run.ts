// `npm test`: the checks of package.json, then the tests by level; `npm run test:long`: the level that takes longer. `npm test -- unit` runs one level, `npm test -- kernel veth` the
// files of it whose path has "veth" in it; what starts with -- goes to node's test runner.

import { spawn } from 'node:child_process'
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { ensureExtras } from './lab/extras.ts'
import { type Plan, planOf, type Totals, totalsOf } from './lab/plan.ts'
import { ensureLab, lab, repository } from './lab/setup.ts'
import { baseImage } from './support/plugin-base.ts'

/** Kernel and end-to-end tests take turns: they measure, and they share two namespaces that are not the machine's. */
const isolated = ['sh', join(import.meta.dirname, 'lab/isolate.sh')]
const node = [process.execPath, '--conditions=nftables-js-source', '--disable-warning=ExperimentalWarning', '--test']

const { PATH: inheritedPath = '/usr/bin:/bin' } = process.env
const environment = {
  ...process.env,
  PATH: [
    dirname(process.execPath),
    lab.tools,
    join(repository, 'node_modules/.bin'),
    inheritedPath,
    '/usr/sbin:/sbin',
  ].join(delimiter),
  NFT_TOOLS: [join(lab.tools, 'nft'), join(lab.newTools, 'nft')].join(delimiter),
}

/** Minutes for one level. A test that failed may leave a handle open, and then its file never ends, whatever node's own time-out. */
const LIMIT = 25

/** Runs a program on this terminal and resolves to its exit code, 1 when it had to be ended after the limit. A signal to us is passed on, and the program's end awaited. */
function onTerminal(argv: readonly string[]): Promise<number> {
  const [file = '', ...args] = argv
  const child = spawn(file, args, { cwd: repository, env: environment, stdio: 'inherit' })
  const pass = (signal: NodeJS.Signals) => child.kill(signal)
  process.on('SIGTERM', pass)
  process.on('SIGINT', ignore) // the terminal sends it to the child as well
  const tooLong = setTimeout(() => {
    console.error(`npm test: not finished after ${LIMIT} minutes, and ended`)
    child.kill('SIGTERM')
    setTimeout(() => child.kill('SIGKILL'), 10_000).unref()
  }, LIMIT * 60_000)
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => {
      clearTimeout(tooLong)
      process.off('SIGTERM', pass)
      process.off('SIGINT', ignore)
      if (signal) reject(new Error(`${file} was ended by ${signal}`))
      else resolve(code ?? 1)
    })
  })
}

const ignore = () => {}

async function check(): Promise<Totals> {
  const { scripts } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8')) as {
    scripts: { check: string }
  }
  console.log(`check: ${scripts.check}`)
  const code = await onTerminal(['sh', '-c', scripts.check])
  return { passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1, skipped: 0 }
}

async function test(level: string, plan: Plan): Promise<Totals> {
  const all = globSync(`test/${level}/**/*.test.ts`, { cwd: repository }).sort()
  const files = all.filter(file => plan.filters.every(filter => file.includes(filter)))
  if (files.length === 0) return { passed: 0, failed: 0, skipped: 0 }
  console.log(`\n${level}: ${files.length} of ${all.length} files`)
  const scratch = mkdtempSync(join(tmpdir(), 'slash64-test-'))
  const tap = join(scratch, 'tap')
  const reporters = ['spec', 'stdout', 'tap', tap].map(
    (value, i) => `--test-reporter${i % 2 ? '-destination' : ''}=${value}`,
  )
  const turns = level === 'unit' ? [] : ['--test-concurrency=1']
  const command = [...node, ...reporters, ...turns, '--test-timeout=180000', ...plan.options, ...files]
  try {
    const code = await onTerminal(level === 'unit' ? command : [...isolated, ...command])
    const totals = totalsOf(readFileSync(tap, 'utf8'))
    return code !== 0 && totals.failed === 0 ? { ...totals, failed: 1 } : totals
  } finally {
    rmSync(scratch, { recursive: true })
  }
}

/** Before the tests: they run in a namespace without a way out. */
async function fetch(levels: readonly string[]): Promise<void> {
  const report = (line: string) => console.log(line)
  if (levels.some(level => level !== 'unit')) await ensureLab(report)
  if (!levels.some(level => level === 'e2e' || level === 'long')) return
  await ensureExtras(report)
  await baseImage(report)
}

async function main(): Promise<number> {
  const plan = planOf(process.argv.slice(2))
  await fetch(plan.levels)
  const parts = plan.check ? [await check()] : []
  for (const level of plan.levels) parts.push(await test(level, plan))
  const sum = (field: keyof Totals) => parts.reduce((total, part) => total + part[field], 0)
  if (sum('passed') + sum('failed') + sum('skipped') === 0)
    throw new Error(`no test file has ${plan.filters.join(' and ')} in its path`)
  if (sum('skipped') > 0) console.log(`\n${sum('skipped')} skipped or to do`)
  console.log(`\n${sum('passed')} passed, ${sum('failed')} failed`)
  return sum('failed') === 0 ? 0 : 1
}

try {
  process.exitCode = await main()
} catch (error) {
  console.error(`npm test: ${error instanceof Error ? error.message : error}`)
  process.exitCode = 1
}
