import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { appendFile, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

import { expect, onTestFinished, test } from 'vitest'

import { startGateway } from '../src/start-gateway.ts'
import { clientOf, gateway, temporaryFolder } from './client.ts'
import type { Answered, Client } from './client.ts'

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url))

async function startProcess(
  journal: string,
  behaviour: object = {},
  command: readonly string[] = [process.execPath, MAIN],
): Promise<{ client: Client; child: ChildProcess }> {
  const [program = '', ...rest] = command
  const child = spawn(program, rest, {
    env: { PATH: process.env['PATH'], PORT: '0', JOURNAL: journal, SEED: '3', BEHAVIOUR: JSON.stringify(behaviour) },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  // The log is read to its end: a process whose log nobody reads stops when the pipe is full.
  const url = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout })
      .on('line', (line) => {
        const found = /^{"ready":"gateway","url":"(.+)"}$/.exec(line)?.[1]
        if (found !== undefined) resolve(found)
      })
      .on('close', () => reject(new Error('the gateway ended before it listened')))
  })
  return { client: clientOf(url), child }
}

async function kill(child: ChildProcess, signal: NodeJS.Signals): Promise<unknown[]> {
  const exited = once(child, 'exit')
  child.kill(signal)
  return exited
}

test('what was answered before a kill is true after it, and no card is charged twice', async () => {
  const journal = join(await temporaryFolder(), 'journal.jsonl')
  const before = await startProcess(journal, { refuseRate: 0.2, loseResponseRate: 0.1 })
  const answered = new Map<string, Answered>()
  const orders = Array.from({ length: 400 }, (_, index) => ({ key: `key-${index}`, orderId: `order-${index}` }))

  let killed: Promise<unknown> | undefined
  await Promise.allSettled(
    orders.map(async ({ key, orderId }) => {
      const answer = await before.client.charge(key, { orderId })
      answered.set(key, answer)
      if (answered.size === 100) killed = kill(before.child, 'SIGKILL')
    }),
  )
  await killed
  expect(answered.size).toBeGreaterThanOrEqual(100)
  expect(answered.size).toBeLessThan(orders.length)
  await appendFile(journal, '{"type":"charge","key":"key-9999","chargeId":"ch_torn","orderId":"ord')

  const { client, child } = await startProcess(journal, { refuseRate: 0.2 })
  const again = await Promise.all(
    orders.map(async ({ key, orderId }) => ({ key, ...(await client.charge(key, { orderId })) })),
  )
  for (const { key, status, body, replay } of again) {
    const first = answered.get(key)
    if (first !== undefined) expect({ key, status, body, replay }).toEqual({ key, ...first, replay: true })
  }
  const ledger = await client.ledger()
  expect(ledger.doubleCharges).toEqual([])
  expect(ledger.totals.charges).toBe(again.filter(({ status }) => status === 201).length)
  expect(new Set(ledger.charges.map(({ key }) => key)).size).toBe(ledger.charges.length)
  expect(await kill(child, 'SIGTERM')).toEqual([0, null])

  const third = await gateway({ journal })
  expect(await third.ledger()).toEqual(ledger)
})

test('refunds and cancellations survive a kill', async () => {
  const journal = join(await temporaryFolder(), 'journal.jsonl')
  const before = await startProcess(journal)
  const { chargeId } = (await before.client.charge('key-1')).body
  const refund = await before.client.refund('back-1', chargeId, 500)
  await before.client.cancel('key-2')
  await kill(before.child, 'SIGKILL')

  const { client } = await startProcess(journal)
  expect(await client.refund('back-1', chargeId, 500)).toEqual({ ...refund, replay: true })
  expect(await client.refund('back-2', chargeId, 1_500)).toMatchObject({ status: 422 })
  expect(await client.charge('key-2')).toMatchObject({ status: 402, body: { reason: 'cancelled' } })
})

test('SIGTERM answers what is under way', async () => {
  const journal = join(await temporaryFolder(), 'journal.jsonl')
  const { client, child } = await startProcess(journal, { slowRate: 1, slowMs: 60_000 })
  const charging = client.charge('key-1')
  await client.underWay(1)
  expect(await kill(child, 'SIGTERM')).toEqual([0, null])
  expect(await charging).toMatchObject({ status: 201 })
  expect(await readFile(journal, 'utf8')).toMatch(/^\{"type":"charge".*\}\n$/)
})

test.each(['not an entry', 'null', '{"type":"charge"}'])(
  'a journal that holds %s is refused, and left as it is',
  async (line) => {
    const journal = join(await temporaryFolder(), 'journal.jsonl')
    const damaged = `${line}\n{"type":"cancellation","key":"key-1","at":"2026-03-02T08:00:00.000Z"}\n`
    await writeFile(journal, damaged)
    await expect(startGateway({ port: 0, seed: 1, journal })).rejects.toThrow('line 1 is not an entry')
    expect(await readFile(journal, 'utf8')).toBe(damaged)
  },
)

test('when the disk is full nothing is promised, and a restart with room again charges once', async () => {
  const journal = join(await temporaryFolder(), 'journal.jsonl')
  // Files of this process end at 2,048 bytes, the way a full disk ends them: in the middle of an entry.
  const limited = ['sh', '-c', `ulimit -f 4; exec "${process.execPath}" "${MAIN}"`]
  const before = await startProcess(journal, {}, limited)
  const keys = Array.from({ length: 12 }, (_, index) => `key-${index}`)
  const statuses: number[] = []
  for (const key of keys) statuses.push((await before.client.charge(key, { orderId: key })).status)
  const made = statuses.filter((status) => status === 201).length
  expect(made).toBeGreaterThan(0)
  expect(statuses).toEqual(keys.map((_, index) => (index < made ? 201 : 500)))
  expect(await before.client.charge(keys[made] ?? '', { orderId: keys[made] })).toMatchObject({
    status: 500,
    body: { error: 'internal' },
  })
  await kill(before.child, 'SIGKILL')

  const { client } = await startProcess(journal)
  expect((await client.ledger()).totals.charges).toBe(made)
  const again = await Promise.all(keys.map(async (key) => client.charge(key, { orderId: key })))
  expect(again.map(({ status, replay }) => ({ status, replay }))).toEqual(
    keys.map((_, index) => ({ status: 201, replay: index < made })),
  )
  expect(await client.ledger()).toMatchObject({ charges: { length: keys.length }, doubleCharges: [] })
})
