import { eventually } from '@acuse/testing'
import { expect, test } from 'vitest'

import { startFaults } from '../../src/faults/faults.ts'
import type { BrokenBroker } from '../../src/faults/faults.ts'
import type { KeptService } from '../../src/processes/kept-service.ts'
import { isAlive, pidBehind, tinyService } from '../processes/tiny.ts'

/** A process in the place of a broker. */
function brokenBroker(service: KeptService): BrokenBroker {
  return {
    name: 'broker',
    kill: () => service.kill(),
    start: () => service.start(),
    freeze: async () => service.freeze(),
    thaw: async () => service.thaw(),
  }
}

test('faults happen until they are stopped, the database restarts once, and then all is up', async () => {
  const names = ['inventory-1', 'inventory-2', 'orders', 'gateway', 'broker'] as const
  const [one, two, three, gateway, broker] = await Promise.all(
    names.map(async (name) => (await tinyService(name)).service),
  )
  if (one === undefined || two === undefined || three === undefined || gateway === undefined) throw new Error('too few')
  if (broker === undefined) throw new Error('no broker')
  const all = [one, two, three, gateway, broker]
  await Promise.all(all.map((service) => service.start()))
  const before = new Set(all.map(({ pid }) => pid))

  const happened: string[] = []
  const failed: unknown[] = []
  const seen = new Set(before)
  let restarts = 0
  const faults = startFaults({
    seed: 4,
    killEveryMs: [200, 500],
    otherEveryMs: [300, 900],
    brokerEveryMs: [200, 400],
    services: [[one, two], [three]],
    gateway,
    broker: brokenBroker(broker),
    gatewayOutage: () => Promise.resolve(),
    restartDatabase: async () => {
      restarts += 1
    },
    databaseIsDue: () => happened.length >= 2,
    onFault: (what) => {
      happened.push(what)
      for (const { pid } of all) seen.add(pid)
    },
    onFailed: (error) => failed.push(error),
  })
  await eventually(
    () => {
      expect(faults.counts.kills).toBeGreaterThanOrEqual(5)
      expect(happened.some((what) => /^froze (inventory|orders)/.test(what))).toBe(true)
      expect(happened.some((what) => what.startsWith('froze broker'))).toBe(true)
      expect(happened).toContain('killed broker')
      expect(happened.length).toBeGreaterThanOrEqual(8)
    },
    { timeoutMs: 60_000 },
  )
  await faults.stop()

  expect(failed).toEqual([])
  expect(restarts).toBe(1)
  expect(happened.filter((what) => what === 'restarted the database')).toHaveLength(1)
  expect(faults.counts.total).toBe(happened.length)
  expect(all.map(({ state }) => state)).toEqual(['up', 'up', 'up', 'up', 'up'])
  for (const service of all) expect(await pidBehind(service.url)).toBe(service.pid)
  for (const pid of seen) {
    if (pid !== undefined && !all.some((service) => service.pid === pid)) expect(isAlive(pid)).toBe(false)
  }
  expect(seen.size).toBeGreaterThan(before.size)
})

test('stopping right after the start leaves everything as it was', async () => {
  const { service } = await tinyService('inventory-1')
  await service.start()
  const { pid } = service
  const faults = startFaults({
    seed: 1,
    services: [[service]],
    gateway: service,
    broker: null,
    gatewayOutage: () => Promise.resolve(),
    restartDatabase: () => Promise.resolve(),
    databaseIsDue: () => false,
    onFault: () => undefined,
    onFailed: (error) => {
      throw error
    },
  })
  await faults.stop()
  expect(faults.counts).toEqual({ total: 0, kills: 0, restarts: 0 })
  expect(service.pid).toBe(pid)
})

test('a broker that does not come back at once is started again, and the faults go on', async () => {
  const did: string[] = []
  const failed: unknown[] = []
  const { service } = await tinyService('inventory-1')
  const broker: BrokenBroker = {
    name: 'broker',
    kill: async () => void did.push('kill'),
    start: async () => {
      did.push('start')
      if (did.filter((what) => what === 'start').length < 3) throw new Error('its port is taken')
    },
    freeze: async () => void did.push('freeze'),
    thaw: async () => void did.push('thaw'),
  }
  const faults = startFaults({
    seed: 1,
    brokerEveryMs: [10, 20],
    services: [[service]],
    gateway: service,
    broker,
    gatewayOutage: () => Promise.resolve(),
    restartDatabase: () => Promise.resolve(),
    databaseIsDue: () => false,
    onFault: () => undefined,
    onFailed: (error) => void failed.push(error),
  })
  await eventually(() => expect(did).toContain('freeze'), { timeoutMs: 20_000 })
  await faults.stop()
  expect(did.slice(0, 6)).toEqual(['kill', 'start', 'start', 'start', 'freeze', 'thaw'])
  expect(failed.map(String)).toEqual(['Error: its port is taken', 'Error: its port is taken'])
  expect(faults.counts.restarts).toBe(1)
})
