import { byError, createBus, deadLetter, exponential, isNetworkError, linear, listen, stream } from '@acuse/core'
import { embedded } from '@acuse/postgres'
import { z } from 'zod'

const payments = stream('payments')
const PaymentDue = payments.message('payment.due', {
  schema: z.object({ orderId: z.string(), part: z.string(), card: z.enum(['good', 'slow bank', 'expired']) }),
  key: (payment) => payment.orderId,
})

const bus = createBus({ service: 'retries', store: embedded() })
const paid: string[] = []
const renewed = new Set<string>()

// #region group
bus
  .group('charge', {
    // The first rule that matches decides; the last argument is for all other errors.
    retry: byError(
      [{ when: isNetworkError, retry: linear({ attempts: 10, baseMs: 500, maxMs: 120_000 }) }],
      exponential({ attempts: 5, baseMs: 20, maxMs: 600_000 }),
    ),
    whileRetrying: 'block', // later payments of this order wait for this one; other orders go on (the default)
    afterDeadLetter: 'continue', // once it is given up, they go on (the default)
  })
  .on(PaymentDue, ({ data }, { attempt }) => {
    // Throwing leaves it to the policy; an outcome says it outright: deadLetter(why), retryAfter(ms), or nothing for done.
    if (data.card === 'slow bank' && attempt < 3) throw new Error('the bank does not answer')
    if (data.card === 'expired' && !renewed.has(data.orderId)) return deadLetter('the card has expired')
    paid.push(`${data.orderId} ${data.part}, attempt ${attempt}`)
    return undefined
  })
// #endregion

await bus.start()
const dead = new Promise((resolve) => listen('dead', resolve))
const pay = (orderId: string, part: string, card: 'good' | 'slow bank' | 'expired') =>
  bus.publishNow(PaymentDue({ orderId, part, card }))
await pay('A-1', 'deposit', 'slow bank')
await pay('A-1', 'balance', 'good')
await pay('B-2', 'deposit', 'expired')
await dead
await untilPaid(2)
console.log(paid.join('; '))

// #region dead-letters
for (const letter of await bus.deadLetters.list({ group: 'charge', state: 'dead' })) {
  const { message, reason, error, attempts } = letter
  console.log(`${message.type} of ${message.key}: ${reason} after attempt ${attempts}: ${error.message}`)
}
// #endregion

renewed.add('B-2')
// #region replay
// What to run again: by id, type, key, reason, time, or the fingerprint that failures of one cause share.
const replayed = await bus.deadLetters.replay({ group: 'charge', reason: 'handler-decided' })
// Replaying twice is replaying once. What nobody will ever need:
const discarded = await bus.deadLetters.discard({ group: 'charge', diedBefore: new Date('2026-01-01') })
// #endregion
await untilPaid(3)
console.log(`replayed ${replayed}, discarded ${discarded}: ${paid.at(-1)}`)
await bus.stop()

async function untilPaid(count: number): Promise<void> {
  if (paid.length >= count) return
  await new Promise<void>((resolve) => {
    const stop = listen('applied', () => {
      if (paid.length < count) return
      stop()
      resolve()
    })
  })
}
