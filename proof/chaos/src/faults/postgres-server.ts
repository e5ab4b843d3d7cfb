import { Client } from 'pg'
import type { Fault } from './fault.ts'

// Each about every 22 s: a restart and a recovery take a second or two, and all processes come back from them.
const perRun = 5.5

/** The server is stopped as for an upgrade, and started again. */
const restart: Fault = {
  name: 'pg-restart',
  perRun,
  async strike({ server, serverTurn }) {
    const tookMs = await timed(() => serverTurn(() => server.restart('fast')))
    return `restarted PostgreSQL in ${tookMs} ms`
  },
}

/** The server is killed, all of it, and recovers. */
const kill: Fault = {
  name: 'pg-kill',
  perRun,
  async strike({ server, serverTurn, pause }, random) {
    const tookMs = await timed(() =>
      serverTurn(async () => {
        await server.kill()
        await pause(random.whole(0, 700))
        await server.start()
      }),
    )
    return `killed PostgreSQL, and had it back after ${tookMs} ms`
  },
}

async function timed(work: () => Promise<void>): Promise<number> {
  const beganMs = performance.now()
  await work()
  return Math.round(performance.now() - beganMs)
}

/** The connections that listen for wake-ups are ended; whoever has lost one has to find its messages by looking. */
const endListeners: Fault = {
  name: 'listen-kill',
  perRun: 6,
  async strike({ server }) {
    const client = new Client({ connectionString: server.url(), connectionTimeoutMillis: 3_000, query_timeout: 3_000 })
    client.on('error', () => undefined)
    try {
      // Where the server is away just now, so are they.
      if (
        !(await client.connect().then(
          () => true,
          () => false,
        ))
      )
        return undefined
      const { rows } = await client.query<{ ended: number }>(
        `select count(pg_terminate_backend(pid))::int as ended from pg_stat_activity where query ilike 'listen %'`,
      )
      const ended = rows[0]?.ended ?? 0
      return ended === 0 ? undefined : `ended ${ended} listening connections`
    } finally {
      await client.end().catch(() => undefined)
    }
  },
}

export const postgresFaults: readonly Fault[] = [restart, kill, endListeners]
