import { createBus, listen, stream } from '@acuse/core'
import { embedded } from '@acuse/postgres'
import { z } from 'zod'

const Ping = stream('pings').message('ping', { schema: z.object({ n: z.int() }), key: () => 'one' })
const applied = Promise.withResolvers<void>()

// #region metrics
const counts = new Map<string, number>()
const count = (name: string, by = 1): void => void counts.set(name, (counts.get(name) ?? 0) + by)

listen('published', ({ type }) => count(`published ${type}`)) // its transaction may still roll back
listen('applied', ({ type, group }) => count(`applied ${type} by ${group}`)) // also: durationMs, latencyMs, attempts
listen('retrying', ({ type, retryInMs }) => console.warn(`${type} failed; again in ${retryInMs} ms`))
listen('dead', ({ type, group, reason }) => console.error(`${type} is dead in ${group}: ${reason}`))
listen('breaker', ({ group, state }) => console.warn(`the breaker of ${group} is ${state}`))
// #endregion

const bus = createBus({ service: 'metrics', store: embedded() })
bus.group().on(Ping, () => undefined)
listen('applied', () => applied.resolve())
await bus.start()
await bus.publishNow(Ping({ n: 1 }))
await applied.promise
await bus.stop()
// It may be applied before its publisher hears that it is committed.
for (const [name, times] of [...counts].toSorted(([one], [other]) => one.localeCompare(other)))
  console.log(`${name}: ${times}`)
