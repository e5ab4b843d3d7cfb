import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { cloudEvents, createBus, plainEnvelope, stream, type TransportFactory } from '@acuse/core'
import { goInExamples, type Server, startKafka, startRabbitMq } from '@acuse-proof/servers'
import { kafka } from '@acuse/kafka'
import { pg } from '@acuse/postgres'
import { rabbitmq } from '@acuse/rabbitmq'
import { eventually } from '@acuse/testing'
import { Pool } from 'pg'
import { afterAll, beforeAll, describe, expect, inject, it, onTestFinished } from 'vitest'
import { z } from 'zod'
import { databaseFor } from './example-database.ts'

const keys = ['A-1', 'A-2', 'ключ-ñ', 'A-4', 'A-5', 'A-6', 'A-7', 'A-8']
const perKey = 25
const everything = keys.length * perKey
const patience = { timeoutMs: 90_000, everyMs: 50 }

interface Broker {
  readonly start: () => Promise<Server>
  readonly transport: (url: string) => TransportFactory
  /** How the programs name it. */
  readonly address: (url: string) => string
}

const brokers: Readonly<Record<string, Broker>> = {
  rabbitmq: {
    start: () => startRabbitMq({ release: '4.0' }),
    // Queues by partition and priority get only what says both rightly.
    transport: (url) => rabbitmq(url, { newQueueMs: 0, partitioned: true, prioritized: true }),
    address: (url) => url,
  },
  kafka: {
    start: () => startKafka({ lines: ['auto.create.topics.enable=false', 'group.initial.rebalance.delay.ms=0'] }),
    transport: (url) => kafka(url, { replicationFactor: 1 }),
    address: (url) => `kafka://${url}`,
  },
}
const codecs = { plain: plainEnvelope(), cloudevents: cloudEvents() } as const

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'acuse-go-'))
  await goInExamples(['build', '-o', folder, './cmd/...'])
})
afterAll(() => rm(folder, { recursive: true, force: true }))

/** What pages show. */
const shown = [
  'examples/go/wire/partition.go',
  'examples/go/wire/message.go',
  'examples/go/rabbit/consumer.go',
  'examples/go/rabbit/publisher.go',
  'examples/go/kafka/consumer.go',
]

it('what pages show of Go is compiled', async () => {
  const perFile = '{{range .GoFiles}}{{println (printf "%s/%s" $.ImportPath .)}}{{end}}'
  const compiled = await goInExamples(['list', '-f', perFile, './...'])
  for (const file of shown) expect(compiled.split('\n')).toContain(file.replace('examples/go', 'acuse.example/go'))
})

it('the programs in Go read and write the golden vectors', async () => {
  expect(await goInExamples(['test', './...'])).toMatch(/^ok\s+acuse\.example\/go\/wire\b/m)
})

