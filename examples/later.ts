import { createBus, stream } from '@acuse/core'
import { embedded } from '@acuse/postgres'
import { z } from 'zod'

const reminders = stream('reminders')
const ReminderDue = reminders.message('reminder.due', { schema: z.object({ text: z.string() }) })

const bus = createBus({ service: 'later', store: embedded() })
const reminded = Promise.withResolvers<void>()
bus.group().on(ReminderDue, ({ data }) => {
  console.log(data.text)
  reminded.resolve()
})

// #region cron
// Once for all processes of the service, in UTC unless you name a time zone.
bus.cron('monday-report', '0 9 * * 1', (dueAt) => ReminderDue({ text: `report of ${dueAt.toISOString()}` }), {
  timeZone: 'Europe/Madrid',
})
// #endregion
await bus.start()

// #region later
const tomorrow = new Date(Date.now() + 86_400_000)
const { id } = await bus.publishNow(ReminderDue({ text: 'too late' }), { deliverAt: tomorrow })
await bus.publishNow(ReminderDue({ text: 'half a second has passed' }), { deliverAfterMs: 500 })

// Changed your mind? Cancel in your transaction; false: it was sent already.
const cancelled = await bus.transaction((tx) => bus.cancel(tx, id))
// #endregion
console.log(`cancelled: ${cancelled}`)
await reminded.promise
await bus.stop()
