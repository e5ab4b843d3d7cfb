import { readFileSync } from 'node:fs'
import { systemClock } from '@acuse/core'
import { uniqueName } from '@acuse/testing/conformance'
import { onTestFinished } from 'vitest'
import { testVectors, testWire } from '../../../../test/vectors/suite.ts'
import { postgres } from '../../src/transport.ts'
import { createTestDatabase } from '../database.ts'
import { type HeldByLog, heldOf, messageOf, readRows } from './held.ts'

/** How any client publishes in its own transaction. */
const append = readFileSync(new URL('../../../../examples/other-languages/append.sql', import.meta.url), 'utf8')

testWire('postgres', { held: heldOf, messageOf })

testVectors<HeldByLog>('postgres', async () => {
  const database = await createTestDatabase()
  onTestFinished(() => database[Symbol.asyncDispose]())
  const open = postgres({ connection: database.url, pollMaxMs: 50 })
  const instance = uniqueName('instance')
  const transport = await open({ service: 'test', instance, clock: systemClock, onError: () => undefined })
  onTestFinished(() => transport[Symbol.asyncDispose]())
  return {
    transport,
    listen: async () => undefined,
    heard: () => database.query<HeldByLog>(readRows),
    async write(vectors) {
      const lanes = 'insert into acuse.stream_lane select id, lane from acuse.stream, unnest(array[1, 2]) lane'
      await database.query(`${lanes} on conflict do nothing`)
      for (const { stream, lane, partition, key, id, type, headers, body } of vectors) {
        const values = [stream, lane, partition, key, id, type, JSON.stringify(headers), body]
        await database.query(append, values)
      }
    },
  }
})
