import { eventually } from '@acuse/testing'
import { expect, test } from 'vitest'
import { acuse } from './acuse.ts'
import { createTestDatabase } from './database.ts'
import { OrderPlaced, startBilling } from './orders.ts'

interface Letter {
  readonly id: string
  readonly fingerprint: string
  readonly message: { readonly key: string; readonly body: string; readonly encoding: string }
}

test('dead letters are listed, replayed and discarded beside the running service', async () => {
  const database = await createTestDatabase()
  const billed: string[] = []
  let declined = true
  const bus = await startBilling(database, () => declined, billed)
  for (const orderId of ['one', 'two', 'three']) await bus.publishNow(OrderPlaced({ orderId }))
  await eventually(async () => expect(await bus.deadLetters.list()).toHaveLength(3))

  const acuseLetters = (...words: string[]): ReturnType<typeof acuse> =>
    acuse(['dead-letters', ...words], { DATABASE_URL: database.url })
  const list = async (...words: string[]): Promise<readonly Letter[]> =>
    JSON.parse((await acuseLetters('list', '--json', ...words)).output) as readonly Letter[]

  const text = await acuseLetters('list')
  expect(text).toMatchObject({ exitCode: 0, errors: '' })
  expect(text.output.split('\n')).toHaveLength(4)
  expect(text.output).toMatch(/^ID +DIED +GROUP +TYPE +KEY +STATE/)
  expect(text.output).toContain('the card of one was declined')

  const letters = await list('--group', 'billing', '--type', 'order.placed')
  expect(letters.map(({ message }) => message.key).toSorted()).toEqual(['one', 'three', 'two'])
  expect(letters[0]?.message).toMatchObject({ body: expect.stringContaining('orderId'), encoding: 'utf-8' })
  expect(new Set(letters.map(({ fingerprint }) => fingerprint)).size).toBeGreaterThanOrEqual(1)
  expect(await list('--group', 'nobody')).toEqual([])

  const unsaid = await acuseLetters('replay')
  expect(unsaid).toMatchObject({ exitCode: 1, errors: expect.stringContaining('or --all') })

  declined = false
  const replayed = await acuseLetters('replay', '--key', 'one')
  expect(replayed).toMatchObject({ exitCode: 0, output: 'Replaying 1 dead letter.' })
  await eventually(() => expect(billed).toEqual(['one']))

  const two = letters.find(({ message }) => message.key === 'two')?.id ?? ''
  expect(JSON.parse((await acuseLetters('discard', '--id', two, '--json')).output)).toEqual({ discarded: 1 })
  expect((await list()).map(({ message }) => message.key)).toEqual(['three'])
  expect((await list('--state', 'discarded')).map(({ message }) => message.key)).toEqual(['two'])

  const rest = await acuseLetters('replay', '--all', '--limit', '1')
  expect(rest.output).toBe('Replaying 1 dead letter. That is the limit (--limit 1): there may be more.')
  await eventually(() => expect(billed).toEqual(['one', 'three']))
  expect((await acuseLetters('list')).output).toBe('No dead letters.')
})

test('a letter that the inbox does not know any more is replayed only by force', async () => {
  const database = await createTestDatabase()
  const billed: string[] = []
  let declined = true
  const bus = await startBilling(database, () => declined, billed)
  await bus.publishNow(OrderPlaced({ orderId: 'one' }))
  await eventually(async () => expect(await bus.deadLetters.list()).toHaveLength(1))
  await database.pool.query('delete from acuse.inbox')
  declined = false

  const refused = await acuse(['dead-letters', 'replay', '--all', '--store', database.url])
  expect(refused).toMatchObject({ exitCode: 1, errors: expect.stringContaining('ACUSE_REPLAY_REFUSED') })
  expect(billed).toEqual([])
  expect(await acuse(['dead-letters', 'replay', '--all', '--force', '--store', database.url])).toMatchObject({
    exitCode: 0,
  })
  await eventually(() => expect(billed).toEqual(['one']))
})
