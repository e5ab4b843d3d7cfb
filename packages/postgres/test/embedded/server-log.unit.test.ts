import { appendFileSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { serverPaths, type ServerPaths } from '../../src/embedded/paths.ts'
import { boundLog, lastLogLines, logSize } from '../../src/embedded/server-log.ts'

function folder(): ServerPaths {
  const root = mkdtempSync(join(tmpdir(), 'acuse-log-'))
  onTestFinished(() => rmSync(root, { recursive: true }))
  return serverPaths(root)
}

test('a log of 8 MB stays, a longer one is moved away and starts empty', () => {
  const paths = folder()
  writeFileSync(paths.log, Buffer.alloc(8 * 1024 * 1024, 'x'))
  boundLog(paths)
  expect(logSize(paths)).toBe(8 * 1024 * 1024)
  appendFileSync(paths.log, 'y')
  boundLog(paths)
  expect(logSize(paths)).toBe(0)
  expect(statSync(paths.oldLog).size).toBe(8 * 1024 * 1024 + 1)
})

test('the last lines are those at the end, since the given byte', () => {
  const paths = folder()
  expect(lastLogLines(paths)).toBe('')
  writeFileSync(paths.log, 'old\n')
  const from = logSize(paths)
  appendFileSync(paths.log, Array.from({ length: 20 }, (_, n) => `line ${n}\n`).join(''))
  expect(lastLogLines(paths, from, 2)).toBe('line 18\nline 19')
  expect(lastLogLines(paths, from, 100).split('\n')).toHaveLength(20)
  expect(lastLogLines(paths, 1_000_000)).toBe('')
})
