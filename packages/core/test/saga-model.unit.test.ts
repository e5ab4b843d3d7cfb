import { type OutgoingMessage, saga, type SagaStep, stream } from '@acuse/core'
import { MemoryConflictError, testBus, type TestBus } from '@acuse/testing'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { Noticed, Placed, placedSchema } from './setting.ts'

/** Another stream, so that two messages to one saga can meet. */
const Elsewhere = stream('elsewhere').message('order.elsewhere', {
  schema: placedSchema,
  key: ({ orderId }) => orderId,
})
const remindMs = 600_000
const last = 9

interface Tally {
  readonly sum: number
  readonly fired: number
}

/** Adds up, reminds ten minutes after the last message, and ends with the number nine. */
const tally = saga<Tally>('tally', () => ({ sum: 0, fired: 0 }))
  .on(Placed, { id: ({ data }) => data.orderId, starts: true }, (state, { data }) => add(state, data))
  .on(Elsewhere, { id: ({ data }) => data.orderId, starts: true }, (state, { data }) => add(state, data))
  .onTimeout('remind', (state, orderId) => {
    const fired = state.fired + 1
    return { state: { ...state, fired }, publish: [Noticed({ orderId, n: -fired })] }
  })

function add(state: Tally, { orderId, n }: Placed): SagaStep<Tally> {
  const sum = state.sum + n
  const publish = [Noticed({ orderId, n: sum })]
  if (n === last) return { state: { ...state, sum }, publish, complete: true }
  return { state: { ...state, sum }, publish, timeouts: { remind: remindMs } }
}

/** The same, on one page. */
interface Model {
  readonly sagas: Map<string, { sum: number; fired: number; dueAt: number | null; over: boolean }>
  readonly sent: { readonly id: string; readonly message: OutgoingMessage }[]
  now: number
  /** Conflicts that wait for the next save: after ten in a row an attempt would be spent. */
  conflicts: number
}

type Command = fc.AsyncCommand<Model, TestBus>

function command(text: string, check: Command['check'], run: Command['run']): Command {
  return { check, run, toString: () => text }
}

/** The last number each saga has told, and how often it has reminded. */
function toldBy({ database }: TestBus): Record<string, { sum: number; fired: number }> {
  const told: Record<string, { sum: number; fired: number }> = {}
  for (const { type, body } of database.appended()) {
    if (type !== Noticed.name) continue
    const { orderId, n } = JSON.parse(Buffer.from(body).toString()) as Placed
    const before = told[orderId] ?? { sum: 0, fired: 0 }
    told[orderId] = n < 0 ? { ...before, fired: -n } : { ...before, sum: n }
  }
  return told
}

function expectSame(model: Model, real: TestBus): void {
  const expected = [...model.sagas].map(([id, { sum, fired }]) => [id, { sum, fired }] as const)
  expect(toldBy(real)).toEqual(Object.fromEntries(expected))
}

const send = (orderId: string, numbers: readonly number[]): Command =>
  command(
    `send ${numbers.join(', ')} to ${orderId}`,
    () => true,
    async (model, real) => {
      // From two streams in turn and all at once: the order in which they come is nobody's but the database's.
      const one = model.sagas.get(orderId) ?? { sum: 0, fired: 0, dueAt: null, over: false }
      // A saga that is over saves nothing, so what is to conflict still waits for the next that does.
      if (!one.over) model.conflicts = 0
      model.sagas.set(orderId, one)
      await Promise.all(
        numbers.map(async (n, index) => {
          const id = `${orderId}-${model.sent.length}`
          const message = (index % 2 === 0 ? Placed : Elsewhere)({ orderId, n })
          model.sent.push({ id, message })
          if (!one.over) Object.assign(one, { sum: one.sum + n, dueAt: model.now + remindMs })
          await real.bus.publishNow(message, { id })
        }),
      )
      await real.clock.settle()
      expectSame(model, real)
    },
  )

const end = (orderId: string): Command =>
  command(
    `end ${orderId}`,
    ({ sagas }) => sagas.has(orderId),
    async (model, real) => {
      const one = model.sagas.get(orderId)
      if (one?.over === false) Object.assign(one, { sum: one.sum + last, dueAt: null, over: true })
      await real.bus.publishNow(Placed({ orderId, n: last }))
      await real.clock.settle()
      expectSame(model, real)
    },
  )

const again = (pick: number): Command =>
  command(
    `send number ${pick} again`,
    ({ sent }) => sent.length > 0,
    async (model, real) => {
      const twice = model.sent[pick % model.sent.length]
      if (twice !== undefined) await real.bus.publishNow(twice.message, { id: twice.id })
      await real.clock.settle()
      expectSame(model, real)
    },
  )

const conflict = (times: number): Command =>
  command(
    `conflict ${times} times`,
    ({ conflicts }) => conflicts + times < 8,
    async (model, { database }) => {
      model.conflicts += times
      for (let count = 0; count < times; count++) database.failNext('save', new MemoryConflictError('on purpose'))
    },
  )

const advance = (ms: number): Command =>
  command(
    `advance ${ms} ms`,
    () => true,
    async (model, real) => {
      // What conflicts is repeated after a moment, so a timeout may then come a little late.
      const moments = model.conflicts > 0 ? [ms, 5_000] : [ms]
      for (const moment of moments) {
        model.now += moment
        for (const one of model.sagas.values()) {
          if (one.dueAt === null || one.dueAt > model.now) continue
          one.fired++
          one.dueAt = null
        }
        await real.clock.advance({ ms: moment })
      }
      expectSame(model, real)
    },
  )

it(
  'sagas are what a small model says, with messages that meet, come twice and conflict, and timeouts that are set again',
  { timeout: 60_000 },
  async () => {
    const order = fc.constantFrom('a', 'b')
    const numbers = fc.array(fc.integer({ min: 1, max: 8 }), { minLength: 1, maxLength: 4 })
    const commands = fc.commands(
      [
        fc.tuple(order, numbers).map((parts) => send(...parts)),
        order.map(end),
        fc.nat({ max: 20 }).map(again),
        fc.integer({ min: 1, max: 3 }).map(conflict),
        fc.constantFrom(1_000, remindMs - 1, remindMs, 2 * remindMs).map(advance),
      ],
      { maxCommands: 25, size: 'max' },
    )
    await fc.assert(
      fc.asyncProperty(commands, async (list) => {
        await using real = await testBus({ declare: (bus) => bus.saga(tally) })
        const model: Model = { sagas: new Map(), sent: [], now: 0, conflicts: 0 }
        await fc.asyncModelRun(() => ({ model, real }), list)
      }),
      { numRuns: 150 },
    )
  },
)
