import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { eventually } from '@acuse/testing'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { z } from 'zod'

const program = fileURLToPath(new URL('../src/main.ts', import.meta.url))

let temporary: string

beforeEach(async () => {
  temporary = await mkdtemp(join(tmpdir(), 'acuse-e2e-'))
  // As root, PostgreSQL runs as somebody else, who has to pass.
  await chmod(temporary, 0o755)
})

afterEach(() => rm(temporary, { recursive: true }))

/** What whoever reads the last line may rely on. */
const Summary = z.object({
  committed: z.number(),
  applied: z.number(),
  dead: z.number(),
  lost: z.number(),
  unexpected: z.number(),
  duplicates: z.number(),
  inversions: z.number(),
  kills: z.number(),
  retried: z.number(),
  seed: z.number(),
  faults: z.record(z.string(), z.number()),
  crashPoints: z.object({ hit: z.number(), total: z.number() }),
})

interface Started {
  readonly child: ChildProcess
  readonly said: () => string
  readonly told: () => string
  readonly ended: Promise<number | null>
}

function chaos(...args: string[]): Started {
  const child = spawn(process.execPath, ['--conditions=@acuse/source', program, ...args], {
    env: { PATH: process.env['PATH'], TMPDIR: temporary },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let [stdout, stderr] = ['', '']
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  const ended = once(child, 'close').then(() => child.exitCode)
  return { child, said: () => stdout, told: () => stderr, ended }
}

/** What a run has left behind. */
async function left(): Promise<string[]> {
  return (await readdir(temporary)).filter((name) => name.startsWith('acuse-chaos-'))
}

it('with processes killed, stopped and cut off, nothing is lost, doubled or reordered', async () => {
  const run = chaos(
    '--seconds',
    '12',
    '--seed',
    '7',
    '--messages',
    '200',
    '--faults',
    'kill,crash-points,net-reset',
    '--json',
  )
  const code = await run.ended
  expect(run.said(), run.told()).not.toBe('')
  const said: unknown = JSON.parse(run.said())
  const summary = Summary.parse(said)
  expect(said, run.told()).toMatchObject({
    ok: true,
    seed: 7,
    lost: 0,
    unexpected: 0,
    duplicates: 0,
    inversions: 0,
    early: 0,
    parked: 0,
    sagas: { wrong: 0 },
  })
  expect(code).toBe(0)
  expect(summary.committed).toBeGreaterThanOrEqual(200)
  expect(summary.kills).toBeGreaterThanOrEqual(4)
  expect(summary.crashPoints.hit).toBeGreaterThan(0)
  expect(run.told()).toContain('seed 7')
  expect(await left()).toEqual([])
})

it('Ctrl-C ends all of it', async () => {
  const run = chaos('--seconds', '600', '--seed', '1')
  await eventually(
    () => {
      expect(run.child.exitCode, run.told()).toBeNull()
      expect(run.said()).toMatch(/committed [1-9]/)
    },
    { timeoutMs: 60_000, everyMs: 200 },
  )
  run.child.kill('SIGINT')
  expect(await run.ended, run.told()).toBe(130)
  expect(await left()).toEqual([])
})
