import { type Bus, createBus, listen } from '@acuse/core'
import { pg, postgres } from '@acuse/postgres'
import { startFaultProxy } from '@acuse/testing'
import type { PoolClient } from 'pg'
import { Item } from '../processes/item.ts'
import { experiment, Findings, quantile } from './experiment.ts'
import { countFaults, countInversions } from './publish.ts'
import type { World } from './world.ts'

/** A statement of the log may run for 10 s, and is given up 2 s after that; the rest is for a busy machine. */
const longestMs = 12_000 + 3_000
const perRound = 20

export const settling = experiment({
  name: 'I11',
  title:
    'a publish whose confirmation vanishes settles within its timeout, is tried again, and is delivered once in effect',
  small: { rounds: 1 },
  whole: { rounds: 20 },
  async run(world, { rounds }) {
    const findings = new Findings()
    const target = new URL(world.url)
    await using proxy = await startFaultProxy({ host: target.hostname, port: Number(target.port) })
    await using bus = busThrough(world, proxy.port)
    await bus.start()
    const settledMs: number[] = []
    for (let round = 0; round < rounds; round++) {
      // The server has written and committed, and nobody hears of it.
      proxy.set({ kind: 'black-hole', towards: 'client' })
      const settled = nextFailure()
      await write(bus, round * perRound)
      settledMs.push(await settled)
      proxy.set({ kind: 'pass' })
      await world.until('select count(distinct n) from effects', (round + 1) * perRound)
      world.say(`${round + 1} of ${rounds} settled`)
    }
    await bus.stop()
    const inversions = await countInversions(world)
    const { lost, doubled } = await countFaults(world)
    const settledLongestMs = Math.round(Math.max(...settledMs))
    findings.expect(settledLongestMs < longestMs, `a publish settled after ${settledLongestMs} ms`)
    findings.equal('lost', lost, 0)
    findings.equal('doubled', doubled, 0)
    findings.equal('inversions', inversions, 0)
    const settledP50Ms = Math.round(quantile(settledMs, 0.5))
    return { broken: findings.broken, figures: { rounds, settledP50Ms, settledLongestMs, lost, doubled, inversions } }
  },
})

/** A service whose transport is another log, reached through the proxy. */
function busThrough({ url, pool }: World, port: number): Bus<PoolClient> {
  const through = Object.assign(new URL(url), { port: String(port) }).href
  const log = { leaseMs: 2_000, pollMaxMs: 200 }
  const transport = postgres({ connection: through, schema: 'transport', ...log })
  const bus = createBus({ service: 'apart', store: pg(pool, { log }), transport, pollMs: 50 })
  bus.group('effects', { from: 'earliest' }).on(Item, async ({ id, data }, { tx }) => {
    await tx.query('insert into effects(message, key, n) values ($1, $2, $3)', [id, data.key, data.n])
  })
  return bus
}

async function write(bus: Bus<PoolClient>, first: number): Promise<void> {
  await bus.transaction(async (tx, publish) => {
    for (let n = first; n < first + perRound; n++) {
      await tx.query('insert into wanted(key, n) values ($1, $2)', [`k${n % 5}`, n])
      publish(Item({ key: `k${n % 5}`, n }))
    }
  })
}

/** How long until the relay says that a message was not confirmed, ms. */
function nextFailure(): Promise<number> {
  const began = performance.now()
  return new Promise((resolve) => {
    const stop = listen('relayed', ({ delivered }) => {
      if (delivered) return
      stop()
      resolve(performance.now() - began)
    })
  })
}
