import { describe, expect, test } from 'vitest'
import { chartOf } from '../src/chart.ts'
import { latenciesOf } from '../src/latency.ts'
import { isReached, type Row } from '../src/measure.ts'
import { tableOf } from '../src/report.ts'
import { pageOf, type Setting } from '../src/report-page.ts'

const ratio: Row = {
  measure: 'publish-one',
  what: 'publish one message',
  against: 'plain insert',
  unit: 'times',
  value: { median: 0.812, least: 0.7, most: 0.9 },
  reach: { atLeast: 0.8 },
  figures: { acuse: 4_120.4, sql: 5_074 },
  costs: { acuse: { client: 113.2, server: 164, broker: 0 }, sql: { client: 59, server: 121, broker: 0 } },
  includes: 'fsync on both sides.',
}
const latency: Row = {
  measure: 'latency',
  what: 'commit to handler, p99 <busy>',
  unit: 'ms',
  value: { median: 31.26, least: 20, most: 140 },
  reach: { below: 25 },
  figures: {},
  includes: 'the inbox row.',
}
const setting: Setting = {
  title: null,
  date: '2026-11-25',
  processors: '2 × Some Processor',
  memoryGb: 24,
  system: 'Linux 6.1',
  loadBefore: 12.34,
  versions: ['PostgreSQL 18.4', 'Node 24.1.0'],
  serverSettings: { shared_buffers: '512MB' },
  command: 'npm run bench -- postgres --write',
  sliceSeconds: 3,
  rounds: 5,
}

describe('the report of the bench', () => {
  test('a ratio is reached at its limit, a time only below it', () => {
    expect(isReached({ ...ratio, value: { median: 0.8, least: 0.8, most: 0.8 } })).toBe(true)
    expect(isReached({ ...ratio, value: { median: 0.79, least: 0.7, most: 0.9 } })).toBe(false)
    expect(isReached({ ...latency, value: { median: 25, least: 25, most: 25 } })).toBe(false)
    expect(isReached({ ...latency, value: { median: 24.9, least: 1, most: 30 } })).toBe(true)
  })

  test('the table says for each row what was measured, what to reach, and whether it is', () => {
    const [, first, second] = tableOf([ratio, latency]).split('\n')
    expect(first).toMatch(/^publish one message, against plain insert +0.81 × +0.70 – 0.90 × +≥ 0.80 × +reached$/)
    expect(second).toMatch(/^commit to handler, p99 <busy> +31.3 ms +20.0 – 140 ms +< 25.0 ms +missed$/)
  })

  test('the page tells machine, versions, command, figures and what they include', () => {
    const page = pageOf([ratio, latency], setting, 'benchmarks.svg')
    for (const text of [
      '2 × Some Processor, 24 GB',
      'PostgreSQL 18.4',
      'postgres --write',
      'before the run 12.3',
      '3 s, A B C A B C',
      '5 rounds count',
    ]) {
      expect(page).toContain(text)
    }
    expect(page).toContain(
      '| publish one message, against plain insert | 0.81 × | 0.70 – 0.90 × | ≥ 0.80 × | reached | acuse 4,120, sql 5,074 |',
    )
    expect(page).toContain('| **missed** |')
    expect(page).toContain('| publish one message | acuse | 113 | 164 |')
    expect(page).toContain('| publish one message | sql | 59.0 | 121 |')
    expect(page).toContain('- **publish one message**: fsync on both sides.')
  })

  test('the page of a broker bears its name and says what a message cost it', () => {
    const row: Row = { ...ratio, costs: { relay: { client: 40, server: 8, broker: 31 } } }
    const page = pageOf([row], { ...setting, title: 'RabbitMQ' }, 'benchmarks-rabbitmq.svg')
    expect(page).toContain('# Benchmarks: RabbitMQ')
    expect(page).toContain('on one RabbitMQ and one embedded PostgreSQL')
    expect(page).toContain('| measure | contestant | client | server | broker |')
    expect(page).toContain('| publish one message | relay | 40.0 | 8.00 | 31.0 |')
  })

  test('the picture has a bar for each row, and its text is escaped', () => {
    const picture = chartOf([ratio, latency])
    expect(picture.match(/height="16"/g)).toHaveLength(2)
    expect(picture).toContain('p99 &lt;busy&gt;')
  })

  test('a message whose handler began before its publisher had its answer took no time', () => {
    const committed = [
      ['a', 100],
      ['b', 200],
    ] as const
    const handled = [
      ['b', 204.5],
      ['a', 99.8],
    ] as const
    expect(latenciesOf(committed, handled)).toEqual([0, 4.5])
  })
})
