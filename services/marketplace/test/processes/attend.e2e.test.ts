import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

import { eventually } from '@acuse/testing'
import { expect, onTestFinished, test } from 'vitest'

import { addCounts, noCounts } from '../../src/processes/counts.ts'
import { attended } from '../../src/processes/program.ts'
import { isAlive, tinyOptions, tinyProcess } from './tiny.ts'

const CHATTY = fileURLToPath(new URL('./chatty-service.mjs', import.meta.url))
const ORPHAN = fileURLToPath(new URL('./orphan.ts', import.meta.url))

test('what a bus does in a process is counted here', async () => {
  const counts = noCounts()
  const service = await tinyProcess(
    {},
    {
      program: ['--conditions=@acuse/source', ...attended(), CHATTY],
      onMessage: (message) => addCounts(counts, message),
    },
  )
  await service.start()
  await eventually(() => expect(counts).toEqual({ applied: 5, retries: 1, dead: 1 }))
})

test('a service whose marketplace was killed ends by itself', async () => {
  const { port, program, log } = await tinyOptions()
  const args = ['--conditions=@acuse/source', ORPHAN, ...program, String(port), log]
  const parent = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => void parent.kill('SIGKILL'))
  const pid = await new Promise<number>((resolve, reject) => {
    createInterface({ input: parent.stdout }).once('line', (line) => resolve(Number(line)))
    parent.once('exit', () => reject(new Error('it ended before its service served')))
  })
  expect(isAlive(pid)).toBe(true)
  parent.kill('SIGKILL')
  await eventually(() => expect(isAlive(pid)).toBe(false), { timeoutMs: 15_000 })
})