describe.each(Object.entries(brokers))('%s', (name, { start, transport, address }) => {
  let server: Server
  beforeAll(async () => {
    server = await start()
  })
  afterAll(() => server[Symbol.asyncDispose]())

  describe.each(Object.entries(codecs))('codec %s', (codecName, codec) => {
    const declared = stream(`shop.${name}-${codecName}`, { partitions: 4 })
    const Counted = declared.message('order.counted', {
      schema: z.object({ orderId: z.string(), n: z.int(), text: z.string() }),
      key: ({ orderId }) => orderId,
    })
    const args = (): string[] => ['-broker', address(server.url), '-stream', declared.name, '-partitions', '4']

    async function openBus(service: string) {
      const pool = new Pool({ connectionString: await databaseFor(service, inject('adminUrl')) })
      onTestFinished(() => pool.end())
      const bus = createBus({ service, codec, store: pg(pool), transport: transport(server.url) })
      onTestFinished(() => bus.stop())
      return bus
    }

    it('Go reads what is published here: each message once and in order of its key, also when it is killed meanwhile', async () => {
      const journal = join(folder, `${name}-${codecName}.jsonl`)
      const consumerArgs = [...args(), '-group', `go-${name}-${codecName}`, '-journal', journal]
      const killed = await startProgram('consume', [...consumerArgs, '-types', Counted.name])
      const bus = await openBus('go_reads')
      await bus.start()
      for (const n of numbered(perKey)) {
        await bus.transaction(async (_, publish) => {
          for (const orderId of keys) publish(Counted({ orderId, n, text: '<naïve> & 🫖' }))
        })
      }
      await eventually(async () => expect((await effectsIn(journal)).length).toBeGreaterThan(everything / 4), patience)
      killed.kill('SIGKILL')
      const again = await startProgram('consume', consumerArgs)
      await eventually(
        async () => expect((await effectsIn(journal)).length).toBeGreaterThanOrEqual(everything),
        patience,
      )
      const stopped = exitOf(again)
      again.kill('SIGTERM')
      expect(await stopped).toBe(0)
      const effects = await effectsIn(journal)
      expect(new Set(effects.map(({ id }) => id)).size).toBe(everything)
      expect(inOrderByKey(effects.map(({ data }) => data))).toEqual(inOrder)
      expect(effects[0]).toMatchObject({ type: Counted.name, version: 1, tenant: '', data: { text: '<naïve> & 🫖' } })
      expect(effects.every(({ id, key, data, correlationId }) => key === data.orderId && correlationId === id)).toBe(
        true,
      )
      expect(existsSync(`${journal}.dead`)).toBe(false)
    })

    it('what Go publishes is handled here: each message once and in order of its key, also when it sends some again', async () => {
      const handled: { readonly orderId: string; readonly n: number; readonly source: string }[] = []
      const bus = await openBus('reads_go')
      bus.group('reads-go', { from: 'now' }).on(Counted, ({ data, source, key, tenant, correlationId }) => {
        expect([key, tenant, correlationId]).toEqual([data.orderId, 'acme/eu', 'flow-1'])
        handled.push({ orderId: data.orderId, n: data.n, source })
      })
      await bus.start()
      const lines = numbered(perKey).flatMap((n) =>
        keys.map((orderId) => ({
          ...{ id: `${name}-${codecName}-${orderId}-${n}`, type: Counted.name, key: orderId, tenant: 'acme/eu' },
          ...{ correlationId: 'flow-1', data: { orderId, n, text: 'from Go' } },
        })),
      )
      const published = await runProgram(
        'produce',
        [...args(), '-codec', codecName, '-source', 'billing'],
        [...lines, ...lines.slice(-keys.length)],
      )
      expect(published).toHaveLength(everything + keys.length)
      await eventually(() => expect(handled.length).toBeGreaterThanOrEqual(everything), patience)
      expect(inOrderByKey(handled)).toEqual(inOrder)
      expect(new Set(handled.map(({ source }) => source))).toEqual(new Set(['billing']))
      // The second ones were taken as well, and had no effect.
      expect(await bus.deadLetters.list()).toEqual([])
    })
  })
})

interface GoEffect {
  readonly id: string
  readonly type: string
  readonly key: string
  readonly correlationId: string
  readonly data: { readonly orderId: string; readonly n: number }
}

const inOrder = new Map(keys.map((key) => [key, numbered(perKey)]))

function numbered(count: number): readonly number[] {
  return Array.from({ length: count }, (_, index) => index)
}

function inOrderByKey(effects: readonly { readonly orderId: string; readonly n: number }[]): Map<string, number[]> {
  return new Map(keys.map((key) => [key, effects.filter(({ orderId }) => orderId === key).map(({ n }) => n)]))
}

async function effectsIn(journal: string): Promise<readonly GoEffect[]> {
  const text = await readFile(journal, 'utf8').catch(() => '')
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as GoEffect)
}

/** Starts a program that is killed when the test is over; resolves when it is ready. */
async function startProgram(program: string, args: readonly string[]): Promise<ChildProcess> {
  const child = spawn(join(folder, program), args, { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  for await (const line of createInterface({ input: child.stdout })) if (line === 'ready') return child
  throw new Error(`${program} ended before it was ready.`)
}

function exitOf(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve) => child.once('exit', resolve))
}

/** Runs a program on lines of JSON, and gives the lines it prints. */
async function runProgram(
  program: string,
  args: readonly string[],
  input: readonly object[],
): Promise<readonly string[]> {
  const child = spawn(join(folder, program), args, { stdio: ['pipe', 'pipe', 'inherit'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  const exited = exitOf(child)
  child.stdin.end(input.map((line) => `${JSON.stringify(line)}\n`).join(''))
  const lines: string[] = []
  for await (const line of createInterface({ input: child.stdout })) lines.push(line)
  expect(await exited).toBe(0)
  return lines
}
