import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

import { eventually } from '@acuse/testing'
import { beforeAll, expect, test } from 'vitest'

import { expectAllGone, expectAllWell } from './all-is-well.ts'
import { answers, build, startMarketplace, summaryOf, temporaryFolder } from './marketplace-process.ts'

beforeAll(build)

test(
  'sixty orders: all is well, the summary is one line of JSON, and nothing is left running',
  { timeout: 300_000 },
  async () => {
    const folder = await temporaryFolder()
    const run = startMarketplace('--once', '--orders', '60', '--seed', '1', '--json', '--folder', folder)
    const { code, stdout, stderr } = await run.ended
    const summary = summaryOf(stdout)
    expectAllWell(summary, 60)
    expect(code).toBe(0)
    expect(summary.faults).toEqual({ kills: 0, restarts: 0 })
    expect(summary.transport).toBe('PostgreSQL')
    expect(stderr).toContain('seed 1')
    expect(stderr).toContain('not used: line 14 (invoice 70105): the quantity is zero')
    expect(stderr).toContain('All is well: 60 orders')
    expect(stderr).not.toContain('ended by itself')
    expect((await readFile(join(folder, 'rejected-lines.txt'), 'utf8')).trimEnd().split('\n')).toHaveLength(11)
    await expectAllGone(summary, folder)
  },
)

test('with services killed and the database restarted all is just as well', { timeout: 600_000 }, async () => {
  const folder = await temporaryFolder()
  const args = ['--once', '--faults', '--orders', '150', '--seed', '7', '--json', '--folder', folder]
  const { code, stdout, stderr } = await startMarketplace(...args).ended
  const summary = summaryOf(stdout)
  expectAllWell(summary, 150)
  expect(code).toBe(0)
  expect(summary.faults.kills).toBeGreaterThanOrEqual(2)
  expect(summary.faults.restarts).toBeGreaterThanOrEqual(summary.faults.kills)
  expect(stderr.match(/fault: restarted the database/g)).toHaveLength(1)
  await expectAllGone(summary, folder)
})

test(
  'without --once it stays up for whoever comes, alone in its folder, until Ctrl-C',
  { timeout: 300_000 },
  async () => {
    const folder = await temporaryFolder()
    const run = startMarketplace('--orders', '5', '--seed', '2', '--folder', folder)
    await run.says('All services stay up')
    const addresses = [...run.said().matchAll(/^ {2}\w+-\d +(http:\S+)$/gm)].map(([, url = '']) => url)
    expect(addresses).toHaveLength(6)
    for (const url of addresses) expect(await answers(url)).toBe(true)

    const other = await startMarketplace('--once', '--orders', '5', '--folder', folder).ended
    expect(other.stdout).toContain('another marketplace runs in')
    expect(other.code).toBe(1)
    for (const url of addresses) expect(await answers(url)).toBe(true)

    run.child.kill('SIGINT')
    const { code, stdout } = await run.ended
    expect(stdout).toContain('Stopping')
    expect(code).toBe(0)
    for (const url of addresses) expect(await answers(url)).toBe(false)
  },
)

test('Ctrl-C while orders flow ends all of it', { timeout: 300_000 }, async () => {
  const folder = await temporaryFolder()
  const run = startMarketplace('--orders', '100000', '--seed', '2', '--folder', folder)
  await run.says('Ready after')
  const addresses = [...run.said().matchAll(/^ {2}\w+(?:-\d)? +(http:\S+)$/gm)].map(([, url = '']) => url)
  run.child.kill('SIGINT')
  expect((await run.ended).code).toBe(130)
  for (const url of addresses) expect(await answers(url)).toBe(false)
  expect(existsSync(join(folder, 'postgres', 'data', 'postmaster.pid'))).toBe(false)
})

test(
  'when the marketplace itself is killed, its services and its database end by themselves',
  { timeout: 300_000 },
  async () => {
    const folder = await temporaryFolder()
    const run = startMarketplace('--orders', '5', '--seed', '2', '--folder', folder)
    await run.says('Ready after')
    const addresses = [...run.said().matchAll(/^ {2}\w+(?:-\d)? +(http:\S+)$/gm)].map(([, url = '']) => url)
    run.child.kill('SIGKILL')
    await eventually(
      async () => {
        for (const url of addresses) expect(await answers(url)).toBe(false)
        expect(existsSync(join(folder, 'postgres', 'data', 'postmaster.pid'))).toBe(false)
      },
      { timeoutMs: 60_000, everyMs: 500 },
    )
  },
)

test.each([
  [['--help'], 0, 'Starts a marketplace on this machine'],
  [['--orders', 'x'], 2, '--orders takes a whole number from 1 to 10000000, not "x"\nTry --help.'],
])('%j', async (args, code, text) => {
  const ended = await startMarketplace(...args).ended
  expect(ended.code).toBe(code)
  expect(code === 0 ? ended.stdout : ended.stderr).toContain(text)
})
