import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { CrashPointHit } from '../src/index.ts'
import { armCrashPoints } from '../src/index.ts'

const program = fileURLToPath(new URL('fixtures/passes-points.ts', import.meta.url))

let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'crash-points-'))
})

afterEach(() => rm(folder, { recursive: true }))

interface Ending {
  readonly signal: NodeJS.Signals | null
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs a process that passes `relay.beforePublish` and `relay.afterPublish` five times each. */
async function run(environment: Readonly<Record<string, string>>): Promise<Ending> {
  const child = spawn(process.execPath, ['--conditions=@acuse/source', program], {
    env: { PATH: process.env['PATH'], ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let [stdout, stderr] = ['', '']
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }))
  })
}

describe('crash points', () => {
  it('kill the process the nth time it passes the point, and log every pass', async () => {
    const logFile = join(folder, 'points.jsonl')
    const ending = await run({ CRASH_AT: 'relay.afterPublish:3', CRASH_POINTS_LOG: logFile })
    expect(ending.signal).toBe('SIGKILL')
    expect(ending.stdout).toBe('sent 1\nsent 2\n')
    expect(ending.stderr).toContain('"point":"relay.afterPublish","hit":3')
    const lines = (await readFile(logFile, 'utf8')).trim().split('\n')
    const hits = lines.map((line): CrashPointHit => JSON.parse(line))
    expect(hits.map(({ point, hit }) => `${point}:${hit}`)).toEqual([
      'relay.beforePublish:1',
      'relay.afterPublish:1',
      'relay.beforePublish:2',
      'relay.afterPublish:2',
      'relay.beforePublish:3',
      'relay.afterPublish:3',
    ])
  })

  it('kill at the first pass when no number is given, at the first of several points', async () => {
    const ending = await run({ CRASH_AT: 'relay.afterPublish:4, relay.beforePublish' })
    expect(ending.signal).toBe('SIGKILL')
    expect(ending.stdout).toBe('')
  })

  it('leave a process alone that never passes the point, or is given none', async () => {
    for (const CRASH_AT of ['relay.afterPublish:6', 'other.point', '']) {
      const ending = await run({ CRASH_AT })
      expect(ending).toMatchObject({ code: 0, signal: null })
      expect(ending.stdout.split('\n')).toHaveLength(6)
    }
  })

  it('refuse a text that names no point', () => {
    for (const text of ['relay.afterPublish:0', ':3', 'a b', 'relay.afterPublish:x']) {
      expect(() => armCrashPoints(text)).toThrow(/CRASH_AT must look like/)
    }
  })
})
