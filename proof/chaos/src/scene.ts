import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type EmbeddedServer, startEmbedded } from '@acuse/postgres/embedded'
import { Client } from 'pg'
import { type GroupName, groups, keysOf, type Plan } from './plan.ts'
import { Links } from './processes/links.ts'
import { makeConsumerTables, makeProducerTables } from './tables.ts'
import type { ChaosTransport, RunningBroker } from './transports/transport.ts'

/** The services of a run that have a database of their own. */
export type Service = 'producer' | GroupName | 'saga'

/** Servers, databases and folders of a run: all that is to be gone when it is over. */
export interface Scene extends AsyncDisposable {
  /** What each process logs. */
  readonly logs: string
  /** Compiled code that later processes of the run find again: a start costs 0.2 s instead of 0.5. */
  readonly cache: string
  readonly server: EmbeddedServer
  readonly broker: RunningBroker
  readonly links: Links
  /** Straight to a service's database. */
  readonly storeUrl: (service: Service) => string
}

/** What runs that follow each other may share. */
export interface Shared {
  readonly server?: EmbeddedServer
  /** See `Scene.cache`. */
  readonly cache?: string
  /** Where logs go that are to be kept. */
  readonly logs?: string
}

export interface SceneRequest {
  readonly transport: ChaosTransport
  /** Of the broker. */
  readonly nodes: number
  readonly plan: Plan
  /** How many processes come through proxies of their own. */
  readonly proxied: number
  readonly shared?: Shared
}

/** Starts everything but the processes. On a server that is shared it has databases of its own. */
export async function openScene({ transport, nodes, plan, proxied, shared = {} }: SceneRequest): Promise<Scene> {
  const stack = new AsyncDisposableStack()
  try {
    const folder = await mkdtemp(join(tmpdir(), 'acuse-chaos-'))
    stack.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 }))
    const logs = shared.logs ?? join(folder, 'logs')
    await mkdir(logs, { recursive: true })
    const server = shared.server ?? stack.use(await startServer(join(folder, 'postgres')))
    const prefix = `chaos_${randomBytes(4).toString('hex')}`
    stack.defer(() => dropDatabases(server, prefix, shared.server !== undefined))
    const broker = await transport.start({ server, name: `${prefix}_transport`, nodes, proxied })
    stack.use(broker)
    await makeDatabases(server, prefix, plan)
    const links = new Links()
    stack.use(links)
    const opened = stack.move()
    return {
      logs,
      cache: shared.cache ?? join(folder, 'compiled'),
      server,
      broker,
      links,
      storeUrl: (service) => server.url(`${prefix}_${service}`),
      [Symbol.asyncDispose]: () => opened.disposeAsync(),
    }
  } finally {
    await stack.disposeAsync()
  }
}

/** A server as runs need it. */
export function startServer(folder: string): Promise<EmbeddedServer> {
  const settings: Record<string, string> = {
    // Some 150 connections, and those of processes that were killed a moment ago.
    max_connections: '400',
  }
  // After a kill every file is synchronised before recovery; one by one that took 2 to 6 s for a run's five databases.
  if (process.platform === 'linux') settings['recovery_init_sync_method'] = 'syncfs'
  return startEmbedded({ folder, settings })
}

async function dropDatabases(server: EmbeddedServer, prefix: string, isShared: boolean): Promise<void> {
  // Otherwise they end with the server's folder.
  if (!isShared) return
  const client = new Client({ connectionString: server.url() })
  await client.connect()
  try {
    for (const name of [...groups, 'producer', 'saga', 'transport']) {
      await client.query(`drop database if exists ${prefix}_${name} with (force)`)
    }
  } finally {
    await client.end()
  }
}

async function makeDatabases(server: EmbeddedServer, prefix: string, plan: Plan): Promise<void> {
  const keys = keysOf(plan.workload)
  // Calls have keys of their own.
  const all = [...keys, ...keys.map((key) => `c${key}`)]
  await makeProducerTables(await server.createDatabase(`${prefix}_producer`), all)
  for (const service of [...groups, 'saga'] as const) {
    await makeConsumerTables(await server.createDatabase(`${prefix}_${service}`), all)
  }
}
