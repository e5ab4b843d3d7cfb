import type { Claimed } from '@acuse/core'
import { describe, expect, it } from 'vitest'
import { storeCases } from '../src/conformance/store-cases.ts'
import { StoreWorld } from '../src/conformance/store-world.ts'
import type { MemoryTx } from '../src/index.ts'
import { historyMutants } from './history-mutants.ts'
import { memoryStoreHarness } from './memory-harness.ts'
import { caughtBy, impatient } from './mutation.ts'
import {
  dispatchTwice,
  type Spoil,
  withClaims,
  withDeadLetters,
  withInbox,
  withParked,
  withSagas,
  withSchedule,
} from './spoil-store.ts'

const dayMs = 86_400_000

const mutants: Readonly<Record<string, Spoil>> = {
  'no inbox: everything is new': (store) =>
    withInbox(store, { accept: async (_tx, _group, items) => items.map(() => 'new' as const) }),
  'an inbox outside the transaction': (store) =>
    withInbox(store, {
      accept: (_tx, group, items) => store.transaction((tx) => store.inbox.accept(tx, group, items)),
    }),
  'an inbox shared by all groups': (store) =>
    withInbox(store, { accept: (tx, _group, items) => store.inbox.accept(tx, 'one for all', items) }),
  'another body is just a duplicate': (store) =>
    withInbox(store, {
      accept: async (tx, group, items) =>
        (await store.inbox.accept(tx, group, items)).map((verdict) => (verdict === 'conflict' ? 'duplicate' : verdict)),
    }),
  'verdicts in another order': (store) =>
    withInbox(store, { accept: async (tx, group, items) => (await store.inbox.accept(tx, group, items)).toReversed() }),
  'nothing is ever blocked': (store) =>
    withInbox(store, {
      accept: (tx, group, items) =>
        store.inbox.accept(
          tx,
          group,
          items.map(({ message }) => ({ message, ordered: false })),
        ),
    }),
  'blocked even without order': (store) =>
    withInbox(store, {
      accept: (tx, group, items) =>
        store.inbox.accept(
          tx,
          group,
          items.map(({ message }) => ({ message, ordered: true })),
        ),
    }),
  'accept does not wait, it calls what is under way a duplicate': (store) => {
    return withInbox(store, {
      async accept(tx, group, items) {
        const answer = store.inbox.accept(tx, group, items)
        const soon = new Promise<'late'>((resolve) => setImmediate(() => resolve('late')))
        const first = await Promise.race([answer, soon])
        return first === 'late' ? items.map(() => 'duplicate' as const) : first
      },
    })
  },
  'a blocked message gets an inbox row': (store) =>
    withInbox(store, {
      async accept(tx, group, items) {
        const verdicts = await store.inbox.accept(tx, group, items)
        const blocked = items.filter((_, at) => verdicts[at] === 'blocked')
        await store.inbox.accept(
          tx,
          group,
          blocked.map(({ message }) => ({ message, ordered: false })),
        )
        return verdicts
      },
    }),
  'purge forgets the young too': (store) => withInbox(store, { purge: (_age, limit) => store.inbox.purge(-1, limit) }),
  'purge knows no limit': (store) => withInbox(store, { purge: (age) => store.inbox.purge(age, Infinity) }),

  'parked behind, and never promoted': (store) =>
    withParked(store, {
      async parkBehind(tx, group, message, limit) {
        const free = (await store.parked.counts(group)).retry === undefined
        if (free) return store.parked.parkBehind(tx, group, message, limit)
        const request = { message, reason: 'retry', ordered: true, attempts: 0, dueInMs: 999 * dayMs } as const
        return (await store.parked.park(tx, group, request)) === null ? 'duplicate' : 'parked'
      },
    }),
  'parked behind without order': (store) =>
    withParked(store, {
      async parkBehind(tx, group, message, limit) {
        const answer = await store.parked.parkBehind(tx, group, message, limit)
        if (answer !== 'parked') return answer
        await store.parked.remove(tx, group, message.id)
        const copy = { ...message, id: `${message.id}-copy` }
        await store.parked.park(tx, group, { message: copy, reason: 'retry', ordered: false, attempts: 0, dueInMs: 0 })
        return answer
      },
    }),
  'behind what another transaction is completing': (store) =>
    withParked(store, {
      parkBehind: (_tx, group, message, limit) =>
        Promise.race([
          store.transaction((tx) => store.parked.parkBehind(tx, group, message, limit)),
          new Promise<'parked'>((resolve) => setImmediate(() => resolve('parked'))),
        ]),
    }),
  'parking behind knows no limit': (store) =>
    withParked(store, { parkBehind: (tx, group, message) => store.parked.parkBehind(tx, group, message, Infinity) }),
  'parked without order': (store) =>
    withParked(store, { park: (tx, group, request) => store.parked.park(tx, group, { ...request, ordered: false }) }),
  'parked without its due time': (store) =>
    withParked(store, { park: (tx, group, request) => store.parked.park(tx, group, { ...request, dueInMs: 0 }) }),
  'buried outside the transaction': (store) =>
    withDeadLetters(store, {
      bury: (_tx, group, message, death, options) =>
        store.transaction((tx) => store.deadLetters.bury(tx, group, message, death, options)),
    }),
  'a stale token is accepted': (store) => {
    const current = new Map<string, Claimed>()
    return withParked(store, {
      async claim(group, request) {
        const result = await store.parked.claim(group, request)
        for (const claim of result.claimed) current.set(claim.id, claim)
        return result
      },
      complete: (tx, group, claim) => store.parked.complete(tx, group, current.get(claim.id) ?? claim),
    })
  },
  'completing always succeeds': (store) =>
    withParked(store, {
      async complete(tx, group, claim) {
        await store.parked.complete(tx, group, claim)
        return true
      },
    }),
  'completing outside the transaction': (store) =>
    withParked(store, {
      complete: (_tx, group, claim) => store.transaction((tx) => store.parked.complete(tx, group, claim)),
    }),
  'completing removes nothing': (store) => withParked(store, { complete: async () => true }),
  'a crash costs no attempt': (store) =>
    withClaims(store, (claim) => (claim.crashed ? { ...claim, attempts: claim.attempts - 1 } : claim)),
  'a crash is not told': (store) => withClaims(store, (claim) => ({ ...claim, crashed: false })),
  'what crashed among the others': (store) =>
    withParked(store, {
      async claim(group, request) {
        const [mine, others] = [
          await store.parked.claim(group, request),
          await store.parked.claim(group, { ...request, crashed: true }),
        ]
        return { ...mine, claimed: [...mine.claimed, ...others.claimed] }
      },
    }),
  'leases that never run out': (store) =>
    withParked(store, { claim: (group, request) => store.parked.claim(group, { ...request, leaseMs: 99 * dayMs }) }),
  'leases that are over at once': (store) =>
    withParked(store, { claim: (group, request) => store.parked.claim(group, { ...request, leaseMs: 0 }) }),
  'claims beyond the limit': (store) =>
    withParked(store, { claim: (group, request) => store.parked.claim(group, { ...request, limit: 1_000 }) }),
  'nothing is ever due next': (store) =>
    withParked(store, {
      claim: async (group, request) => ({ ...(await store.parked.claim(group, request)), nextDueInMs: null }),
    }),
  'extending does nothing': (store) =>
    withParked(store, { extend: async (_group, claims) => claims.map(({ id }) => id) }),
  'extending does not prolong': (store) =>
    withParked(store, { extend: (group, claims) => store.parked.extend(group, claims, 0) }),
  'extending tells nothing': (store) =>
    withParked(store, {
      async extend(group, claims, leaseMs) {
        await store.parked.extend(group, claims, leaseMs)
        return claims.map(({ id }) => id)
      },
    }),
  'rescheduling is due at once': (store) =>
    withParked(store, {
      reschedule: (tx, group, claim, outcome) => store.parked.reschedule(tx, group, claim, { ...outcome, dueInMs: 0 }),
    }),
  'rescheduling forgets the attempts': (store) =>
    withParked(store, {
      reschedule: (tx, group, claim, outcome) =>
        store.parked.reschedule(tx, group, claim, { ...outcome, attempts: claim.attempts }),
    }),
  'burying never blocks': (store) =>
    withParked(store, { bury: (tx, group, claim, death) => store.parked.bury(tx, group, claim, death, false) }),
  'burying always blocks': (store) =>
    withParked(store, { bury: (tx, group, claim, death) => store.parked.bury(tx, group, claim, death, true) }),
  'burying leaves no letter': (store) =>
    withParked(store, { bury: (tx, group, claim) => store.parked.complete(tx, group, claim) }),
  'removing tells what is not so': (store) =>
    withParked(store, {
      async remove(tx, group, id) {
        await store.parked.remove(tx, group, id)
        return true
      },
    }),
  'removing nothing': (store) => withParked(store, { remove: async () => true }),
  'counting nothing': (store) => withParked(store, { counts: async () => ({}) }),

  'a rollback keeps what was appended': (store) => ({
    ...store,
    async append(tx, messages) {
      if (!store.isTransaction(tx)) throw new Error('not a transaction')
      await store.log.publish(messages, AbortSignal.timeout(1_000))
    },
  }),
  'a rejection is swallowed and committed': (store) => ({
    ...store,
    async transaction(work) {
      const outcome = await store.transaction(async (tx) => {
        try {
          return { done: await work(tx) }
        } catch (error) {
          return { error }
        }
      })
      if ('error' in outcome) throw outcome.error
      return outcome.done
    },
  }),
  'everything is a transaction': (store) => ({
    ...store,
    isTransaction: (_candidate: unknown): _candidate is MemoryTx => true,
  }),
  'nothing is a transaction': (store) => ({
    ...store,
    isTransaction: (_candidate: unknown): _candidate is MemoryTx => false,
  }),
  'aborting does nothing': (store) => ({ ...store, abort: () => undefined }),
  'appended in reverse': (store) => ({
    ...store,
    append: (tx, messages) => store.append(tx, messages.toReversed()),
  }),
  'bytes are taken for text': (store) => ({
    ...store,
    append: (tx, messages) =>
      store.append(
        tx,
        messages.map((message) => ({ ...message, body: Buffer.from(Buffer.from(message.body).toString()) })),
      ),
  }),

  'replayed by every filter': (store) =>
    withDeadLetters(store, {
      replay: ({ group }, options) => store.deadLetters.replay(group === undefined ? {} : { group }, options),
    }),
  'replayed newest first': (store) =>
    withDeadLetters(store, {
      async replay(filter, options) {
        const letters = await store.deadLetters.list(filter)
        let taken = 0
        for (const { id } of letters.toReversed()) taken += await store.deadLetters.replay({ ids: [id] }, options)
        return taken
      },
    }),
  'replayed behind what the letter held back': (store) =>
    withDeadLetters(store, {
      bury: (tx, group, message, death) => store.deadLetters.bury(tx, group, message, death, { block: false }),
    }),
  'a discarded letter still holds its key': (store) =>
    withDeadLetters(store, { discard: async (filter) => (await store.deadLetters.list(filter)).length }),
  'letters newest first': (store) =>
    withDeadLetters(store, { list: async (filter) => (await store.deadLetters.list(filter)).toReversed() }),
  'letters without a limit': (store) =>
    withDeadLetters(store, { list: (filter) => store.deadLetters.list({ ...filter, limit: 1_000 }) }),
  'letters of every state': (store) =>
    withDeadLetters(store, {
      list: ({ state: _state, ...filter }) => store.deadLetters.list(filter),
    }),
  'a message buried twice has two letters': (store) =>
    withDeadLetters(store, {
      bury: (tx, group, message, death, options) =>
        store.deadLetters.bury(tx, group, { ...message, id: crypto.randomUUID() }, death, options),
    }),

  'a saga is saved by whoever comes last': (store) =>
    withSagas(store, {
      async save(tx, saga, id, record) {
        const stored = await store.sagas.load(tx, saga, id)
        return store.sagas.save(tx, saga, id, { ...record, version: (stored?.version ?? 0) + 1 })
      },
    }),
  'a saga is saved outside the transaction': (store) =>
    withSagas(store, {
      save: (_tx, saga, id, record) => store.transaction((tx) => store.sagas.save(tx, saga, id, record)),
    }),
  'sagas of one id are one saga': (store) =>
    withSagas(store, {
      load: (tx, _saga, id) => store.sagas.load(tx, 'one for all', id),
      save: (tx, _saga, id, record) => store.sagas.save(tx, 'one for all', id, record),
    }),
  'a saga forgets its timeouts': (store) =>
    withSagas(store, {
      save: (tx, saga, id, record) => store.sagas.save(tx, saga, id, { ...record, timeouts: {} }),
    }),

  ...historyMutants,

  'scheduled messages go early': (store) =>
    withSchedule(store, { add: (tx, message) => store.schedule.add(tx, message, { inMs: 0 }) }),
  'a moment is ignored': (store) =>
    withSchedule(store, { add: (tx, message, { inMs }) => store.schedule.add(tx, message, { inMs: inMs ?? 0 }) }),
  'scheduled outside the transaction': (store) =>
    withSchedule(store, {
      add: (_tx, message, due) => store.transaction((tx) => store.schedule.add(tx, message, due)),
    }),
  'cancelling does nothing': (store) => withSchedule(store, { cancel: async () => true }),
  'dispatching twice': (store) =>
    withSchedule(store, {
      async dispatch(limit) {
        const [one, two] = await Promise.all([dispatchTwice(store, limit), store.schedule.dispatch(limit)])
        return { appended: one.appended + two.appended, nextDueInMs: two.nextDueInMs }
      },
    }),
  'dispatching without a limit': (store) => withSchedule(store, { dispatch: () => store.schedule.dispatch(1_000) }),
  'time stands still': (store) => {
    const never = new Date(0)
    return withSchedule(store, { now: async () => never })
  },
  'cron fires again and again': (store) =>
    withSchedule(store, {
      runCron: (name, fire) =>
        store.schedule.runCron(name, async (dueAt, now) => ({ ...(await fire(dueAt, now)), nextAt: dueAt })),
    }),
  'cron fires without asking whether it is due': (store) =>
    withSchedule(store, {
      async runCron(name, fire) {
        const dueIn = await store.schedule.runCron(name, fire)
        if (dueIn === null) return null
        const now = await store.schedule.now()
        const { message } = await fire(now, now)
        await store.transaction((tx) => store.append(tx, [message]))
        return dueIn
      },
    }),
  'cron starts anew whenever it is registered': (store) =>
    withSchedule(store, {
      registerCron: (name, expression, firstAt) =>
        store.schedule.registerCron(name, `${expression} ${crypto.randomUUID()}`, firstAt),
    }),
  'cron never takes a new expression': (store) =>
    withSchedule(store, {
      registerCron: (name, _expression, firstAt) => store.schedule.registerCron(name, 'always the same', firstAt),
    }),
}

describe('the store suite', () => {
  it('passes a store that is only wrapped', async () => {
    const spoil: Spoil = (store) => withInbox(withParked(withSchedule(store, {}), {}), {})
    expect(
      await caughtBy(storeCases<MemoryTx>(), () => new StoreWorld(memoryStoreHarness(spoil), impatient), 10_000),
    ).toEqual([])
  })
})

describe('the store suite catches', () => {
  it.each(Object.entries(mutants))('%s', async (_name, spoil) => {
    const cases = storeCases<MemoryTx>()
    expect(await caughtBy(cases, () => new StoreWorld(memoryStoreHarness(spoil), impatient))).not.toEqual([])
  })
})
