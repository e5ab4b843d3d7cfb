import assert from 'node:assert/strict'
import { expect, test } from 'vitest'
import {
  type AcuseError,
  type ClaimedLease,
  type GroupLeases,
  type Lease,
  type LeaseTable,
  Ownership,
  type OwnablePartition,
} from '@acuse/core'
import { createVirtualClock, type VirtualClock } from '@acuse/testing'

const leaseMs = 3_000

interface Row {
  owner: string | null
  epoch: number
  clean: boolean
  inDoubt: readonly string[]
}

/** The server's side, on the same clock. */
class Leases {
  readonly clock: VirtualClock = createVirtualClock()
  readonly rows = new Map<string, Row>()
  readonly members = new Map<string, { sets: readonly string[]; expiresAt: number }>()
  away = false
  claims = 0

  tableOf(id: string, sets: readonly string[]): LeaseTable {
    const isAlive = (owner: string | null): boolean =>
      owner !== null && (this.members.get(owner)?.expiresAt ?? 0) > this.clock.now()
    return {
      beat: async () => {
        this.answer()
        this.members.set(id, { sets, expiresAt: this.clock.now() + leaseMs })
        return this.state()
      },
      claim: async (wanted: readonly Lease[]) => {
        this.answer()
        this.claims++
        return wanted.flatMap(({ partition, epoch }): ClaimedLease[] => {
          const row = this.rows.get(partition) ?? { owner: null, epoch: 0, clean: true, inDoubt: [] }
          if (row.epoch !== epoch || (row.owner !== id && isAlive(row.owner))) return []
          const { clean, inDoubt } = row
          this.rows.set(partition, { owner: id, epoch: epoch + 1, clean: false, inDoubt: [] })
          return [{ partition, epoch: epoch + 1, clean, inDoubt }]
        })
      },
      release: async (partition, epoch, inDoubt) => {
        this.answer()
        const row = this.rows.get(partition)
        if (row?.owner === id && row.epoch === epoch) {
          this.rows.set(partition, { owner: null, epoch: epoch + 1, clean: true, inDoubt })
        }
      },
      leave: async () => {
        this.answer()
        this.members.delete(id)
      },
    }
  }

  state(): GroupLeases {
    const now = this.clock.now()
    return {
      members: [...this.members]
        .filter(([, { expiresAt }]) => expiresAt > now)
        .map(([id, { sets, expiresAt }]) => ({ id, sets, expiresInMs: expiresAt - now })),
      leases: [...this.rows].map(([partition, { owner, epoch }]) => ({ partition, owner, epoch })),
    }
  }

  answer(): void {
    if (this.away) throw new Error('away')
  }
}

interface Member {
  readonly ownership: Ownership
  readonly owned: Map<string, ClaimedLease>
  readonly log: string[]
  readonly errors: AcuseError[]
  /** What letting go of a partition waits for, and what is in doubt then. */
  letGo: (partition: string) => Promise<readonly string[] | null>
}

const four: readonly OwnablePartition[] = [0, 1, 2, 3].map((index) => ({ name: `s/${index}`, set: 's' }))

function memberOf(leases: Leases, id: string, partitions = four): Member {
  const owned = new Map<string, ClaimedLease>()
  const log: string[] = []
  const errors: AcuseError[] = []
  const made: Member = {
    owned,
    log,
    errors,
    letGo: async () => [],
    ownership: new Ownership({
      table: leases.tableOf(id, [...new Set(partitions.map(({ set }) => set))]),
      group: 'g',
      member: id,
      partitions,
      leaseMs,
      clock: leases.clock,
      monotonicMs: () => leases.clock.now(),
      onError: (error) => void errors.push(error),
      hooks: {
        own: (claimed) => {
          log.push(`own ${claimed.partition}`)
          owned.set(claimed.partition, claimed)
        },
        give: async (partition) => {
          log.push(`give ${partition}`)
          const inDoubt = await made.letGo(partition)
          owned.delete(partition)
          return inDoubt
        },
        lose: async (partition) => {
          log.push(`lose ${partition}`)
          owned.delete(partition)
          await made.letGo(partition)
        },
      },
    }),
  }
  return made
}

const namesOf = ({ owned }: Member): string[] => [...owned.keys()].toSorted()

test('who is alone owns everything, by one claim', async () => {
  const leases = new Leases()
  const one = memberOf(leases, 'one')
  await one.ownership.start()
  expect(namesOf(one)).toEqual(['s/0', 's/1', 's/2', 's/3'])
  expect(leases.claims).toBe(1)
  expect([...one.owned.values()].every(({ clean }) => clean)).toBe(true)
  await leases.clock.advance({ seconds: 60 })
  expect(one.errors).toEqual([])
  expect(one.log).toHaveLength(4)
})

test('who comes gets its share, each partition only after its owner has let go of it', async () => {
  const leases = new Leases()
  const [one, two] = [memberOf(leases, 'one'), memberOf(leases, 'two')]
  const letGo = Promise.withResolvers<readonly string[]>()
  one.letGo = () => letGo.promise
  await one.ownership.start()
  await two.ownership.start()
  await leases.clock.advance({ seconds: 10 })
  expect(one.log.filter((entry) => entry.startsWith('give'))).toHaveLength(2)
  expect(namesOf(two)).toEqual([])
  letGo.resolve(['7-0'])
  await leases.clock.advance({ seconds: 2 })
  expect([namesOf(one).length, namesOf(two).length]).toEqual([2, 2])
  expect([...two.owned.values()].map(({ clean, inDoubt }) => [clean, inDoubt])).toEqual([
    [true, ['7-0']],
    [true, ['7-0']],
  ])
})

