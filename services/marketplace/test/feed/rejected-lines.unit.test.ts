import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { expect, onTestFinished, test } from 'vitest'

import { createRejectedLines } from '../../src/feed/rejected-lines.ts'

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'marketplace-'))
  onTestFinished(() => rm(path, { recursive: true }))
  return path
}

test('the first twenty are shown, all are in the file', async () => {
  const path = join(await folder(), 'rejected-lines.txt')
  const notes: string[] = []
  const rejected = createRejectedLines(path, (text) => notes.push(text))
  for (let line = 1; line <= 25; line += 1) {
    rejected.add({ kind: 'rejected', line, invoice: line === 1 ? null : '70105', reason: 'the quantity is 0' })
  }
  await rejected.close()
  expect(rejected.count).toBe(25)
  expect(notes).toHaveLength(21)
  expect(notes[0]).toBe('not used: line 1: the quantity is 0')
  expect(notes[1]).toBe('not used: line 2 (invoice 70105): the quantity is 0')
  expect(notes.at(-1)).toBe(`25 lines could not be used; all of them are in ${path}`)
  const lines = (await readFile(path, 'utf8')).trimEnd().split('\n')
  expect(lines).toHaveLength(25)
  expect(lines[24]).toBe('line 25 (invoice 70105): the quantity is 0')
})

test('a file that cannot be written costs a note, not the run', async () => {
  const notes: string[] = []
  const rejected = createRejectedLines(join(await folder(), 'none', 'rejected-lines.txt'), (text) => notes.push(text))
  rejected.add({ kind: 'rejected', line: 1, invoice: null, reason: 'not UTF-8' })
  await rejected.close()
  expect(notes[0]).toBe('not used: line 1: not UTF-8')
  expect(notes[1]).toMatch(/rejected-lines\.txt could not be written: ENOENT/)
})
