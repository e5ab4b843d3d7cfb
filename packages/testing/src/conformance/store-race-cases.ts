import assert from 'node:assert/strict'
import type { Store, WireMessage } from '@acuse/core'
import type { Case } from './case.ts'
import { labelOf, series, wire } from './messages.ts'
import { RolledBack, type StoreWorld } from './store-world.ts'

/** Parking against letting go, from several processes at once. */
export function raceCases<Tx>(): readonly Case<StoreWorld<Tx>>[] {
  return [
    {
      name: 'a message parked behind one that is just being completed is never stranded',
      async run(world) {
        const [store, other] = [await world.open('one'), await world.open('other')]
        for (let round = 0; round < 15; round++) {
          const key = `k${round}x`
          await world.park(store, wire(`${key}1`, { stream: world.stream, key }))
          const [claim] = await world.claim(store)
          assert.ok(claim)
          const follower = wire(`${key}2`, { stream: world.stream, key })
          const [answer, completed] = await Promise.all([
            world.parkBehind(other, follower),
            world.complete(store, claim),
          ])
          assert.equal(completed, true)
          const claimable = await world.claim(store)
          assert.deepEqual(
            claimable.map(({ message }) => labelOf(message)),
            answer === 'free' ? [] : [`${key}2`],
            `parkBehind answered ${answer}`,
          )
          for (const next of claimable) assert.equal(await world.complete(store, next), true)
        }
      },
    },
    {
      name: 'parking behind waits for whoever is completing the key, and answers by the outcome',
      async run(world) {
        const [store, other] = [await world.open('one'), await world.open('other')]
        for (const [outcome, answer] of [
          ['commit', 'free'],
          ['rollBack', 'parked'],
        ] as const) {
          await world.park(store, wire(`${outcome}1`, { stream: world.stream, key: outcome }))
          const [claim] = await world.claim(store)
          assert.ok(claim)
          const completing = await world.hold(store, (tx) => store.parked.complete(tx, world.group, claim))
          const parking = world.parkBehind(other, wire(`${outcome}2`, { stream: world.stream, key: outcome }))
          await world.waits(parking, 'parkBehind')
          await completing[outcome]()
          assert.equal(await parking, answer)
        }
      },
    },
    {
      name: 'while messages fail and others follow, nothing is lost, doubled, stranded, or overtaken',
      async run(world) {
        const stores = [await world.open('consumer'), await world.open('worker1'), await world.open('worker2')]
        const [consumer, ...workers] = stores
        assert.ok(consumer)
        const keys = ['a', 'b', 'c']
        const sent = keys.map((key) => series(25, { stream: world.stream, key }))
        const race = new Race<Tx>(world)
        const retrying = workers.map((store) => race.work(store))
        await Promise.all(sent.map((messages) => race.deliver(consumer, messages)))
        await world.eventually(async () => assert.deepEqual(await consumer.parked.counts(world.group), {}))
        race.done = true
        await Promise.all(retrying)
        for (const [index, key] of keys.entries()) {
          assert.deepEqual(race.appliedOf(key), sent[index]?.map(labelOf))
        }
      },
    },
  ]
}

/** Consumers that apply, fail or park what comes, and workers that apply what is parked; each notes what it applied inside its transaction. */
class Race<Tx> {
  done = false
  readonly #world: StoreWorld<Tx>
  readonly #failures = new Set<string>()
  #applied: WireMessage[] = []

  constructor(world: StoreWorld<Tx>) {
    this.#world = world
  }

  appliedOf(key: string): string[] {
    return this.#applied.filter((message) => message.key === key).map(labelOf)
  }

  /** Delivers the messages of one key one after the other, as a lane does. */
  async deliver(store: Store<Tx>, messages: readonly WireMessage[]): Promise<void> {
    for (const message of messages) {
      while (!(await this.#take(store, message))) await this.#world.wait(1)
    }
  }

  /** Whether the group has taken it, so that it may be acked. */
  async #take(store: Store<Tx>, message: WireMessage): Promise<boolean> {
    const { group } = this.#world
    let verdict: string | undefined
    const applied = await this.#attempt(store, message, async (tx) => {
      const [answer] = await store.inbox.accept(tx, group, [{ message, ordered: true }])
      verdict = answer
      return answer === 'new'
    })
    if (applied || verdict === 'duplicate') return true
    if (verdict === 'blocked') return (await this.#world.parkBehind(store, message)) !== 'free'
    await this.#world.park(store, message)
    return true
  }

  async work(store: Store<Tx>): Promise<void> {
    const { group } = this.#world
    while (!this.done) {
      const claims = await this.#world.claim(store, { limit: 5 })
      for (const claim of claims) {
        const applied = await this.#attempt(store, claim.message, (tx) => store.parked.complete(tx, group, claim))
        if (applied) continue
        const outcome = { reason: 'retry', dueInMs: 0, attempts: claim.attempts + 1 } as const
        await store.transaction((tx) => store.parked.reschedule(tx, group, claim, outcome))
      }
      if (claims.length === 0) await this.#world.wait(1)
    }
  }

  /** Every third message fails the first time, every ninth the second time too. `settle` says whether it may be applied. */
  async #attempt(store: Store<Tx>, message: WireMessage, settle: (tx: Tx) => Promise<boolean>): Promise<boolean> {
    try {
      await store.transaction(async (tx) => {
        if (!(await settle(tx))) throw new RolledBack()
        if (this.#fails(message)) throw new RolledBack()
        this.#applied.push(message)
      })
      return true
    } catch (error) {
      if (!(error instanceof RolledBack)) throw error
      return false
    }
  }

  #fails(message: WireMessage): boolean {
    const number = Number(labelOf(message).slice(1))
    const attempt = `${message.id} ${this.#failures.has(`${message.id} first`) ? 'second' : 'first'}`
    if (this.#failures.has(attempt) || number % (attempt.endsWith('first') ? 3 : 9) !== 0) return false
    this.#failures.add(attempt)
    return true
  }
}
