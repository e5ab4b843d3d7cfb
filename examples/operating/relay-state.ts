import { AcuseError, createBus, stream, systemClock } from '@acuse/core'
import { embedded } from '@acuse/postgres'
import { eventually, memoryTransport } from '@acuse/testing'
import { z } from 'zod'

const Ping = stream('pings').message('ping', { schema: z.object({ n: z.int() }), key: () => 'one' })
const transport = memoryTransport(systemClock)
transport.failPublish(() => true, new AcuseError('ACUSE_DESTINATION_UNAVAILABLE', 'its queue is full'))

const bus = createBus({ service: 'relay-state', store: embedded(), transport })
await bus.start()
await bus.publishNow(Ping({ n: 1 }))
await eventually(async () => {
  if ((await bus.state()).relay?.stalled.length !== 1) throw new Error('nothing stalls')
})

// #region stalled
const { relay } = await bus.state()
for (const { stream: name, key, error } of relay?.stalled ?? []) console.log(`${name} ${key} waits: ${error.message}`)
// #endregion

await bus.stop()
