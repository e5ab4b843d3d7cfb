import { fork } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { lockHolder, takeLock, tryLock } from '../../src/embedded/lock.ts'
import { temporaryFolder } from './support.ts'

const program = fileURLToPath(new URL('lock-process.ts', import.meta.url))

test('a held lock is refused until it is released', async () => {
  const path = join(await temporaryFolder(), 'lock')
  const held = tryLock(path)
  expect(held).not.toBeNull()
  expect(tryLock(path)).toBeNull()
  expect(await takeLock(path, 60)).toBeNull()
  expect(lockHolder(path)?.pid).toBe(process.pid)
  held?.release()
  const again = tryLock(path)
  expect(again).not.toBeNull()
  again?.release()
  expect(lockHolder(path)).toBeNull()
})

test('a lock whose holder is gone is removed by one process at a time, and left alone by the others', async () => {
  const folder = await temporaryFolder()
  const path = join(folder, 'lock')
  const stale = { pid: process.pid, startedAt: '1', nonce: 'gone' }
  await writeFile(path, JSON.stringify(stale))
  const remover = tryLock(`${path}.stale-gone`)
  expect(tryLock(path)).toBeNull()
  expect(lockHolder(path)).toMatchObject(stale)
  remover?.release()
  const taken = await takeLock(path, 5_000)
  expect(taken).not.toBeNull()
  taken?.release()
  expect(await readdir(folder)).toEqual([])
})

test('a lock that has come into other hands is not removed by the one that had it', async () => {
  const path = join(await temporaryFolder(), 'lock')
  const held = tryLock(path)
  const other = { pid: process.pid, startedAt: null, nonce: 'other' }
  await writeFile(path, JSON.stringify(other))
  held?.release()
  expect(lockHolder(path)).toEqual(other)
})

test('processes that lose the lock half of the time never let two others in at once', async () => {
  const folder = await temporaryFolder()
  await writeFile(join(folder, 'count'), '0')
  const children = Array.from({ length: 4 }, () => fork(program, [folder, '60'], { stdio: 'inherit' }))
  onTestFinished(() => children.forEach((child) => child.kill('SIGKILL')))
  const exits = await Promise.all(children.map(async (child) => await once(child, 'exit')))
  expect(exits.map(([code]: unknown[]) => code)).toEqual([0, 0, 0, 0])
  expect(await readFile(join(folder, 'count'), 'utf8')).toBe(String(4 * 60))
  const last = await takeLock(join(folder, 'lock'), 5_000)
  last?.release()
  expect(await readdir(folder)).toEqual(['count'])
})
