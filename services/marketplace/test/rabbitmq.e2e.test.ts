import { readdir } from 'node:fs/promises'
import { join } from 'node:path'

import { beforeAll, expect, test } from 'vitest'

import { expectAllGone, expectAllWell } from './all-is-well.ts'
import { build, startMarketplace, summaryOf, temporaryFolder } from './marketplace-process.ts'

beforeAll(build)

test(
  'over RabbitMQ all is just as well, with services and the broker killed and frozen',
  { timeout: 600_000 },
  async () => {
    const folder = await temporaryFolder()
    // One order a second: for as long as both faults of the broker need, also where it takes 20 s to come back.
    const orders = ['--orders', '60', '--rate', '1', '--seed', '7']
    const args = ['--transport', 'rabbitmq', '--once', '--faults', ...orders, '--json', '--folder', folder]
    const { code, stdout, stderr } = await startMarketplace(...args).ended
    const summary = summaryOf(stdout)
    expectAllWell(summary, 60)
    expect(code).toBe(0)
    expect(summary.transport).toMatch(/^RabbitMQ 4\.0\.\d+$/)
    expect(stderr).toContain('fault: killed RabbitMQ 4.0')
    expect(stderr).toContain('fault: froze RabbitMQ 4.0')
    expect(summary.faults.kills).toBeGreaterThanOrEqual(2)
    await expectAllGone(summary, folder)
    expect(await readdir(join(folder, 'broker'))).toEqual([])
  },
)
