import { randomUUID } from 'node:crypto'
import { closeSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { tryLock } from '../../src/embedded/lock.ts'

// Adds 1 to a file as often as told, each time under the lock, and fails if it meets another in there. Every second time it leaves
// the lock as a process does that dies holding it: in the name of one that is gone.

const [, , folder = '', times = '0'] = process.argv
const [path, count, inside] = ['lock', 'count', 'inside'].map((name) => join(folder, name)) as [string, string, string]

for (let turn = 1; turn <= Number(times); turn++) {
  let lock = tryLock(path)
  // No pause: the closer the tries, the more of them meet at a lock whose holder is gone.
  for (; lock === null; lock = tryLock(path)) await new Promise(setImmediate)
  closeSync(openSync(inside, 'wx'))
  writeFileSync(count, String(Number(readFileSync(count, 'utf8')) + 1))
  rmSync(inside)
  if (turn % 2 === 0) lock.release()
  else abandon()
}

function abandon(): void {
  const draft = join(folder, `draft-${randomUUID()}`)
  writeFileSync(draft, JSON.stringify({ pid: process.pid, startedAt: '1', nonce: randomUUID() }))
  renameSync(draft, path)
}
