// The command `slash64`.
import { runLine } from './cli/run.ts'
import { DEFAULT_CONTROL, program } from './cli/table.ts'

// `slash64 status | head` has all that it wants when head ends.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
})

process.exitCode = await runLine(program, DEFAULT_CONTROL, {
  line: process.argv.slice(2),
  env: process.env,
  out: text => process.stdout.write(text),
  err: text => process.stderr.write(text),
})
