import { execFile } from 'node:child_process'
import { join } from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import type { Row } from '../src/measure.ts'

const main = join(import.meta.dirname, '../src/main.ts')

test('contestants publish and drain in one run, and the result says what was reached', async () => {
  const args = ['postgres', '--quick', '--seconds', '0.2', '--rounds', '1', '--only', 'drain-shared', '--json']
  const { stdout } = await promisify(execFile)(process.execPath, ['--conditions=@acuse/source', main, ...args])
  const rows = JSON.parse(stdout) as (Row & { readonly reached: boolean })[]
  expect(rows.map(({ measure, against }) => [measure, against])).toEqual([
    ['drain-shared', 'graphile'],
    ['drain-shared', 'pg-boss'],
  ])
  for (const { figures, costs = {}, reached } of rows) {
    for (const { client, server } of Object.values(costs)) expect(Math.min(client, server)).toBeGreaterThan(0)
    expect(Object.keys(figures)).toEqual(['acuse', 'graphile', 'pg-boss'])
    expect(Object.keys(costs)).toEqual(['acuse', 'graphile', 'pg-boss'])
    expect(typeof reached).toBe('boolean')
  }
})