test('members that read different streams agree about the stream they share', async () => {
  const leases = new Leases()
  const other = [0, 1, 2].map((index) => ({ name: `t/${index}`, set: 't' }))
  const one = memberOf(leases, 'one', [...four, ...other])
  const two = memberOf(leases, 'two', other)
  await one.ownership.start()
  await two.ownership.start()
  await leases.clock.advance({ seconds: 10 })
  expect(namesOf(one)).toEqual(expect.arrayContaining(['s/0', 's/1', 's/2', 's/3']))
  expect([...one.owned.keys(), ...two.owned.keys()].toSorted()).toEqual([...four, ...other].map(({ name }) => name))
  expect(namesOf(two).length).toBeGreaterThan(0)
})

test('what a dead member owned goes to others when its lease is over, as not let go of', async () => {
  const leases = new Leases()
  const next = memberOf(leases, 'next')
  leases.members.set('dead', { sets: ['s'], expiresAt: leases.clock.now() + leaseMs })
  for (const { name } of four) leases.rows.set(name, { owner: 'dead', epoch: 1, clean: false, inDoubt: [] })
  await next.ownership.start()
  await leases.clock.advance({ ms: leaseMs - 100 })
  expect(namesOf(next)).toEqual([])
  await leases.clock.advance({ ms: 200 })
  expect(namesOf(next)).toHaveLength(4)
  expect([...next.owned.values()].some(({ clean }) => clean)).toBe(false)
})

test('what could not be renewed in time is lost here before it is free at the server, and taken back later', async () => {
  const leases = new Leases()
  const one = memberOf(leases, 'one')
  await one.ownership.start()
  leases.away = true
  await leases.clock.advance({ ms: leaseMs - 1 })
  expect(one.ownership.valid).toBe(true)
  await leases.clock.advance({ ms: 1 })
  expect(one.ownership.valid).toBe(false)
  expect(one.ownership.epochOf('s/0')).toBeUndefined()
  expect(one.log.filter((entry) => entry.startsWith('lose'))).toHaveLength(4)
  expect(one.errors.map(({ code }) => code)).toEqual(['ACUSE_TRANSPORT_UNAVAILABLE', 'ACUSE_LEASE_LOST'])
  leases.away = false
  await leases.clock.advance({ seconds: 1 })
  expect(namesOf(one)).toHaveLength(4)
})

test('what was taken by another is lost at the next beat, and not claimed before the sink has let go', async () => {
  const leases = new Leases()
  const one = memberOf(leases, 'one')
  await one.ownership.start()
  const letGo = Promise.withResolvers<readonly string[]>()
  one.letGo = () => letGo.promise
  leases.rows.set('s/1', { owner: null, epoch: 9, clean: false, inDoubt: [] })
  await leases.clock.advance({ seconds: 5 })
  expect(namesOf(one)).toEqual(['s/0', 's/2', 's/3'])
  expect(one.log.filter((entry) => entry === 'own s/1')).toHaveLength(1)
  letGo.resolve([])
  await leases.clock.advance({ seconds: 2 })
  assert.equal(one.owned.get('s/1')?.epoch, 10)
})

test('who leaves releases what it owns with what is in doubt, also what it was about to give', async () => {
  const leases = new Leases()
  const [one, two] = [memberOf(leases, 'one'), memberOf(leases, 'two')]
  await one.ownership.start()
  const letGo = Promise.withResolvers<readonly string[]>()
  one.letGo = () => letGo.promise
  await two.ownership.start()
  await leases.clock.advance({ seconds: 2 })
  one.ownership.settle()
  const leaving = one.ownership.leave((partition) => [`${partition} doubt`])
  letGo.resolve(['given'])
  await leaving
  await leases.clock.advance({ seconds: 2 })
  expect(namesOf(two)).toHaveLength(4)
  expect([...two.owned.values()].every(({ clean }) => clean)).toBe(true)
  expect([...two.owned.values()].flatMap(({ inDoubt }) => inDoubt).filter((id) => id === 'given')).toHaveLength(2)
})

test('who settles keeps its leases and claims and gives nothing', async () => {
  const leases = new Leases()
  const [one, two] = [memberOf(leases, 'one'), memberOf(leases, 'two')]
  await one.ownership.start()
  one.ownership.settle()
  await two.ownership.start()
  await leases.clock.advance({ seconds: 30 })
  expect([namesOf(one).length, namesOf(two).length]).toEqual([4, 0])
})

test('where it cannot be said what is in doubt nothing is released: whoever is next takes all of it for possibly begun', async () => {
  const leases = new Leases()
  const [one, two] = [memberOf(leases, 'one'), memberOf(leases, 'two')]
  one.letGo = async () => null
  await one.ownership.start()
  await two.ownership.start()
  await leases.clock.advance({ seconds: 5 })
  expect(namesOf(two)).toEqual([])
  await one.ownership.leave(() => null)
  await leases.clock.advance({ seconds: 5 })
  expect(namesOf(two)).toHaveLength(4)
  expect([...two.owned.values()].some(({ clean }) => clean)).toBe(false)
})

test('leaving ends although the server is away', async () => {
  const leases = new Leases()
  const one = memberOf(leases, 'one')
  await one.ownership.start()
  leases.away = true
  await one.ownership.leave(() => [])
  expect(one.ownership.valid).toBe(false)
})
