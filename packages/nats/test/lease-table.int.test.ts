import { type Lease, systemClock } from '@acuse/core'
import { type Server, startNats } from '@acuse-proof/servers'
import { eventually } from '@acuse/testing'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { Bucket } from '../src/bucket.ts'
import { type Connection, openConnection } from '../src/connection.ts'
import { KeyLeaseTable } from '../src/lease-table.ts'
import { ensureBucket } from '../src/streams.ts'
import { uniqueName } from './support.ts'

let server: Server
let connection: Connection
beforeAll(async () => {
  server = await startNats({ release: '2.10' })
  connection = await openConnection({
    ...{ url: server.url, tls: undefined, authenticator: undefined, credentials: undefined, name: 'leases' },
    ...{ clock: systemClock, onError: () => undefined },
  })
  await ensureBucket(connection, 'acuse', { replicas: 1, duplicateWindowMs: 1_000, allowUnsafe: [] })
})
afterAll(async () => {
  await connection.close()
  await server[Symbol.asyncDispose]()
})

function table(group: string, member: string, leaseMs = 60_000): KeyLeaseTable {
  const bucket = new Bucket({ connection, name: 'acuse', remake: async () => undefined })
  return new KeyLeaseTable({
    ...{ bucket, clock: systemClock, group, member, leaseMs },
    sets: ['orders'],
    tellOthers: () => undefined,
  })
}

const never = (partition: string): Lease => ({ partition, owner: null, epoch: 0 })

it('of members that claim the same at once one gets it', async () => {
  const group = uniqueName('group')
  const tables = Array.from({ length: 8 }, (_, index) => table(group, `member ${index}`))
  await Promise.all(tables.map((each) => each.beat()))
  const wanted = Array.from({ length: 6 }, (_, index) => never(`orders/${index}`))
  const claimed = (await Promise.all(tables.map((each) => each.claim(wanted)))).flat()
  expect(claimed.map(({ partition }) => partition).toSorted()).toEqual(wanted.map(({ partition }) => partition))
  expect(claimed.every(({ epoch, clean }) => epoch > 0 && clean)).toBe(true)
})

it('what was released is free and clean, by the epoch it is owned by and no other', async () => {
  const group = uniqueName('group')
  const [one, two] = [table(group, 'one'), table(group, 'two')]
  await one.beat()
  await two.beat()
  const [first] = await one.claim([never('orders/0')])
  const epoch = first?.epoch ?? 0
  const owned: Lease = { partition: 'orders/0', owner: 'one', epoch }
  expect(await two.claim([owned])).toEqual([])
  await one.release('orders/0', epoch - 1)
  await two.release('orders/0', epoch)
  expect(await two.claim([owned])).toEqual([])
  await one.release('orders/0', epoch)
  const [second] = await two.claim([owned])
  expect(second).toMatchObject({ partition: 'orders/0', clean: true })
  expect(second?.epoch).toBeGreaterThan(epoch)
})

it('what a member owned that is dead, or that left, is free and not clean', async () => {
  const group = uniqueName('group')
  const [dead, left, heir] = [table(group, 'dead', 1), table(group, 'left'), table(group, 'heir')]
  await dead.beat()
  await dead.claim([never('orders/0')])
  await left.beat()
  await left.claim([never('orders/1')])
  await left.leave()
  await eventually(async () => {
    const { members, leases } = await heir.beat()
    expect(members.map(({ id }) => id)).toEqual(['heir'])
    expect(leases.map(({ owner }) => owner)).toEqual(['dead', 'left'])
    const claimed = await heir.claim(leases)
    expect(claimed.map(({ clean }) => clean)).toEqual([false, false])
    expect(claimed.every(({ epoch }, index) => epoch > (leases[index]?.epoch ?? 0))).toBe(true)
  })
})

it('a member lives from its beat on, by the clock of the server', async () => {
  const group = uniqueName('group')
  const one = table(group, 'one', 5_000)
  const { members } = await one.beat()
  expect(members).toEqual([{ id: 'one', sets: ['orders'], expiresInMs: 5_000 }])
  const { members: seen } = await table(group, 'two').beat()
  const expiresInMs = seen.find(({ id }) => id === 'one')?.expiresInMs ?? 0
  expect(expiresInMs).toBeLessThanOrEqual(5_000)
  expect(expiresInMs).toBeGreaterThan(0)
})
