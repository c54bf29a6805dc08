import { spawn } from 'node:child_process'
import { once } from 'node:events'

/** Runs `act` while no other process is in it with the same lock file. flock(1) holds the lock and loses it when this process ends. */
export async function withLock<T>(file: string, act: () => Promise<T>): Promise<T> {
  const holder = spawn('flock', [file, 'sh', '-c', 'echo locked; exec cat'], { stdio: ['pipe', 'pipe', 'inherit'] })
  try {
    const [answer] = await Promise.race([once(holder.stdout, 'data'), once(holder, 'exit')])
    if (String(answer).trim() !== 'locked') throw new Error(`flock ${file} failed`)
    return await act()
  } finally {
    holder.stdin.end()
    await once(holder, 'exit')
  }
}
