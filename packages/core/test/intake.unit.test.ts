import assert from 'node:assert/strict'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Delivery, Intake, type Received, type Sink, systemClock } from '@acuse/core'

interface Setting {
  readonly intake: Intake
  readonly delivered: Delivery[]
  readonly acked: string[]
  readonly revoked: string[]
  /** What the sink does when a partition is revoked. */
  onRevoke: (partition: string) => Promise<void>
}

function setting(prefetch = 10): Setting {
  const delivered: Delivery[] = []
  const revoked: string[] = []
  const sink: Sink = {
    deliver: (deliveries) => void delivered.push(...deliveries),
    revoke: async (partition) => {
      revoked.push(partition)
      await made.onRevoke(partition)
    },
  }
  const intake = new Intake({ group: 'g', sink, prefetch, clock: systemClock, onError: (error) => assert.fail(error) })
  const made: Setting = { intake, delivered, revoked, acked: [], onRevoke: async () => undefined }
  return made
}

function received({ acked }: Setting, id: string, key: string | null, redelivered = false): Received {
  const message = { id, type: 't', stream: 's', key, priority: 'normal', headers: {}, body: Buffer.from(id) } as const
  return { message, redelivered, ack: () => void acked.push(id) }
}

/** Delivering happens after the current work. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
const ids = (deliveries: readonly Delivery[]): string[] => deliveries.map(({ message }) => message.id)

test('no more than prefetch are out, and what was acked makes room', async () => {
  const made = setting(2)
  made.intake.open('p')
  made.intake.add(
    'p',
    ['1', '2', '3'].map((id) => received(made, id, id)),
  )
  await turn()
  expect(ids(made.delivered)).toEqual(['1', '2'])
  made.delivered[1]?.ack()
  made.delivered[1]?.ack()
  await turn()
  expect(ids(made.delivered)).toEqual(['1', '2', '3'])
  expect(made.acked).toEqual(['2'])
})

test('what was released comes again in its order, before anything later of its key, whichever was released first', async () => {
  const made = setting(3)
  made.intake.open('p')
  made.intake.add('p', [...['a1', 'a2', 'a3', 'a4'].map((id) => received(made, id, 'a')), received(made, 'b1', 'b')])
  await turn()
  const [a1, a2, a3] = made.delivered
  a3?.release()
  await turn()
  expect(ids(made.delivered).slice(3), 'a3 waits for those before it, and a4 for a3').toEqual(['b1'])
  a2?.release()
  a1?.release()
  await turn()
  expect(ids(made.delivered).slice(4)).toEqual(['a1', 'a2'])
  made.delivered[4]?.ack()
  made.delivered[5]?.ack()
  await turn()
  expect(ids(made.delivered).slice(6)).toEqual(['a3', 'a4'])
})

test('a higher lane goes first', async () => {
  const made = setting(1)
  made.intake.open('low', 0)
  made.intake.open('high', 2)
  made.intake.add(
    'low',
    ['l1', 'l2'].map((id) => received(made, id, id)),
  )
  made.intake.add(
    'high',
    ['h1'].map((id) => received(made, id, id)),
  )
  for (let count = 1; count <= 3; count++) {
    await turn()
    made.delivered.at(-1)?.ack()
  }
  expect(ids(made.delivered)).toEqual(['h1', 'l1', 'l2'])
})

test('of a lost partition nothing counts, nothing is delivered, and what was never begun is told', async () => {
  const made = setting(2)
  made.intake.open('p')
  made.intake.add(
    'p',
    ['1', '2', '3'].map((id) => received(made, id, 'k')),
  )
  await turn()
  made.onRevoke = async () => {
    made.delivered[1]?.release()
    made.delivered[0]?.ack()
  }
  const unbegun = await made.intake.lose('p')
  expect(unbegun.map(({ message }) => message.id)).toEqual(['2', '3'])
  expect(made.acked, 'the broker has forgotten who had it').toEqual([])
  await turn()
  expect(made.delivered).toHaveLength(2)
  made.intake.open('p')
  made.intake.add('p', [received(made, '1', 'k')])
  await turn()
  expect(ids(made.delivered)).toEqual(['1', '2', '1'])
})

test('of a partition that is given up acks count until the sink has let go', async () => {
  const made = setting(2)
  made.intake.open('p')
  made.intake.add(
    'p',
    ['1', '2'].map((id) => received(made, id, id)),
  )
  await turn()
  made.onRevoke = async () => made.delivered[0]?.ack()
  await made.intake.give('p')
  made.delivered[1]?.ack()
  expect(made.acked).toEqual(['1'])
})

test('stopping waits for what is out, at most until its deadline', async () => {
  const made = setting(1)
  made.intake.open('p')
  made.intake.add(
    'p',
    ['1', '2'].map((id) => received(made, id, id)),
  )
  await turn()
  const stopped = made.intake.stop(60_000)
  made.delivered[0]?.ack()
  await stopped
  await turn()
  expect(made.delivered).toHaveLength(1)
  const late = setting(1)
  late.intake.open('p')
  late.intake.add('p', [received(late, '1', 'k')])
  await turn()
  await late.intake.stop(1)
  expect(late.intake.idle).toBe(false)
})

test('whatever is released and in whichever order, each key is begun in order and nothing is lost', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom('a', 'b', null), { minLength: 1, maxLength: 20 }),
      fc.integer({ min: 1, max: 6 }),
      fc.infiniteStream(fc.nat(99)),
      async (keys, prefetch, chances) => {
        const made = setting(prefetch)
        made.intake.open('p')
        made.intake.add(
          'p',
          keys.map((key, index) => received(made, String(index), key)),
        )
        const applied: { id: number; key: string | null }[] = []
        const out: Delivery[] = []
        let seen = 0
        const chance = (): number => chances.next().value ?? 0
        for (let round = 0; applied.length < keys.length; round++) {
          assert.ok(round < 2_000, 'nothing moves any more')
          await turn()
          out.push(...made.delivered.slice(seen))
          seen = made.delivered.length
          assert.ok(out.length <= prefetch)
          // As core's lanes do: of a key only the first that is out is applied; any may be released.
          const at = chance() % Math.max(1, out.length)
          const chosen = out[at]
          if (chosen === undefined) continue
          const { key } = chosen.message
          const isFirst = key === null || out.findIndex(({ message }) => message.key === key) === at
          if (isFirst && chance() < 60) {
            applied.push({ id: Number(chosen.message.id), key })
            out.splice(at, 1)
            chosen.ack()
          } else {
            const releasing = out.splice(0).toSorted(() => (chance() < 50 ? -1 : 1))
            for (const delivery of releasing) delivery.release()
          }
        }
        for (const key of ['a', 'b']) {
          const order = applied.filter((one) => one.key === key).map(({ id }) => id)
          assert.deepEqual(
            order,
            order.toSorted((one, other) => one - other),
          )
        }
        assert.equal(new Set(made.acked).size, keys.length)
      },
    ),
    { numRuns: 200 },
  )
})
