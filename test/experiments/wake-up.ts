import { createBus, listen } from '@acuse/core'
import { pg } from '@acuse/postgres'
import { Pool } from 'pg'
import { Item } from '../processes/item.ts'
import { experiment, Findings, quantile } from './experiment.ts'

/** The connection of the reading process that listens. */
const listening = `pg_stat_activity
  where datname = current_database() and application_name = 'acuse:reader' and query like 'listen%'`

/** Two processes on a busy machine need this long beside the pause itself. */
const slackMs = 1_000

export const wakeUp = experiment({
  name: 'I16',
  title: 'a wake-up that is lost with its connection delays a message by the poll interval at most',
  small: { rounds: 5, pollMaxMs: 1_000 },
  whole: { rounds: 100, pollMaxMs: 1_000 },
  async run(world, { rounds, pollMaxMs }) {
    const findings = new Findings()
    const reader = new Pool({ connectionString: world.url, max: 12 })
    reader.on('error', () => undefined)
    const publishing = createBus({ service: 'writer', store: pg(world.pool) })
    const reading = createBus({ service: 'reader', store: pg(reader, { log: { pollMaxMs } }) })
    const arrived = new Map<string, () => void>()
    const stopListening = listen('applied', ({ id }) => arrived.get(id)?.())
    reading.group({ from: 'earliest', concurrency: 2 }).on(Item, () => undefined)
    await publishing.start()
    await reading.start()
    const delays: number[] = []
    let killed = 0
    for (let round = 0; round < rounds; round++) {
      await world.until(`select count(*) from ${listening}`, 1)
      const { rowCount } = await world.pool.query(`select pg_terminate_backend(pid) from ${listening}`)
      killed += rowCount ?? 0
      const id = `round-${round}`
      const arrival = new Promise<void>((resolve) => arrived.set(id, resolve))
      const began = performance.now()
      await publishing.publishNow(Item({ key: 'one', n: round }), { id })
      await arrival
      delays.push(performance.now() - began)
    }
    stopListening()
    await reading.stop()
    await publishing.stop()
    await reader.end()
    const longestMs = Math.round(Math.max(...delays))
    findings.expect(killed >= rounds, `only ${killed} connections that listen were there to be killed`)
    findings.expect(longestMs < pollMaxMs + slackMs, `a message took ${longestMs} ms`)
    return {
      broken: findings.broken,
      figures: { rounds, killed, delayP50Ms: Math.round(quantile(delays, 0.5)), longestMs, pollMaxMs },
    }
  },
})
