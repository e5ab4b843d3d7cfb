import { eventually } from '@acuse/testing'
import { expect, test } from 'vitest'
import { acuse } from './acuse.ts'
import { createTestDatabase } from './database.ts'
import { OrderPlaced, startBilling } from './orders.ts'

test('groups are listed with what of them waits, and forgotten when they are gone', async () => {
  const database = await createTestDatabase()
  const acuseGroups = (...words: string[]): ReturnType<typeof acuse> =>
    acuse(['groups', ...words, '--store', database.url])
  expect(await acuseGroups('list')).toMatchObject({
    exitCode: 1,
    errors: expect.stringContaining('has no tables of Acuse'),
  })

  const bus = await startBilling(database, () => true, [])
  await bus.publishNow(OrderPlaced({ orderId: 'one' }))
  await eventually(async () => expect(await bus.deadLetters.list()).toHaveLength(1))

  const listed = await acuseGroups('list', '--json')
  expect(JSON.parse(listed.output)).toMatchObject([
    { name: 'billing', reads: 'its streams', running: 1, parked: 0, dead: 1 },
  ])
  expect((await acuseGroups('list')).output).toMatch(/^GROUP +READS +RUNNING[^\n]*\nbilling +its streams +1 +0 +1 +20/)

  const running = await acuseGroups('delete', 'billing')
  expect(running).toMatchObject({ exitCode: 1, errors: expect.stringContaining('still runs (1 alive)') })
  await bus.stop()
  expect(await acuseGroups('delete', 'billing')).toMatchObject({
    exitCode: 0,
    output: 'Forgot group billing. Its dead letters are kept.',
  })
  expect(JSON.parse((await acuseGroups('list', '--json')).output)).toMatchObject([
    { name: 'billing', reads: 'nothing here', running: 0, dead: 1 },
  ])
  expect(await acuseGroups('delete', 'nobody')).toMatchObject({
    exitCode: 1,
    errors: expect.stringContaining('no group nobody'),
  })
})
