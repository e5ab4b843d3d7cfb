import { execFile } from 'node:child_process'
import { join } from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import type { Row } from '../src/measure.ts'

const main = join(import.meta.dirname, '../src/main.ts')

type Reported = Row & { readonly reached: boolean }

describe('the bench', () => {
  test('contestants publish and drain in one run, and the result says what was reached', async () => {
    const rows = await bench('postgres', 'drain-shared')
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

  test.each([
    ['rabbitmq', ['amqplib', 'Nest']],
    ['kafka', ['@platformatic/kafka', 'kafkajs']],
    ['nats', ['JetStream']],
    ['redis', ['ioredis', 'BullMQ']],
  ] as const)('a group, the plain client and a peer consume from %s in one run', async (broker, others) => {
    const rows = await bench(broker, 'consume')
    expect(rows.map(({ against }) => against)).toEqual([...others, ...others])
    for (const { figures, costs = {} } of rows) {
      for (const perSecond of Object.values(figures)) expect(perSecond).toBeGreaterThan(0)
      // The kernel counts in steps of 10 ms, and in a run as short as this one a contestant may need less.
      const total = (of: 'client' | 'broker'): number => Object.values(costs).reduce((sum, cost) => sum + cost[of], 0)
      expect(Math.min(total('client'), total('broker'))).toBeGreaterThan(0)
    }
  })

  test('a relay and the plain client publish to a broker, and a message is timed from commit to effect', async () => {
    const rows = await bench('nats', 'publish,latency')
    expect(rows.map(({ measure }) => measure)).toEqual([
      ...['publish', 'publish'],
      ...['latency', 'latency', 'latency', 'latency'],
    ])
    for (const { value } of rows) expect(value.median).toBeGreaterThan(0)
  })
})

async function bench(subject: string, only: string): Promise<Reported[]> {
  const args = [subject, '--quick', '--seconds', '0.5', '--rounds', '1', '--only', only, '--json']
  const { stdout } = await promisify(execFile)(process.execPath, ['--conditions=@acuse/source', main, ...args])
  return JSON.parse(stdout) as Reported[]
}
